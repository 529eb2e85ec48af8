"""What is wrong with how a system's folder enters the index and the vital signs, and whom it names.

Each finding says file, line, what was found, what was expected and what to do next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from core.contract import Contract
from core.documents import place_in
from core.system import System
from orchestration.derive import duties, guides, index, signs
from orchestration.derive.tables import Row, house_rows

# What `risk.subject` has of every register, whatever its columns are called.
SUBJECT_COLUMNS = frozenset({"people", "grade", "status", "object_subtype", "built_on"})
_REGISTER_WORDS = ("register", "years_since", "days_since", *("ratio_to", "ratio_to_depth_limit", "margin_below"))


@dataclass(frozen=True, slots=True)
class House:
    """All systems under one root with their contracts, and the departments that there are."""

    systems: tuple[System, ...]
    contracts: Mapping[str, tuple[Contract, ...]]  # by id of the system
    departments: frozenset[str]

    @classmethod
    def of(cls, root: Path, contracts: Mapping[str, tuple[Contract, ...]], systems: tuple[System, ...]) -> House:
        """The house as the folders under `root` say it."""
        known = {row["department_code"] for row in house_rows(root, "departments", duties.DEPARTMENTS)}
        known |= {code for system in systems for code in system.departments}
        return cls(systems, contracts, frozenset(known))

    def same(self, system: System) -> list[System]:
        """All systems that watch the same kind of risk, itself among them."""
        return [one for one in self.systems if (one.domain, one.subdomain) == (system.domain, system.subdomain)]

    def of_kind(self, system: System) -> list[Contract]:
        """Contracts of all systems that watch the same kind of risk."""
        return [contract for one in self.same(system) for contract in self.contracts[one.id]]

    def registers(self, kind: str) -> list[Contract]:
        """The contracts that register objects or devices of a kind."""
        feeds = {one.devices[kind].feed for one in self.systems if kind in one.devices}
        every = [contract for contracts in self.contracts.values() for contract in contracts]
        return [contract for contract in every if contract.object_type == kind or contract.id in feeds]


def faults(system: System, house: House) -> list[str]:
    """Everything wrong with the declarations of one system."""
    assert system.folder is not None
    path = system.folder / "system.yaml"
    return [
        *_wrong_names(system, path, house),
        *_wrong_kinds(system, path, house),
        *_wrong_index(system, path, house),
        *_wrong_signs(system, path, house),
        *_wrong_telling(system, system.folder, house),
    ]


def no_department(path: Path, department: str, *place: str) -> str:
    """What to say of a department that there is not."""
    return (
        f"{place_in(path, *place)}: {department!r} is no department; expected one of systems/_house/departments.csv "
        "or of `departments` of a system.yaml: declare it there with its names"
    )


def _wrong_names(system: System, path: Path, house: House) -> Iterator[str]:
    if system.owner not in house.departments:
        yield no_department(path, system.owner, "owner")
    for role, department in system.roles.items():
        if department not in house.departments:
            yield no_department(path, department, "roles", role)


def _wrong_kinds(system: System, path: Path, house: House) -> Iterator[str]:
    own = {contract.id: contract for contract in house.contracts[system.id] if not contract.is_draft}
    registered = {contract.object_type for contract in own.values() if contract.object_type}
    for kind in sorted(registered - system.objects.keys()):
        yield f"{path}:1: objects: kind {kind!r} of its feeds is not named; add it with its names in zh and en"
    for kind in sorted(system.objects.keys() - registered):
        yield (
            f"{place_in(path, 'objects', kind)}: no feed of the folder registers it; expected one of "
            f"{', '.join(sorted(registered)) or 'none'}, as `objectType` of a contract says"
        )
    watched = {
        kind for one in house.same(system) for kind in one.objects
    }  # none where the folder that registers them is not there
    holds: dict[str, str] = {}
    for kind, device in system.devices.items():
        if (other := holds.setdefault(device.feed, kind)) != kind:
            yield (
                f"{place_in(path, 'devices', kind, 'feed')}: {device.feed!r} registers {other!r} already; expected a "
                "register for each kind of devices: give this kind a feed of its own, or declare one kind for both"
            )
        if device.feed not in own or "device" not in own[device.feed].entities:
            known = sorted(feed for feed, contract in own.items() if "device" in contract.entities)
            yield (
                f"{place_in(path, 'devices', kind, 'feed')}: {device.feed!r} registers no devices; expected one of "
                f"{', '.join(known) or 'none'}: name the register in which they stand"
            )
        if watched and device.stands_at is not None and device.stands_at not in watched:
            yield (
                f"{place_in(path, 'devices', kind, 'stands_at')}: {device.stands_at!r} is no kind of objects of "
                f"{system.subdomain}; expected one of {', '.join(sorted(watched))}, or leave it out"
            )


def _wrong_index(system: System, path: Path, house: House) -> Iterator[str]:
    declared = index.index_of(system)
    if not declared:
        return
    same = house.same(system)
    n_places = sum("people" in index.index_of(one) for one in same)
    if n_places != 1:
        yield (
            f"{place_in(path, 'index')}: {n_places} folders say `people` of subdomain {system.subdomain!r}, expected "
            f"one: say people and share in one of {', '.join(str(one.folder) for one in same)}"
        )
    for component, code, signal in index.signals_of(declared):
        yield from (
            f"{place_in(path, 'index', component, code, *step)}: {wrong}"
            for step, wrong in _wrong_signal(system, signal, house)
        )


def _wrong_signal(system: System, signal: Row, house: House) -> Iterator[tuple[tuple[str, ...], str]]:
    """Where inside a signal something is wrong, and what."""
    kinds = index.stands_alone(system)
    about = signal.get("about") or (kinds[0] if len(kinds) == 1 else None)
    if about is None:
        yield (), f"no about, and the folder has {', '.join(kinds) or 'no kind'}; name the kind that it describes"
        return
    registers = house.registers(about)
    if not registers:
        yield ("about",), f"no feed registers {about!r}; expected a kind of objects or devices that a folder declares"
        return
    columns = SUBJECT_COLUMNS | {column.name for contract in registers for column in contract.columns}
    for word in _REGISTER_WORDS:
        if word in signal and signal[word] not in columns:
            yield (word,), f"the register of {about} has no column {signal[word]!r}; expected one of {some(columns)}"
    if "reading" in signal and signal["reading"] not in (metrics := _metrics(system, house)):
        yield (
            ("reading",),
            f"no feed of {system.subdomain} has metric {signal['reading']!r}; expected one of {some(metrics)}",
        )
    yield from _wrong_scale(signal)


def _wrong_scale(signal: Row) -> Iterator[tuple[tuple[str, ...], str]]:
    bounds, events = signal.get("bounds"), signal.get("events", {})
    if bounds is None and "classes" not in signal:
        yield (), "neither bounds nor classes; say which value counts as 0 and which as 1, or an intensity a class"
    if bounds is not None and bounds[0] == bounds[1]:
        yield ("bounds",), f"both are {bounds[0]}; expected the value that counts as 0 and another that counts as 1"
    if bounds is not None and signal.get("scale") == "log" and min(bounds) <= 0:
        yield ("bounds",), f"{min(bounds)} on a logarithmic scale; expected numbers above 0"
    if events.get("take") == "classes_share" and "classes" not in signal:
        yield ("events",), "classes_share without classes; list those of which a share is seen"
    if events.get("take") == "persons_expired" and "attribute" not in events:
        yield ("events",), "persons_expired without attribute; name the column of the events that holds the date"


def _wrong_signs(system: System, path: Path, house: House) -> Iterator[str]:
    metrics = _metrics(system, house)
    for code, sign in signs.signs_of(system).items():
        if "reading" in sign and sign["reading"] not in metrics:
            yield (
                f"{place_in(path, 'vital_signs', code, 'reading')}: no feed of {system.subdomain} has metric "
                f"{sign['reading']!r}; expected one of {some(metrics)}"
            )
        green, red = sign.get("green", {}), sign.get("red", {})
        is_low = "from" in red and red["from"] > green.get("from", red["from"])
        if is_low or ("to" in red and red["to"] < green.get("to", red["to"])):
            yield f"{place_in(path, 'vital_signs', code, 'red')}: red begins inside green; expected the wider bounds"


def _wrong_telling(system: System, folder: Path, house: House) -> Iterator[str]:
    guide = guides.guide_of(system)
    for word in ("owner", "roles"):
        if word in guide:
            yield f"{place_in(folder / 'guide.yaml', word)}: found in a system's guide; say it in system.yaml"
    yield from _guided_twice(system, folder, guide, house)
    if "issuer" in guide and guide["issuer"] not in house.departments:
        yield no_department(folder / "guide.yaml", guide["issuer"], "issuer")


def _guided_twice(system: System, folder: Path, guide: Row, house: House) -> Iterator[str]:
    """Another guide than that which is taken where several folders watch the same kind of risk."""
    guided = {one.id: one for one in house.same(system) if "category" in guides.guide_of(one)}
    if system.id not in guided or (first := guided[min(guided)]) is system:
        return
    taken, told = guides.guide_of(first), guide.keys() - {"version", "wordings"}
    if any(guide[word] != taken.get(word) for word in told):
        yield (
            f"{place_in(folder / 'guide.yaml', 'category')}: {first.folder}/guide.yaml says another guide of "
            f"{system.subdomain!r}, which is the one that people are told; say it in one of them"
        )


def _metrics(system: System, house: House) -> frozenset[str]:
    return frozenset(metric for contract in house.of_kind(system) for metric in contract.metrics)


def some(names: frozenset[str] | set[str]) -> str:
    """Names as an error lists them."""
    return ", ".join(sorted(names)) or "none"

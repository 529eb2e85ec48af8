"""What is wrong with what declarations name in other folders: systems, kinds of risk, departments, places.

A system that is not there may be named, for any folder can be taken away. What no release and no plan knows is a slip,
and would take a rule, a member or a duty away in silence.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.area import is_within
from core.declarations import read_declaration
from core.documents import place_in
from core.system import SYSTEMS_ROOT, System, city_files, load_planned, load_systems, shared_folder
from orchestration.declared_check import House, no_department, some
from orchestration.derive import rules
from orchestration.derive.guides import Kind, unwatched

_ORGANISATIONS = "seeds/organisations.csv"


@dataclass(frozen=True, slots=True)
class Known:
    """What may be named: systems under the root, before those of the product and of both plans; kinds of risk."""

    systems: Mapping[str, System]  # that have a folder
    ids: frozenset[str]
    kinds: frozenset[Kind]

    @classmethod
    def of(cls, root: Path, there: tuple[System, ...]) -> Known:
        """All that folders under `root` may name. Raises DeclarationError."""
        systems = {**load_systems(), **{system.id: system for system in there}}
        kinds = {(system.domain, system.subdomain) for system in systems.values()}
        return cls(
            systems,
            frozenset({*systems, *load_planned(root), *load_planned(SYSTEMS_ROOT)}),
            frozenset({*kinds, *unwatched(root), *unwatched(SYSTEMS_ROOT)}),
        )

    @property
    def subdomains(self) -> frozenset[str]:
        """The names of all kinds, whatever their domain."""
        return frozenset(subdomain for _, subdomain in self.kinds if subdomain != "any")

    def about(self, subdomain: str) -> frozenset[str]:
        """What alerts of a kind can be about; nothing where no folder watches it."""
        watching = [system for system in self.systems.values() if system.subdomain == subdomain]
        of_rules = {rule["about"] for system in watching for rule in _document(system).get("rules", {}).values()}
        return frozenset(of_rules.union(*(system.objects for system in watching), *(s.devices for s in watching)))

    def conditions(self, system_id: str) -> frozenset[str]:
        """The conditions of all rules of a system that has a folder."""
        text = rules.tables([self.systems[system_id]], self.ids)["alert_conditions.csv"]
        return frozenset(row["condition_id"] for row in csv.DictReader(io.StringIO(text)))


def faults(root: Path, house: House, tables: Mapping[str, str]) -> list[str]:
    """Everything that names what there is not; `tables` are those derived from `root`. Raises DeclarationError."""
    known = Known.of(root, house.systems)
    organisations = {row["organisation_id"] for row in csv.DictReader(io.StringIO(tables[_ORGANISATIONS]))}
    found: list[str] = []
    for system in house.systems:
        found += [*_wrong_members(system, known), *_wrong_inhibits(system, known)]
    found += _wrong_unwatched(root, house)
    for path in city_files(root):
        city = read_declaration(path, "city")
        found += [*_wrong_duties(path, city, known, organisations), *_wrong_overrides(path, city, known)]
    return found


def _document(system: System) -> Mapping[str, Any]:
    """What its rules.yaml says; nothing where it has none."""
    path = _rules_file(system)
    return read_declaration(path, "rules") if path.is_file() else {}


def _rules_file(system: System) -> Path:
    assert system.folder is not None  # it was read from one
    return system.folder / "rules.yaml"


def _wrong_members(system: System, known: Known) -> Iterator[str]:
    for rule_id, rule in _document(system).get("rules", {}).items():
        for number, member in enumerate(rule.get("members", ())):
            system_id, is_of_another, _ = member.rpartition(".")
            if is_of_another and system_id not in known.ids:
                place = place_in(_rules_file(system), "rules", rule_id, "members", number)
                yield f"{place}: {member!r} is of a system {system_id} {_no_system(known)}"


def _wrong_inhibits(system: System, known: Known) -> Iterator[str]:
    path = _rules_file(system)
    for inhibition_id, one in _document(system).get("inhibits", {}).items():
        for side in ("worse", "hides"):
            subdomain, about = one[side].get("subdomain", system.subdomain), one[side].get("about")
            if subdomain not in known.subdomains:
                yield (
                    f"{place_in(path, 'inhibits', inhibition_id, side, 'subdomain')}: {subdomain!r} is no subdomain; "
                    f"expected one of {some(known.subdomains)}, as a system.yaml or a file of _kinds says"
                )
            elif about is not None and (there := known.about(subdomain)) and about not in there:
                yield (
                    f"{place_in(path, 'inhibits', inhibition_id, side, 'about')}: no alert of {subdomain} is about "
                    f"{about!r}; expected one of {some(there)}, as `about` of a rule says"
                )


def _wrong_unwatched(root: Path, house: House) -> Iterator[str]:
    for (domain, subdomain), guide in unwatched(root).items():
        path = shared_folder(root, "_kinds") / domain / f"{subdomain}.yaml"
        said: dict[tuple[str, ...], str] = {(word,): guide[word] for word in ("owner", "issuer") if word in guide}
        said |= {("roles", role): department for role, department in guide.get("roles", {}).items()}
        yield from (
            no_department(path, department, *place)
            for place, department in said.items()
            if department not in house.departments
        )


def _wrong_duties(path: Path, city: Mapping[str, Any], known: Known, organisations: set[str]) -> Iterator[str]:
    code, duty = city["code"], city["responsibility"]
    for role, office in duty["usual"].items():
        if f"{code}:{office}" not in organisations:
            yield _no_organisation(path, f"{code}:{office}", "responsibility", "usual", role)
    for number, row in enumerate(duty.get("rows", ())):
        place = ("responsibility", "rows", number)
        domain, _, subdomain = row["kind"].partition("/")
        if (domain, subdomain) not in known.kinds or subdomain == "any":
            every = {"/".join(kind) for kind in known.kinds if kind[1] != "any"}
            yield f"{place_in(path, *place, 'kind')}: {row['kind']!r} is no kind of risk; expected one of {some(every)}"
        if row["organisation"] not in organisations:
            yield _no_organisation(path, row["organisation"], *place, "organisation")
        if not is_within(row.get("area_code", code), code):
            yield _not_in_the_city(path, row["area_code"], code, *place, "area_code")


def _wrong_overrides(path: Path, city: Mapping[str, Any], known: Known) -> Iterator[str]:
    for override, one in city.get("overrides", {}).items():
        system_id, condition = one["system"], one["condition"]
        if system_id not in known.ids:
            yield f"{place_in(path, 'overrides', override, 'system')}: {system_id} is a system {_no_system(known)}"
        elif system_id in known.systems and condition not in known.conditions(system_id):
            yield (
                f"{place_in(path, 'overrides', override, 'condition')}: {condition!r} is no condition of {system_id}; "
                "expected one of its rules.yaml, named <rule>_<colour> where it says no id"
            )
        if one["scope"] in ("city", "area") and not is_within(one["code"], city["code"]):
            yield _not_in_the_city(path, one["code"], city["code"], "overrides", override, "code")


def _no_system(known: Known) -> str:
    return f"that has no folder and is not planned; expected one of {some(known.ids)}: mend the id or add the system"


def _no_organisation(path: Path, organisation: str, *place: str | int) -> str:
    return (
        f"{place_in(path, *place)}: {organisation!r} is no organisation; expected an organisation_id of "
        "systems/_house/organisations.csv, or <city>:<department> of a department that a system.yaml declares"
    )


def _not_in_the_city(path: Path, area: str, city: str, *place: str | int) -> str:
    return f"{place_in(path, *place)}: area {area} is not in the city; expected {city} or the code of a part of it"

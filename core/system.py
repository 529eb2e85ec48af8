"""A monitoring system of a city as its folder declares it: `systems/<domain>/<name>/`.

A city buys, runs and drops its monitoring by system; what makes one stands in its folder and nowhere else. Systems that
the cities describe and that nobody has built yet stand in `systems/planned.yaml`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal, cast

from core.declarations import DeclarationError, read_declaration

SYSTEMS_ROOT = Path(__file__).parent.parent / "systems"
CITIES = ("yichang", "changde", "nanning", "zunyi", "tongzhou", "pudong", "songjiang")
# Beside the folders of systems: what a city says otherwise, rows of no one system, kinds of risk that none watches yet.
SHARED_FOLDERS = ("_city", "_house", "_kinds")
RISK_DOMAINS = ("lifeline", "public_safety", "work_safety", "natural_hazard")
DOMAINS = (*RISK_DOMAINS, "command")


def systems_root(environment: Mapping[str, str]) -> Path:
    """The folder of systems: the product's own, or that in CITYRISK_SYSTEMS.

    Raises DeclarationError for a setting of an earlier release and for a folder without a system: a process that knew
    no feed would run and hear nothing.
    """
    if environment.get("CITYRISK_CONTRACTS"):
        raise DeclarationError(
            "CITYRISK_CONTRACTS is set, which nothing reads any more: contracts stand in folders of systems; move them "
            "to <domain>/<system>/feeds/ and name that folder in CITYRISK_SYSTEMS"
        )
    root = Path(environment.get("CITYRISK_SYSTEMS") or SYSTEMS_ROOT)
    if next(root.glob("*/*/feeds/*.odcs.yaml"), None) is None:
        raise DeclarationError(
            f"{root}: no <domain>/<system>/feeds/*.odcs.yaml there; name the folder of systems in "
            "CITYRISK_SYSTEMS, or leave it unset for the product's own"
        )
    return root


@dataclass(frozen=True, slots=True)
class Count:
    """How many of a thing a city has; `given` when the city itself says so, else `assumed`."""

    n: float
    source: Literal["given", "assumed"]


@dataclass(frozen=True, slots=True)
class Scaling:
    """How a count follows the scale of a smaller city: never below `floor`, or the same at every scale."""

    floor: int = 1
    is_scaled: bool = True


@dataclass(frozen=True, slots=True)
class ObjectKind:
    """A kind of objects that a register holds: what people call it, and the layer and shape in which a map draws it."""

    name_zh: str
    name_en: str
    layer: str
    shape: str = "circle"


@dataclass(frozen=True, slots=True)
class DeviceKind:
    """A kind of devices with the feed that registers them; `stands_at` is None for one that stands for itself."""

    name_zh: str
    name_en: str
    layer: str
    feed: str
    stands_at: str | None = None
    shape: str = "circle"


@dataclass(frozen=True, slots=True)
class PagePart:
    """One part of a system's page: `of` is the metric of a trend (with what to `take` of it) or a part's own module."""

    kind: Literal["summary", "alerts", "map", "worst", "trend", "index", "register", "devices", "feeds", "part"]
    of: str = ""
    take: Literal["max", "min", "mean"] = "max"


@dataclass(frozen=True, slots=True)
class System:
    """One system: names, who owns it, where its objects count, how large it is in each city, what its page shows.

    `size_of` names the count that states how large it is. `folder` is None for one that is only planned, whose other
    fields are empty. `roles` are those that another department than the owner has; `departments` those that only this
    folder knows, by code. `page` is empty where the folder does not say: then the page has the usual parts.
    """

    id: str
    name_zh: str
    name_en: str
    domain: str
    folder: Path | None = None
    summary_zh: str = ""
    summary_en: str = ""
    subdomain: str = ""
    owner: str = ""
    size_of: str = ""
    sizes: Mapping[str, Mapping[str, Count]] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    departments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    objects: Mapping[str, ObjectKind] = field(default_factory=dict)
    devices: Mapping[str, DeviceKind] = field(default_factory=dict)
    page: tuple[PagePart, ...] = ()

    @property
    def scalings(self) -> Mapping[str, Scaling]:
        """How its counts follow the scale of a simulated city; read when asked for, as only simulations need it.

        Raises DeclarationError for a `simulation.yaml` that cannot be used.
        """
        path = None if self.folder is None else self.folder / "simulation.yaml"
        return {} if path is None or not path.is_file() else _scalings(path, path.stat().st_mtime_ns)

    @property
    def contract_paths(self) -> tuple[Path, ...]:
        """The files of its feeds, in order of name."""
        return () if self.folder is None else tuple(sorted(self.folder.glob("feeds/*.odcs.yaml")))

    def stated(self, city: str) -> Count | None:
        """How large a city says that the system is; the first count it gives when it gives another one."""
        counts = self.sizes.get(city, {})
        return counts.get(self.size_of) or next(iter(counts.values()), None)

    def built(self, city: str) -> float:
        """How many the simulated city of that name has at full size; 0 where nothing simulates it."""
        is_simulated = self.size_of in self.scalings and city in simulated_cities()
        count = self.sizes.get(city, {}).get(self.size_of)
        return count.n if is_simulated and count is not None else 0


def load_systems(root: Path = SYSTEMS_ROOT) -> dict[str, System]:
    """Every system with a folder, by id in id order. Raises DeclarationError, also for an id that is taken."""
    systems: dict[str, System] = {}
    for folder in folders(root):
        system = load_system(folder)
        if (other := systems.get(system.id)) is not None:
            raise DeclarationError(f"{folder}/system.yaml: id {system.id} is that of {other.folder}; choose a free one")
        systems[system.id] = system
    return dict(sorted(systems.items()))


def city_files(root: Path = SYSTEMS_ROOT) -> list[Path]:
    """The files of the cities, in order of name."""
    return sorted(shared_folder(root, "_city").glob("*.yaml"))


def shared_folder(root: Path, name: str) -> Path:
    """One of SHARED_FOLDERS under `root`; the product's own where it has none."""
    return root / name if (root / name).is_dir() else SYSTEMS_ROOT / name


@cache
def simulated_cities() -> frozenset[str]:
    """Cities (pinyin) that the product's simulator can play."""
    return frozenset(path.stem for path in city_files() if "simulation" in read_declaration(path, "city"))


def load_planned(root: Path = SYSTEMS_ROOT) -> dict[str, System]:
    """The systems of `planned.yaml`, by id; none where no list of them stands."""
    path = root / "planned.yaml"
    if not path.is_file():
        return {}
    document = read_declaration(path, "planned")
    return {id: System(id, words["zh"], words["en"], words["domain"]) for id, words in sorted(document.items())}


def folders(root: Path) -> Iterator[Path]:
    """The folders of systems under `root`, in order: those that hold a `system.yaml`, and those that should."""
    names = ("system.yaml", "rules.yaml", "simulation.yaml", "feeds")
    yield from sorted({path.parent for name in names for path in root.glob(f"*/*/{name}")})


def load_system(folder: Path) -> System:
    """One system from its folder. Raises DeclarationError."""
    document, domain = read_declaration(folder / "system.yaml", "system"), folder.parent.name
    if domain not in DOMAINS:
        raise DeclarationError(f"{folder}: domain {domain!r}, expected one of {', '.join(DOMAINS)}; move the folder")
    size = document["size"]
    sizes = {
        city: {name: Count(count["n"], count["source"]) for name, count in counts.items()}
        for city, counts in size["cities"].items()
    }
    return System(
        id=document["id"],
        name_zh=document["name"]["zh"],
        name_en=document["name"]["en"],
        domain=domain,
        folder=folder,
        summary_zh=document["summary"]["zh"],
        summary_en=document["summary"]["en"],
        subdomain=document["subdomain"],
        owner=document["owner"],
        size_of=size["of"],
        sizes=sizes,
        roles=document.get("roles", {}),
        departments=document.get("departments", {}),
        objects={kind: ObjectKind(**_shown(words, folder)) for kind, words in document.get("objects", {}).items()},
        devices={
            kind: DeviceKind(**_shown(words, folder), feed=words["feed"], stands_at=words.get("stands_at"))
            for kind, words in document.get("devices", {}).items()
        },
        page=tuple(map(_page_part, document.get("page", ()))),
    )


def _shown(words: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Names and drawing of a kind; without a layer of its own it is drawn in that of its system."""
    drawn = {"layer": folder.name, **words.get("map", {})}
    return {"name_zh": words["name"]["zh"], "name_en": words["name"]["en"], **drawn}


def _page_part(part: str | Mapping[str, Any]) -> PagePart:
    if isinstance(part, str):
        return PagePart(cast("Any", part))
    if "part" in part:
        return PagePart("part", part["part"])
    return PagePart("trend", part["trend"], part.get("take", "max"))


@lru_cache(maxsize=64)
def _scalings(path: Path, changed_ns: int) -> Mapping[str, Scaling]:
    """What a `simulation.yaml` says of counts; the time of its change keeps a newer file from being taken for it."""
    counts: dict[str, dict[str, Any]] = read_declaration(path, "simulation")["counts"]
    return {name: Scaling(how.get("floor", 1), how.get("scaled", True)) for name, how in counts.items()}

"""City profiles: codes as data (`systems/_city/<city>.yaml`), sizes as the systems of the city declare them."""

from dataclasses import dataclass
from pathlib import Path

from core.declarations import DeclarationError, read_declaration
from core.documents import place_in
from core.system import SYSTEMS_ROOT, System, load_systems

CITIES = ("yichang", "zunyi")


@dataclass(frozen=True)
class Size:
    """How many of a thing at scale 1; `given` when the city itself reports it."""

    n: int
    given: bool
    floor: int
    scaled: bool


@dataclass(frozen=True)
class Profile:
    """One city as its departments know it."""

    city: str
    code: str
    name_zh: str
    short_zh: str
    retired_area: str
    successor_area: str
    mean_temperature_c: float
    sizes: dict[str, Size]
    hazard_grades: dict[str, int]

    def count(self, size: str, scale: float) -> int:
        """Objects at `scale`, never below the floor (a register must stay big enough to be checked)."""
        entry = self.sizes[size]
        if not entry.scaled:
            return entry.n
        return min(entry.n, max(entry.floor, round(entry.n * scale))) if scale < 1 else round(entry.n * scale)


def load_profile(city: str, systems: Path = SYSTEMS_ROOT) -> Profile:
    """Read a profile by name, with the counts of that folder's systems; raises ValueError for a city that has none."""
    if city not in CITIES:
        raise ValueError(f"no profile for city {city!r}; known: {', '.join(CITIES)}")
    document = read_declaration(SYSTEMS_ROOT / "_city" / f"{city}.yaml", "city")
    raw = document["simulation"]
    return Profile(
        city=city,
        code=document["code"],
        name_zh=document["name"]["zh"],
        short_zh=document["name"]["short_zh"],
        retired_area=raw["retired_area"]["code"],
        successor_area=raw["retired_area"]["successor"],
        mean_temperature_c=raw["mean_temperature_c"],
        sizes=sizes_of(city, systems),
        hazard_grades=raw["hazard_grades"],
    )


def sizes_of(city: str, systems: Path) -> dict[str, Size]:
    """How many of each thing that can be simulated a city has, from the folders of its systems.

    Raises DeclarationError for a count that two of them state.
    """
    found: dict[str, tuple[System, Size]] = {}
    for system in load_systems(systems).values():
        for name, count in system.sizes.get(city, {}).items():
            if (how := system.scalings.get(name)) is None:
                continue
            if name in found:
                assert system.folder is not None  # it was read from one
                raise DeclarationError(
                    f"{place_in(system.folder / 'system.yaml', 'size', 'cities', city, name)}: system "
                    f"{found[name][0].id} ({found[name][0].folder}) has a count of that name as well, one would be "
                    "lost; expected one system for each count: rename one, in its simulation.yaml too"
                )
            found[name] = (system, Size(int(count.n), count.source == "given", how.floor, how.is_scaled))
    return {name: size for name, (_, size) in found.items()}

"""City profiles: sizes and codes as data (`data/<city>.yaml`), each size marked given or assumed."""

from dataclasses import dataclass
from importlib.resources import files

import yaml

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


def load_profile(city: str) -> Profile:
    """Read a profile by name; raises ValueError for a city that has none."""
    if city not in CITIES:
        raise ValueError(f"no profile for city {city!r}; known: {', '.join(CITIES)}")
    raw = yaml.load(files("city").joinpath(f"data/{city}.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    sizes = {
        name: Size(entry["n"], entry["given"], entry.get("floor", 1), entry.get("scaled", True))
        for name, entry in raw["sizes"].items()
    }
    return Profile(
        city=city,
        code=raw["code"],
        name_zh=raw["name_zh"],
        short_zh=raw["short_zh"],
        retired_area=raw["retired_area"]["code"],
        successor_area=raw["retired_area"]["successor"],
        mean_temperature_c=raw["mean_temperature_c"],
        sizes=sizes,
        hazard_grades=raw["hazard_grades"],
    )

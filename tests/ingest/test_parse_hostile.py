"""Bytes made by nobody: every medium answers with a table or a FileFault, never with anything else."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sample_contract import HASH_KEY, RECEIVED, areas, column, contract
from test_parse_features import collection, feature, package
from test_parse_workbook import workbook

from core.contract import Contract
from ingest.conform import ConformContext, conform
from ingest.parse import FileFault, parse

MEDIA = ("json", "ndjson", "csv", "xlsx", "geojson", "gpkg")
FEED = contract(
    column("id", key_position=1, required=True),
    column("at", "timestamp", concept="observed_at"),
    column("on", "date"),
    column("x", "number", minimum=0),
    column("geometry", concept="geometry_wkt"),
    kind="files",
    options={"encoding": "gb18030"},
)


@cache
def good(media: str) -> bytes:
    """A small good file to spoil."""
    match media:
        case "json":
            return json.dumps(
                [{"id": "1", "at": "2026-07-01", "on": None, "x": 1.5, "geometry": "POINT (1 2)"}]
            ).encode()
        case "ndjson":
            return b'{"id": "1", "x": 2}\n{"id": "2", "x": null}\n'
        case "csv":
            return "id,at,on,x,geometry\n一,2026-07-01,2026年1月1日,1,\n".encode("gb18030")
        case "xlsx":
            return workbook(("E1", "客梯", 12, None, None))
        case "geojson":
            return collection(feature([111, 30], id="1", x=1))
        case _:
            with TemporaryDirectory() as folder:
                return package(Path(folder))


def survives(body: bytes, media: str, agreed: Contract) -> None:
    try:
        raw = parse(body, media, agreed)
    except FileFault:
        return
    conform(raw, agreed, ConformContext(RECEIVED, HASH_KEY, areas()))


@pytest.mark.parametrize("media", MEDIA)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=300))
def test_random_bytes(media: str, body: bytes) -> None:
    survives(body, media, FEED)


@pytest.mark.parametrize("media", MEDIA)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_spoilt_files(media: str, data: st.DataObject) -> None:
    body = bytearray(good(media))
    for _ in range(data.draw(st.integers(1, 8))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    survives(
        bytes(body[: data.draw(st.integers(0, len(body)))]) if data.draw(st.booleans()) else bytes(body), media, FEED
    )


NAMES = st.sampled_from(["id", "x", "at", "_row", "", "a.b", "geometry", "properties"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("media", ["json", "geojson"])
@settings(max_examples=150, deadline=None)
@given(document=JSON)
def test_json_of_any_shape(media: str, document: object) -> None:
    body = io.StringIO()
    json.dump({"features": document} if media == "geojson" else document, body)
    survives(body.getvalue().encode(), media, FEED)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.fixed_dictionaries({}, optional={c.name: st.text(max_size=10) for c in FEED.columns}), max_size=6)
)
def test_text_of_any_kind(rows: list[dict[str, str]]) -> None:
    survives(json.dumps(rows).encode(), "json", FEED)

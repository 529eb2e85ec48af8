"""GeoJSON and GeoPackage."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio.raw
import pytest
import shapely
from sample_contract import HASH_KEY, RECEIVED, areas, column, contract, only

from ingest.conform import ConformContext, conform
from ingest.contract import Contract
from ingest.parse import FileFault, parse


def feed(**agreed: Any) -> Contract:
    columns = (
        column("id", key_position=1, physical_name="BH"),
        column("name", physical_name="MC"),
        column("n", "integer", physical_name="SL"),
        column("x", "number", physical_name="GJ"),
        column("shape", required=True, physical_name="geometry", concept="geometry_wkt"),
    )
    return contract(*columns, kind="files", **agreed)


def collection(*features: Any) -> bytes:
    return json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False).encode()


def feature(coordinates: Any, kind: str = "Point", **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": {"type": kind, "coordinates": coordinates}}


def fault(body: bytes, media: str, agreed: Contract | None = None) -> FileFault:
    with pytest.raises(FileFault) as raised:
        parse(body, media, agreed or feed())
    return raised.value


# ── GeoJSON ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_features_become_rows() -> None:
    body = collection(
        feature([111.2865, 30.6918, 80.5], BH="P1", MC="一号", SL=3, GJ=0.1),
        feature([[111.1, 30.1], [111.2, 30.2]], "LineString", BH="P2", MC=None, SL=None, GJ=12.0),
        {"type": "Feature", "properties": {"BH": "P3", "MC": "无", "SL": 1, "GJ": 1}, "geometry": None},
    )
    raw = parse(body, "geojson", feed())
    assert raw.frame.rows() == [
        ("1", "P1", "一号", "3", "0.1", "POINT (111.2865 30.6918)"),
        ("2", "P2", None, None, "12.0", "LINESTRING (111.1 30.1, 111.2 30.2)"),
        ("3", "P3", "无", "1", "1", None),
    ]
    assert raw.notes == ()
    shaped = conform(raw, feed(), ConformContext(RECEIVED, HASH_KEY, areas()))
    assert [(n.reason, n.locator) for n in shaped.notes] == [("missing_key", "3")]
    assert shaped.frame["n"].to_list() == [3, None]


def test_extra_and_renamed_properties() -> None:
    raw = parse(collection(feature([1, 2], BH="P1", MC="", SL=1, GJ=1, XX=[1])), "geojson", feed())
    assert only(raw.notes).found == "XX"
    assert fault(collection(feature([1, 2], BH="P1", MC="", SL=1, GK=1)), "geojson").reason == "renamed_column"


def test_a_geometry_nobody_asked_for_is_no_extra_column() -> None:
    agreed = contract(column("id", key_position=1), column("mag", "number"), kind="files")
    raw = parse(collection({**feature([1, 2], mag=4.7), "id": "us1"}), "geojson", agreed)
    assert raw.frame.rows() == [("1", "us1", "4.7")]
    assert raw.notes == ()


def test_geojson_faults() -> None:
    body = collection(feature([1, 2], BH="P1", MC="", SL=1, GJ=1), feature([1, 2], BH="P2", MC="", SL=1, GJ=1))
    assert fault(body[: len(body) * 3 // 5], "geojson").reason == "truncated_file"
    assert fault(b"", "geojson").reason == "empty_file"
    assert fault(collection(), "geojson").reason == "empty_file"
    assert fault(b'{"type": "FeatureCollection"}', "geojson").reason == "unreadable_file"
    assert fault(b'{"features": [1]}', "geojson").reason == "unreadable_file"


def test_broken_geometries_cost_their_row() -> None:
    body = collection(feature("x", BH="P1", MC="", SL=1, GJ=1), feature([111, 30], BH="P2", MC="", SL=1, GJ=1))
    assert parse(body, "geojson", feed()).frame["geometry"].to_list() == [None, "POINT (111 30)"]


# ── GeoPackage ────────────────────────────────────────────────────────────────────────────────────────────────────────
def package(folder: Path, layer: str = "pipe", **columns: Any) -> bytes:
    lines = [shapely.LineString([(111.1, 30.1), (111.2, 30.2)]), shapely.LineString([(111.3, 30.3), (111.4, 30.5)])]
    data = {
        "BH": np.array(["G1", "G2"], dtype=object),
        "MC": np.array(["给水", None], dtype=object),
        "SL": np.array([3, 4]),
        "GJ": np.array([300.5, np.nan]),
        **columns,
    }
    path = folder / "pipes.gpkg"
    path.unlink(missing_ok=True)
    pyogrio.raw.write(
        str(path), shapely.to_wkb(np.array(lines)), list(data.values()), list(data),
        layer=layer, driver="GPKG", geometry_type="LineString", crs="EPSG:4490",
    )  # fmt: skip
    return path.read_bytes()


def test_a_layer_becomes_rows(tmp_path: Path) -> None:
    raw = parse(package(tmp_path), "gpkg", feed(options={"layer": "pipe"}))
    assert raw.frame.rows() == [
        ("1", "G1", "给水", "3", "300.5", "LINESTRING (111.1 30.1, 111.2 30.2)"),
        ("2", "G2", None, "4", None, "LINESTRING (111.3 30.3, 111.4 30.5)"),
    ]
    assert raw.notes == ()


def test_package_fields_of_other_types(tmp_path: Path) -> None:
    dates = np.array(["2020-01-02", "NaT"], dtype="datetime64[D]")
    whole = np.array([300.0, np.nan])
    agreed = contract(column("id", key_position=1, physical_name="BH"), kind="files", options={"layer": "pipe"})
    raw = parse(package(tmp_path, MSRQ=dates, GJ=whole), "gpkg", agreed)
    assert raw.frame.select("MSRQ", "GJ").rows() == [("2020-01-02", "300"), (None, None)]


def test_package_faults(tmp_path: Path) -> None:
    agreed = feed(options={"layer": "pipe"})
    body = package(tmp_path)
    for share in (0.2, 0.5, 0.9, 0.99):
        assert fault(body[: int(len(body) * share)], "gpkg", agreed).reason == "truncated_file"
    assert fault(b"", "gpkg", agreed).reason == "empty_file"
    assert fault(b"PK\x03\x04", "gpkg", agreed).reason == "truncated_file"
    assert fault(package(tmp_path, layer="other"), "gpkg", agreed).reason == "truncated_file"


def test_a_package_without_features(tmp_path: Path) -> None:
    package(tmp_path)
    with sqlite3.connect(tmp_path / "pipes.gpkg", isolation_level=None) as connection:
        connection.execute("drop trigger if exists rtree_pipe_geom_delete")
        for (name,) in connection.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            connection.execute(f'drop trigger "{name}"')
        connection.execute("delete from pipe")
    connection.close()
    body = (tmp_path / "pipes.gpkg").read_bytes()
    assert fault(body, "gpkg", feed(options={"layer": "pipe"})).reason == "empty_file"

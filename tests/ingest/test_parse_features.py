"""GeoJSON and GeoPackage."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio.raw
import pytest
import shapely
from sample_contract import HASH_KEY, RECEIVED, areas, column, contract, only

from core.contract import Contract
from ingest.conform import ConformContext, conform
from ingest.parse import FileFault, parse
from ingest.propose import propose


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
    assert parse(body, "geojson", feed()).frame["geometry"].to_list()[1] == "POINT (111 30)"


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
        str(path),
        shapely.to_wkb(np.array(lines)),
        list(data.values()),
        list(data),
        layer=layer,
        driver="GPKG",
        geometry_type="LineString",
        crs="EPSG:4490",
    )
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


# ── places, times and numbers that nobody may change in silence ───────────────────────────────────────────────────────
def conformed(body: bytes, media: str, agreed: Contract) -> Any:
    raw = parse(body, media, agreed)
    return raw, conform(raw, agreed, ConformContext(RECEIVED, HASH_KEY, areas()))


@pytest.mark.case("ingest.D1")
def test_times_of_a_package_are_utc(tmp_path: Path) -> None:
    moments = np.array(["2026-07-09T16:30:00", "2026-07-09T00:00:00.250"], dtype="datetime64[ms]")
    agreed = contract(
        column("id", key_position=1, physical_name="BH"),
        column("at", "timestamp", physical_name="GXSJ", source_formats=("%Y-%m-%d %H:%M:%S",)),
        column("on", "date", physical_name="GXSJ"),
        kind="files",
        options={"layer": "pipe"},
    )
    _, shaped = conformed(package(tmp_path, GXSJ=moments), "gpkg", agreed)
    assert shaped.frame["at"].to_list() == [
        datetime(2026, 7, 9, 16, 30, tzinfo=UTC),
        datetime(2026, 7, 9, 0, 0, 0, 250_000, tzinfo=UTC),
    ]
    assert shaped.frame["on"].to_list() == [date(2026, 7, 10), date(2026, 7, 9)]  # the civil day in Beijing


@pytest.mark.case("ingest.D2")
def test_metres_become_degrees_by_the_system_that_the_file_states(tmp_path: Path) -> None:
    # CGCS2000 / 3-degree Gauss-Kruger CM 111E: on the central meridian, and 30 degrees north of the equator.
    lines = [shapely.LineString([(500_000, 3_320_113.4), (528_225, 3_398_000)])] * 2
    path = tmp_path / "projected.gpkg"
    pyogrio.raw.write(
        str(path),
        shapely.to_wkb(np.array(lines)),
        [np.array(["G1", "G2"], dtype=object)],
        ["BH"],
        layer="pipe",
        driver="GPKG",
        geometry_type="LineString",
        crs="EPSG:4546",
    )
    agreed = contract(
        column("id", key_position=1, physical_name="BH"),
        column("shape", physical_name="geometry", concept="geometry_wkt"),
        kind="files",
        options={"layer": "pipe"},
        datum="CGCS2000",
    )
    raw, shaped = conformed(path.read_bytes(), "gpkg", agreed)
    assert only(raw.notes).reason == "projected"
    assert "EPSG:4546" in (only(raw.notes).found or "")
    first = shapely.get_coordinates(shapely.from_wkt(shaped.frame["shape"][0]))[0]
    assert first == pytest.approx([111.0, 30.0], abs=1e-6)
    assert shaped.frame["_lon"].to_list() == pytest.approx([111.147, 111.147], abs=0.001)


@pytest.mark.case("ingest.D2")
@pytest.mark.parametrize(
    ("stated", "outcome"),
    [
        ("urn:ogc:def:crs:EPSG::3857", "degrees"),
        ("urn:ogc:def:crs:OGC:1.3:CRS84", "as sent"),
        (
            'ENGCRS["Undefined Cartesian SRS",EDATUM["Unknown"],CS[Cartesian,2],AXIS["x",unspecified],'
            'AXIS["y",unspecified],LENGTHUNIT["metre",1]]',
            "as sent",
        ),
        ("urn:ogc:def:crs:EPSG::2383", "undeclared_datum"),  # Xian 1980: its shift to WGS 84 is not published
        ("our own plan of 1987", "undeclared_datum"),
        (None, "as sent"),
    ],
)
def test_the_system_that_a_collection_states(stated: str | None, outcome: str) -> None:
    features = [feature([12_388_800.1, 3_593_800.2], BH="P1", MC="", SL=1, GJ=1)]
    document = {"type": "FeatureCollection", "features": features}
    if stated:
        document["crs"] = {"type": "name", "properties": {"name": stated}}
    body = json.dumps(document).encode()
    if outcome == "undeclared_datum":
        assert fault(body, "geojson").reason == outcome
        return
    _, shaped = conformed(body, "geojson", feed())
    if outcome == "degrees":
        assert (shaped.frame["_lon"][0], shaped.frame["_lat"][0]) == pytest.approx((111.290, 30.700), abs=0.002)
    else:  # metres that nothing explains never land as degrees
        assert (only(shaped.notes).reason, only(shaped.notes).outcome) == ("out_of_range", "quarantined")


@pytest.mark.case("ingest.D3")
@pytest.mark.parametrize(
    "geometry",
    [
        {"type": "Polygon", "coordinates": [[[111.29, 30.7], [111.3, 30.7], [111.3, 30.71], [111.29, 30.71]]]},
        {"type": "Point", "coordinates": ["111.3", "30.7"]},
        {"type": "Point", "coordinates": [None, None]},
        {"type": "LineString", "coordinates": [[111.3, 30.7]]},
        {"type": "Point", "coordinates": []},
        {"type": "point", "coordinates": [111.3, 30.7]},
        "POINT (111.3 30.7)",
    ],
)
@pytest.mark.parametrize("mode", ["evolve", "discard_value"])
def test_a_broken_geometry_is_said(geometry: Any, mode: str) -> None:
    agreed = contract(
        column("id", key_position=1, physical_name="BH"),
        column("shape", physical_name="geometry", concept="geometry_wkt"),
        kind="files",
        drift_mode=mode,
    )
    features = [
        {"type": "Feature", "properties": {"BH": "P1"}, "geometry": geometry},
        {"type": "Feature", "properties": {"BH": "P2"}, "geometry": None},  # no place, and the department says so
        {
            "type": "Feature",
            "properties": {"BH": "P3"},
            "geometry": {"type": "Point", "coordinates": [111.3, 30.7, 12.5, 7]},
        },
    ]
    _, shaped = conformed(collection(*features), "geojson", agreed)
    note = only(shaped.notes)
    assert (note.reason, note.locator, note.column) == ("wrong_type", "1", "shape")
    assert note.outcome == ("quarantined" if mode == "evolve" else "flagged")
    assert shaped.frame.filter(_row="3")["_lon"].to_list() == [111.3]
    assert shaped.frame.filter(_row="2")["shape"].to_list() == [None]


@pytest.mark.case("ingest.E1")
def test_large_whole_numbers_beside_nulls_are_exact_in_a_package(tmp_path: Path) -> None:
    package(tmp_path)
    with sqlite3.connect(tmp_path / "pipes.gpkg", isolation_level=None) as connection:
        for (name,) in connection.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            connection.execute(f'drop trigger "{name}"')
        connection.execute("alter table pipe add column XMBH integer")
        connection.execute("update pipe set XMBH = 4205020012345678901 where BH = 'G1'")
    connection.close()
    agreed = contract(
        column("id", key_position=1, physical_name="BH"),
        column("project", physical_name="XMBH"),
        column("number", "integer", physical_name="XMBH"),
        kind="files",
        options={"layer": "pipe"},
    )
    _, shaped = conformed((tmp_path / "pipes.gpkg").read_bytes(), "gpkg", agreed)
    assert shaped.frame["project"].to_list() == ["4205020012345678901", None]
    assert shaped.frame["number"].to_list() == [4205020012345678901, None]


@pytest.mark.case("ingest.B4")
def test_pictures_in_a_package_cost_nothing(tmp_path: Path) -> None:
    package(tmp_path)
    with sqlite3.connect(tmp_path / "pipes.gpkg", isolation_level=None) as connection:
        for (name,) in connection.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            connection.execute(f'drop trigger "{name}"')
        connection.execute("alter table pipe add column ZP blob")
        connection.execute("update pipe set ZP = x'FFD8FFE000104A46' where BH = 'G1'")
    connection.close()
    body = (tmp_path / "pipes.gpkg").read_bytes()
    agreed = contract(column("id", key_position=1, physical_name="BH"), kind="files", options={"layer": "pipe"})
    raw, shaped = conformed(body, "gpkg", agreed)
    assert raw.frame["ZP"].to_list() == ["8 bytes", None]
    assert shaped.frame["id"].to_list() == ["G1", "G2"]
    wanted = contract(
        column("id", key_position=1, physical_name="BH"),
        column("photo", physical_name="ZP"),
        kind="files",
        options={"layer": "pipe"},
    )
    assert parse(body, "gpkg", wanted).frame["ZP"].to_list() == ["/9j/4AAQSkY=", None]
    assert "physicalName: ZP" in propose(tmp_path / "pipes.gpkg").yaml_text


@pytest.mark.case("security.held.H6")
@pytest.mark.parametrize(
    "call", ["upper('x')", "load_extension('{there}')", "readfile('{there}')", "writefile('{there}', 'x')"]
)
def test_a_view_in_place_of_a_layer_reaches_no_file(tmp_path: Path, call: str) -> None:
    """A GeoPackage may hold views, and SQLite runs their functions: none that touches a file is there."""
    package(tmp_path)
    there = tmp_path / "there"
    with sqlite3.connect(tmp_path / "pipes.gpkg", isolation_level=None) as connection:
        for (name,) in connection.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            connection.execute(f'drop trigger "{name}"')
        connection.execute("alter table pipe rename to kept")
        asked = call.format(there=there)
        connection.execute("pragma writable_schema = on")  # a function that is not known here stands in it all the same
        connection.execute(
            "insert into sqlite_master values ('view', 'pipe', 'pipe', 0, ?)",
            [f"create view pipe as select fid, geom, BH, {asked} as MC, SL, GJ from kept"],
        )
        connection.execute("update gpkg_contents set table_name = 'pipe'")
        connection.execute("update gpkg_geometry_columns set table_name = 'pipe'")
    connection.close()
    body = (tmp_path / "pipes.gpkg").read_bytes()
    if call == "upper('x')":
        assert parse(body, "gpkg", feed(options={"layer": "pipe"})).frame["MC"].to_list() == ["X", "X"]
        return
    with pytest.raises(FileFault):
        parse(body, "gpkg", feed(options={"layer": "pipe"}))
    assert not there.exists()

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import duckdb
import polars as pl
import pytest

from access.export import ExportError, _write_csv, export
from access.rights import Reader
from access.sandbox import SqlRefusedError
from core.settings import Home
from published import publish_city, utc

NOW = utc(2026, 11, 20, 8)


@pytest.fixture
def city_home(home: Home) -> Home:
    generation = publish_city(home, NOW)
    with duckdb.connect(str(generation)) as mart:
        mart.execute("update mart.risk_object set name_zh = '=cmd|calc!A1' where object_id = 'emergency:W0001'")
    return home


def test_parquet_is_the_table(city_home: Home, tmp_path: Path) -> None:
    out = tmp_path / "new" / "index.parquet"
    assert export(city_home, "mart.risk_index", "parquet", out, where="domain = 'all'") == 14 * 30
    frame = pl.read_parquet(out)
    assert frame.height == 14 * 30
    assert set(frame["domain"]) == {"all"}
    assert [path.name for path in out.parent.iterdir()] == ["index.parquet"]


@pytest.mark.case("ingest.held.H3")
def test_csv_disarms_formulas_and_keeps_numbers(city_home: Home, tmp_path: Path) -> None:
    out = tmp_path / "objects.csv"
    n_rows = export(city_home, "risk_object", "csv", out, where="residual_colour = 'red'")
    text = out.read_text(encoding="utf-8-sig")
    assert out.read_bytes().startswith(b"\xef\xbb\xbf")  # spreadsheets then read Chinese
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == n_rows
    found = next(row for row in rows if row["object_id"] == "emergency:W0001")
    assert found["name_zh"] == "'=cmd|calc!A1"
    assert float(found["lon"]) == 111.42


def test_times_leave_as_utc(city_home: Home, tmp_path: Path) -> None:
    out = tmp_path / "health.csv"
    export(city_home, "feed_health", "csv", out, where="feed_id = 'weather.observation'")
    row = next(csv.DictReader(out.read_text(encoding="utf-8-sig").splitlines()))
    assert row["last_observed_at"] == "2026-11-20T07:55:00Z"


@pytest.mark.case("ingest.held.H3")
def test_xlsx_holds_texts_not_formulas(city_home: Home, tmp_path: Path) -> None:
    out = tmp_path / "objects.xlsx"
    n_rows = export(city_home, "risk_object", "xlsx", out)
    frame = pl.read_excel(out, engine="calamine")
    assert frame.height == n_rows == 262
    assert "=cmd|calc!A1" in frame["name_zh"].to_list()


def test_geojson_is_points_with_properties(city_home: Home, tmp_path: Path) -> None:
    out = tmp_path / "objects.geojson"
    export(city_home, "risk_object", "geojson", out, where="area_code = '420505'")
    collection = json.loads(out.read_text(encoding="utf-8"))
    assert len(collection["features"]) == 21
    first = collection["features"][0]
    assert first["geometry"]["type"] == "Point"
    assert "lon" not in first["properties"]
    assert first["properties"]["area_code"] == "420505"


@pytest.mark.parametrize(
    ("table", "fmt", "problem"),
    [("no_such", "csv", "expected one of"), ("risk_index", "pdf", "parquet"), ("risk_index", "geojson", "lon and lat")],
)
def test_what_cannot_be_exported_is_said(city_home: Home, tmp_path: Path, table: str, fmt: str, problem: str) -> None:
    out = tmp_path / "out"
    with pytest.raises(ExportError, match=problem):
        export(city_home, table, fmt, out)
    assert list(tmp_path.glob("*out*")) == []


@pytest.mark.case("security.held.H1")
@pytest.mark.parametrize(
    "where",
    [
        "1=1) limit (1",
        "1=1) group by (1",
        "1=1) qualify (true",
        "1=1); copy mart.area to 'x'; --",
        "1=1); attach 'x'; --",
        "1=1); set threads = 64; --",
        "getenv('HOME') = 'x'",
        "exists (from '/etc/passwd')",
        "exists (select * from glob('/*'))",
        "true) intersect (select * from mart.area",
        "1=1) union all select * from mart.risk_index where (1=1",
        "1=1) order by (1",
        "1=1); drop table mart.area; --",
        "1=1 --",
        "name_zh in (select content from read_text('/etc/passwd'))",
        "",
    ],
)
def test_a_condition_stays_a_condition(city_home: Home, tmp_path: Path, where: str) -> None:
    out = tmp_path / "area.csv"
    if where in ("", "1=1 --"):
        assert export(city_home, "area", "csv", out, where=where) == 14
        return
    with pytest.raises(SqlRefusedError):
        export(city_home, "area", "csv", out, where=where)
    assert not out.exists()


@pytest.mark.case("security.held.H3")
def test_a_branch_takes_only_its_rows(city_home: Home, tmp_path: Path) -> None:
    reader = Reader(area_code="420505")
    out = tmp_path / "objects.parquet"
    export(city_home, "risk_object", "parquet", out, where="1=1 or 1=1", reader=reader)
    assert set(pl.read_parquet(out)["area_code"]) == {"420505"}
    with pytest.raises(ExportError, match="no area"):
        export(city_home, "feed_health", "parquet", out, reader=reader)


@pytest.mark.case("security.L1")
def test_cells_and_headers_that_a_spreadsheet_would_run_are_disarmed(tmp_path: Path) -> None:
    frame = pl.DataFrame({"=a()": ["\n=cmd", " =cmd", "\t@x", "fine"], "b": [1, 2, 3, 4]})
    _write_csv(frame, tmp_path / "x.csv")
    back = pl.read_csv(tmp_path / "x.csv")
    assert back.columns == ["'=a()", "b"]
    assert back["'=a()"].to_list() == ["'\n=cmd", "' =cmd", "'\t@x", "fine"]


@pytest.mark.case("security.L1")
@pytest.mark.parametrize("kind", ["fifo", "link", "folder"])
def test_only_an_ordinary_file_is_replaced(city_home: Home, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out.csv"
    if kind == "fifo":
        os.mkfifo(out)
    elif kind == "link":
        out.symlink_to(tmp_path / "elsewhere")
    else:
        out.mkdir()
    with pytest.raises(ExportError, match="link, device or folder"):
        export(city_home, "area", "csv", out)
    assert out.is_symlink() or not out.is_file()

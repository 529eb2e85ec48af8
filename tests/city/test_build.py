"""A built city: same seed same bytes, every reason planted, files and databases as departments have them."""

from __future__ import annotations

import hashlib
import json
import zipfile
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pyogrio.raw
import pytest
import sqlalchemy as sa
from doors import FOLDERS, decoded_lines, files, served
from sample_city import AS_OF, DAYS

from city.build import CityBuild, build_city
from city.truth import OUTCOMES

SMALL = {"days": 2, "scale": 0.02, "as_of": AS_OF}
_READING_HEADER = (
    *("测点编码", "监测时间", "干滩长度(m)", "浸润线埋深(m)", "孔隙水压力(kPa)"),
    *("表面位移(mm)", "库水位(m)", "降雨量(mm)", "状态"),
)
ROW_REASONS = {
    *("missing_key", "wrong_type", "out_of_range", "unit_mismatch", "duplicate", "late", "future_time"),
    *("swapped_lat_lon", "unknown_area_code", "retired_area_code", "bad_check_digit"),
}


def digests(build: CityBuild) -> dict[str, str]:
    """Hash of every file of a city but those that name its home."""
    found = [path for path in sorted(build.root.rglob("*")) if path.is_file() and path.suffix not in (".json", ".env")]
    return {str(path.relative_to(build.root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> CityBuild:
    """The smallest city, two days."""
    return build_city(tmp_path_factory.mktemp("small"), "zunyi", seed=1, **SMALL)  # type: ignore[arg-type]


def test_same_seed_same_bytes(small: CityBuild, tmp_path: Path) -> None:
    again = build_city(tmp_path, "zunyi", seed=1, **SMALL)  # type: ignore[arg-type]
    assert digests(again) == digests(small)
    other = build_city(tmp_path, "zunyi", seed=2, **SMALL)  # type: ignore[arg-type]
    assert digests(other)["truth.parquet"] != digests(small)["truth.parquet"]


def test_every_reason_is_planted_even_in_the_smallest_city(small: CityBuild, truth: pl.DataFrame) -> None:
    for planted in (truth, pl.read_parquet(small.root / "truth.parquet")):
        defects = planted.filter(pl.col("kind") == "defect")
        counts = dict(defects.group_by("reason").len().rows())
        assert set(counts) == set(OUTCOMES)
        assert all(counts[reason] >= 3 for reason in ROW_REASONS)
        assert set(defects["grain"]) == {"row", "batch", "file"}


def test_truth_has_the_agreed_columns(truth: pl.DataFrame) -> None:
    agreed = "kind grain feed_id source_ref reason outcome object_id rule_hint colour starts_at ends_at n_rows"
    assert truth.columns == agreed.split()
    assert truth.schema["starts_at"] == pl.Datetime("us", "UTC")
    people = truth.filter((pl.col("reason") == "bad_check_digit") & (pl.col("feed_id") == "housing.attendance"))
    assert set(people["outcome"]) == {"quarantined"}


def test_incidents_are_there_to_be_found(built: CityBuild, truth: pl.DataFrame) -> None:
    incidents = truth.filter(pl.col("kind") == "incident")
    assert {"emergency.tailings_reading", "resources.geo_reading", "weather.observation"} == set(incidents["feed_id"])
    rain = incidents.filter(pl.col("rule_hint").str.starts_with("rain_3h"))
    assert rain.height > 0
    station, start, end = rain.select("object_id", "starts_at", "ends_at").row(0)
    rows = [row for _, row in served(built, "weather.observation", set()) if row["stationId"] == station]
    times = {
        datetime.fromisoformat(row["obsTime"]): row["pre1h"] for row in rows if row["qc"] == "0" and row["obsTime"]
    }
    hours = sorted(time for time in times if time < end)
    best = max(
        sum(times[h] for h in hours if 0 <= (last - h).total_seconds() < 3 * 3600) for last in hours if last >= start
    )
    assert best >= 50


def test_only_the_storms_rain_hard_in_good_readings(built: CityBuild, truth: pl.DataFrame) -> None:
    gauges: dict[str, dict[datetime, float]] = {}
    poured = 0
    for _, row in served(built, "weather.observation", set()):
        hour = row["obsTime"] and row["stationId"] and row["obsTime"][14:16] == "00"
        if hour and row["qc"] == "0":
            sent_in = datetime.fromisoformat(row["uploadTime"]).replace(minute=0, second=0)
            gauges.setdefault(row["stationId"], {})[sent_in] = row["pre1h"]
        poured += row["qc"] == "2" and row["pre1h"] >= 25
    wet = {
        station
        for station, rain in gauges.items()
        if any(sum(rain.get(hour - timedelta(hours=back), 0.0) for back in range(3)) >= 50 for hour in rain)
    }
    storms = truth.filter(pl.col("rule_hint").str.starts_with("rain_3h"))
    assert poured > 0
    assert wet == set(storms["object_id"])


def test_a_pond_loses_its_beach_only_in_the_incident(built: CityBuild, truth: pl.DataFrame) -> None:
    ponds = {row["WKKBM"]: row["GTZXCD"] for _, row in served(built, "emergency.tailings_pond", _bad_files(truth))}
    low = set()
    for _, row in served(built, "emergency.tailings_reading", _bad_files(truth)):
        beach = row["干滩长度(m)"]
        if beach and row["测点编码"] and row["状态"] == "正常" and float(beach) < ponds[row["测点编码"][:11]]:
            low.add(row["测点编码"][:11])
    assert low == set(truth.filter(pl.col("rule_hint").str.starts_with("dry_beach"))["object_id"])


def _bad_files(truth: pl.DataFrame) -> set[str]:
    whole = truth.filter(pl.col("grain").is_in(["file", "batch"]) & ~pl.col("outcome").is_in(["flagged", "corrected"]))
    return set(whole["source_ref"])


def by_reason(built: CityBuild, truth: pl.DataFrame, reason: str) -> list[Path]:
    """Files that carry a file or batch defect."""
    rows = truth.filter((pl.col("reason") == reason) & pl.col("feed_id").is_in(list(FOLDERS)))
    assert rows.height > 0
    return [built.root / "drop" / FOLDERS[feed] / ref for feed, ref in rows.select("feed_id", "source_ref").rows()]


def test_torn_files_cannot_be_read_to_their_end(built: CityBuild, truth: pl.DataFrame) -> None:
    kinds = set()
    for path in by_reason(built, truth, "truncated_file"):
        kinds.add(path.suffix)
        if path.suffix == ".csv":
            lines = path.read_bytes().decode("gb18030").split("\r\n")
            assert 0 < lines[-1].count(",") < lines[0].count(",")
        elif path.suffix == ".geojson":
            with pytest.raises(json.JSONDecodeError):
                json.loads(path.read_bytes())
        else:
            with pytest.raises((pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, RuntimeError)):
                pyogrio.raw.read(path, layer="pipe")
    assert kinds == {".csv", ".geojson", ".gpkg"}


def test_a_torn_day_is_sent_again_whole(built: CityBuild, truth: pl.DataFrame) -> None:
    for path in by_reason(built, truth, "truncated_file"):
        if path.suffix == ".csv":
            again = path.with_name(f"{path.stem}_更正.csv")
            assert again.read_bytes().startswith(path.read_bytes())
            assert again.stat().st_mtime > path.stat().st_mtime


def test_odd_headers_are_as_truth_says(built: CityBuild, truth: pl.DataFrame) -> None:
    usual = [*_READING_HEADER]
    seen = {}
    for reason in ("extra_column", "renamed_column", "column_order"):
        for path in by_reason(built, truth, reason):
            if path.parent.name == "reading":
                seen[reason] = path.read_bytes().split(b"\r\n")[0].decode("gb18030").split(",")
    assert set(seen["extra_column"]) > set(usual)
    assert len(set(seen["renamed_column"]) ^ set(usual)) == 2
    assert sorted(seen["column_order"]) == sorted(usual)
    assert seen["column_order"] != usual


def test_empty_and_resent_files(built: CityBuild, truth: pl.DataFrame) -> None:
    sizes = [path.read_bytes().count(b"\n") for path in by_reason(built, truth, "empty_file")]
    assert sorted(sizes) == [0, 1]
    for path in by_reason(built, truth, "resent_file"):
        older = [other for other in path.parent.iterdir() if other.read_bytes() == path.read_bytes() and other != path]
        assert older
        assert all(other.stat().st_mtime < path.stat().st_mtime for other in older)


def test_mixed_files_hold_lines_of_both_encodings(built: CityBuild, truth: pl.DataFrame) -> None:
    for path in by_reason(built, truth, "mixed_encodings"):
        kinds = {was_utf8 for line, was_utf8 in decoded_lines(path.read_bytes()) if not line.isascii()}
        assert kinds == {True, False}


def test_resent_registers_sit_one_shift_away(built: CityBuild, truth: pl.DataFrame) -> None:
    (path,) = [path for path in by_reason(built, truth, "undeclared_datum") if path.suffix == ".xlsx"]
    first = files(built, "market.elevator")[0]
    known, again = (
        {row["设备信息/设备代码"]: row for _, row in served(built, "market.elevator", {skipped.name})}
        for skipped in (path, first)
    )
    assert len(again) >= 0.8 * len(known)
    for code, row in again.items():
        north = (float(row["位置/纬度"]) - float(known[code]["位置/纬度"])) * 111_320
        east = (float(row["位置/经度"]) - float(known[code]["位置/经度"])) * 111_320 * 0.86
        assert 300 < (north**2 + east**2) ** 0.5 < 1500


def test_a_wrong_clock_is_eight_hours_off_all_day(built: CityBuild, truth: pl.DataFrame) -> None:
    rows = truth.filter(pl.col("reason") == "wrong_time_zone")
    assert set(rows["feed_id"]) == {"weather.observation", "resources.geo_reading"}
    for feed_id, ref, n_rows in rows.select("feed_id", "source_ref", "n_rows").rows():
        _, device, day = ref.split("|")
        event, sent = ("obsTime", "uploadTime") if feed_id.startswith("weather") else ("mon_time", "recv_time")
        mine = [row for key, row in served(built, feed_id, set()) if key.startswith(f"{device}|")]
        lags = [datetime.fromisoformat(row[sent]) - datetime.fromisoformat(row[event]) for row in mine]
        assert len(mine) == n_rows >= 6
        assert all(row[sent].startswith(day) for row in mine)
        assert all(abs(lag.total_seconds() - 8 * 3600) < 600 for lag in lags)


def test_files_are_written_the_way_offices_write_them(built: CityBuild, truth: pl.DataFrame) -> None:
    readings = "".join(
        path.read_bytes().decode("gb18030", "replace") for path in files(built, "emergency.tailings_reading")
    )
    assert any(chr(0xFF10 + digit) in readings for digit in range(10))
    people = [row["威胁人数"] for _, row in served(built, "resources.geo_point", _bad_files(truth))]
    assert any(set(text) <= set("零一二三四五六七八九十") for text in people if text)
    with zipfile.ZipFile(files(built, "market.elevator")[0]) as book:
        assert book.read("xl/worksheets/sheet1.xml").count(b"<mergeCell ") > 3
    meta, *_ = pyogrio.raw.read(files(built, "urban.pipe")[0])
    assert meta["crs"] == "EPSG:4490"
    assert len(files(built, "emergency.tailings_reading")) >= DAYS + 3


def test_a_later_process_finds_the_city_again(built: CityBuild) -> None:
    assert CityBuild.load(built.home) == built
    environment = built.env(9999)
    assert environment["CITYRISK_WEATHER_URL"] == "http://127.0.0.1:9999/weather"
    lines = (built.root / "city.env").read_text(encoding="utf-8").splitlines()
    assert {line.split("=", 1)[0] for line in lines} == set(environment)
    assert all(
        Path(environment[f"CITYRISK_{name}_DROP"]).is_dir() for name in ("EMERGENCY", "RESOURCES", "MARKET", "URBAN")
    )


def test_a_city_without_defects_has_none(tmp_path: Path) -> None:
    build = build_city(tmp_path, "yichang", seed=1, defects=False, **SMALL)  # type: ignore[arg-type]
    assert pl.read_parquet(build.root / "truth.parquet")["kind"].unique().to_list() == ["incident"]


@pytest.mark.parametrize(("days", "scale", "as_of"), [(0, 1.0, AS_OF), (1, 0.0, AS_OF), (1, 1.0, datetime(2026, 1, 1))])  # noqa: DTZ001
def test_impossible_cities_are_refused(tmp_path: Path, days: int, scale: float, as_of: datetime) -> None:
    with pytest.raises(ValueError, match="as_of"):
        build_city(tmp_path, "yichang", days, 1, scale, as_of)


@pytest.mark.servers
def test_databases_can_be_real_servers(small: CityBuild, tmp_path: Path, postgres_url: str, mariadb_url: str) -> None:
    urls = {"fire": postgres_url, "housing": mariadb_url}
    again = build_city(tmp_path, "zunyi", seed=1, db_urls=urls, **SMALL)  # type: ignore[arg-type]
    assert again.env()["CITYRISK_FIRE_DB_URL"] == postgres_url
    for department, tables in (("fire", ("t_xfdw", "t_xfxc")), ("housing", ("t_project", "t_attendance"))):
        for table in tables:
            assert _rows(again.db_urls[department], table) == _rows(small.db_urls[department], table)


def _rows(url: str, table: str) -> list[tuple[str, ...]]:
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            rows = connection.execute(sa.text(f"SELECT * FROM {table}")).all()
    finally:
        engine.dispose()
    return sorted(tuple(str(value) for value in row) for row in rows)

"""Four real public files, each through a contract of its own; the numbers are known from their publishers."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from sample_contract import HASH_KEY, areas

from core.catalogue import load_contracts
from core.stages import RawTable
from ingest.conform import ConformContext, Conformed, conform
from ingest.parse import parse

pytestmark = pytest.mark.shared
CONTRACTS = load_contracts(Path(__file__).with_name("systems"))
RECEIVED = datetime(2026, 1, 1, tzinfo=UTC)


def take(folder: Path, name: str, feed: str) -> tuple[RawTable, Conformed]:
    agreed = CONTRACTS[f"public.{feed}"]
    path = folder / "data" / name
    raw = parse(path.read_bytes(), path.suffix.removeprefix("."), agreed)
    return raw, conform(raw, agreed, ConformContext(RECEIVED, HASH_KEY, areas()))


def test_beijing_weather_of_july_2016(shared_dir: Path) -> None:
    raw, shaped = take(shared_dir, "public/weather/prsa_2016-07_three_stations.csv", "beijing_weather")
    frame = shaped.frame
    assert raw.frame.height == frame.height == 2232
    assert [note.reason for note in raw.notes] == ["column_order", "extra_column"]
    assert shaped.notes == ()
    assert dict(frame["station_id"].value_counts().rows()) == {"Shunyi": 744, "Tiantan": 744, "Changping": 744}
    rain = (
        frame.group_by("station_id").agg(pl.col("rain_1h_mm").sum()).filter(station_id="Tiantan")["rain_1h_mm"].item()
    )
    assert rain == pytest.approx(315.0)
    worst = frame.sort("rain_1h_mm", descending=True, nulls_last=True).row(0, named=True)
    assert (worst["station_id"], worst["rain_1h_mm"]) == ("Tiantan", 24.1)
    assert worst["observed_at"] == datetime(2016, 7, 20, 3, tzinfo=UTC)  # 11 o'clock in Beijing
    assert frame["observed_at"].min() == datetime(2016, 6, 30, 16, tzinfo=UTC)
    assert frame["air_temperature_c"].max() == 37.0
    assert frame["wind_from"].null_count() == (raw.frame["wd"] == "NA").sum() > 0
    assert frame["co_mg_m3"][0] == pytest.approx(0.2)


def test_landslides_in_china(shared_dir: Path) -> None:
    raw, shaped = take(shared_dir, "public/landslide/glc_china.csv", "landslide")
    frame = shaped.frame
    assert raw.frame.height == frame.height == 426
    assert [note.reason for note in raw.notes] == ["extra_column"]
    assert shaped.notes == ()
    assert frame["fatalities"].sum() == 4945
    zhouqu = frame.sort("fatalities", descending=True, nulls_last=True).row(0, named=True)
    assert (zhouqu["event_id"], zhouqu["fatalities"], zhouqu["size"]) == ("2218", 1765, "very_large")
    assert zhouqu["occurred_at"] == datetime(2010, 8, 7, 15, tzinfo=UTC)
    assert (zhouqu["lon"], zhouqu["lat"]) == (104.3715, 33.7848)
    assert (frame["trigger"] == "downpour").sum() == 222


def test_machine_temperature(shared_dir: Path) -> None:
    raw, shaped = take(shared_dir, "public/sensor/nab_machine_temperature_system_failure.csv", "machine_temperature")
    frame = shaped.frame
    assert raw.frame.height == 22_695
    assert frame.height == 22_683  # twelve times were sent twice with other values: the later ones stand
    assert [(note.reason, note.outcome) for note in shaped.notes] == [("superseded", "ignored")] * 12
    assert frame["observed_at"].is_unique().all()
    doubled = frame.filter(pl.col("observed_at") == datetime(2014, 1, 7, 2, tzinfo=UTC))
    assert doubled["temperature_c"].item() == pytest.approx((94.13972336 - 32) / 1.8)
    fahrenheit = frame["temperature_c"] * 1.8 + 32
    assert (fahrenheit.min(), fahrenheit.max()) == (pytest.approx(2.084721206), pytest.approx(108.510542801))


def test_earthquakes(shared_dir: Path) -> None:
    raw, shaped = take(shared_dir, "registry/quake/usgs_2018feb_china_bbox.geojson", "earthquake")
    frame = shaped.frame
    assert raw.frame.height == frame.height == 26
    assert shaped.notes == ()
    hualien = frame.sort("magnitude", descending=True).row(0, named=True)
    assert hualien["magnitude"] == 6.4
    assert hualien["occurred_at"] == datetime(2018, 2, 6, 15, 50, 42, 400_000, tzinfo=UTC)
    assert (hualien["_lon"], hualien["_lat"]) == (121.653, 24.1737)
    assert hualien["geometry_wkt"] == "POINT (121.653 24.1737)"
    assert frame["felt_reports"].sum() == 618
    assert frame["tsunami"].to_list() == [False] * 26
    assert frame["_area_code"].null_count() == 26  # none of them in one of the seven places

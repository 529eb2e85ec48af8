"""Today is the 24 hours up to the build: a city in which nothing changes is as dangerous at ten as at midnight."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from core.civil_time import CIVIL_ZONE
from warehouse import synthetic
from warehouse.built import Warehouse, open_warehouse

FIRST, BEFORE, DAY = date(2026, 10, 1), date(2026, 10, 2), date(2026, 10, 3)
WEATHER, SLOPE, GATE = "weather.observation", "resources.geo_reading", "housing.attendance"
GUST_M_S = 19.4
# Beijing hours and minutes of the builds, counted from the beginning of DAY.
WALK = ((22, 30), (24, 20), (34, 20))
RAIN_MM, STEP_MM = 4.0, 1.0  # each hour


@dataclass(frozen=True)
class Step:
    """What one build says of its own day."""

    day: date
    signals: dict[tuple[str, str], float]
    index: dict[str, float]
    vital: dict[str, float]


def beijing(day: date, hours: int, minutes: int = 0) -> datetime:
    midnight = datetime.combine(day, datetime.min.time(), CIVIL_ZONE)
    return midnight + timedelta(hours=hours, minutes=minutes)


def hourly(city: Warehouse, feed_id: str, values: dict[str, Any], start: datetime, end: datetime) -> pl.DataFrame:
    """One row of one device an hour, from the first whole hour of `start` on and before `end`."""
    contract = city.contracts[feed_id]
    row = synthetic.rows_of(contract, DAY, 1)
    names = {column.concept: column.landed_name for column in contract.landed_columns if column.concept}
    moment = names.get("observed_at") or names["occurred_at"]
    rows = []
    at = start.replace(minute=0)
    while at < end:
        if at >= start:
            utc = pl.lit(at).dt.convert_time_zone("UTC").cast(row.schema[moment])
            changed = {name: pl.lit(value).cast(row.schema[name]) for name, value in values.items()}
            if "quality_flag" in names:
                changed[names["quality_flag"]] = pl.lit("normal")
            if "displacement_mm" in values:
                elapsed = (at - beijing(FIRST, 0)).total_seconds() / 3600
                changed["displacement_mm"] = pl.lit(STEP_MM * elapsed)
            if "event_id" in names:
                changed[names["event_id"]] = pl.lit(f"e-{at:%Y%m%d%H}")
            rows.append(row.with_columns(utc.alias(moment), *(value.alias(name) for name, value in changed.items())))
        at += timedelta(hours=1)
    return pl.concat(rows) if rows else row.head(0)


def land(city: Warehouse, start: datetime, end: datetime) -> None:
    """What the city's devices say between two instants."""
    calm = {"rain_1h_mm": RAIN_MM, "gust_speed_m_s": 5.0, "air_temperature_c": 18.0, "visibility_m": 20_000.0}
    for feed_id, values in ((WEATHER, calm), (SLOPE, {"displacement_mm": 0.0}), (GATE, {})):
        frame = hourly(city, feed_id, values, start, end)
        if frame.height:
            synthetic.land_rows(city.home, city.engine, city.contracts[feed_id], frame, f"{feed_id}-{end:%d%H%M}")


def step(city: Warehouse, at: datetime) -> Step:
    """Build as of an instant and read what is said of that day."""
    city.now = at - timedelta(minutes=10)  # a build takes its time ten minutes later
    city.build(select=None)
    day = at.date()
    signals = city.ask(
        "select subject_id, signal_code, raw_value from risk.signal "
        f"where as_of_date = '{day}' and raw_value is not null"
    )
    index = city.ask_mart(
        f"select area_code || domain, index_value from mart.risk_index where as_of_date = '{day}' and domain <> 'all'"
    )
    vital = city.ask_mart(f"select sign_code, value from mart.vital_sign where as_of_date = '{day}'")
    return Step(day, {(str(a), str(b)): c for a, b, c in signals}, dict(index), dict(vital))  # type: ignore[arg-type,misc]


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Warehouse, list[Step]]]:
    """A day and a night of a city in which every hour is like the one before, built three times."""
    city = open_warehouse(tmp_path_factory.mktemp("trailing"))
    for contract in city.contracts.values():
        if contract.is_register:
            synthetic.land_rows(
                city.home, city.engine, contract, synthetic.rows_of(contract, FIRST, 2), f"{contract.slug}-register"
            )
    start, steps = beijing(FIRST, 0), []
    for hours, minutes in WALK:
        at = beijing(DAY, hours, minutes)
        land(city, start, at)
        steps.append(step(city, at))
        start = at
    yield city, steps
    city.engine.dispose()


@pytest.mark.slow
@pytest.mark.case("pages.19")
def test_no_step_through_the_day_or_at_midnight(walked: tuple[Warehouse, list[Step]]) -> None:
    _, (first, *others) = walked
    assert {code for _, code in first.signals} >= {"ws_rain", "ws_gust", "gp_displacement"}
    assert first.vital["rain_max_24h"] == RAIN_MM * 24
    assert [one.day for one in others] == [DAY + timedelta(days=1)] * 2
    for other in others:
        assert other.signals == pytest.approx(first.signals), other.day
        assert other.index == pytest.approx(first.index), other.day
        assert other.vital == pytest.approx(first.vital), other.day


@pytest.mark.slow
def test_a_day_that_is_over_is_whole(walked: tuple[Warehouse, list[Step]]) -> None:
    city, (first, *_) = walked
    of_day = city.ask(f"select raw_value from risk.signal where as_of_date = '{DAY}' and signal_code = 'ws_rain'")
    assert of_day[0] == (RAIN_MM * 24,)
    whole = city.ask_mart(
        f"select value from mart.vital_sign where as_of_date = '{DAY}' and sign_code = 'rain_max_24h'"
    )
    assert whole == [(first.vital["rain_max_24h"],)]


@pytest.mark.slow
def test_a_gust_counts_for_a_day_and_not_until_midnight(walked: tuple[Warehouse, list[Step]]) -> None:
    city, _ = walked
    contract = city.contracts[WEATHER]
    gust = hourly(city, WEATHER, {"gust_speed_m_s": GUST_M_S}, beijing(DAY, 35), beijing(DAY, 36))
    synthetic.land_rows(city.home, city.engine, contract, gust, "gust")
    land(city, beijing(DAY, 36), beijing(DAY, 49, 20))
    after_midnight = step(city, beijing(DAY, 49, 20))
    key = next(key for key in after_midnight.signals if key[1] == "ws_gust")
    assert after_midnight.signals[key] == GUST_M_S

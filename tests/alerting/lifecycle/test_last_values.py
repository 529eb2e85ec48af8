"""What landed before alerting began is judged when it begins: once, as news of now, saying from when the value is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from alerting.last_values import judge_last_values
from alerting.lifecycle.alert import StreamPosition
from alerting.runtime_config import RuntimeConfig, load_runtime_config
from alerting.workflow.changes import Position, apply, position_of
from core.catalogue import load_contracts
from core.settings import Home
from core.store import tables
from core.store.database import open_ops
from core.stream.live import LiveBatch, micros
from core.stream.streams import LIVE
from orchestration.rules import publish_rules
from warehouse import synthetic

READINGS, DEVICES, POINTS = "resources.geo_reading", "resources.geo_device", "resources.geo_point"
NOW = datetime(2026, 11, 30, 4, tzinfo=UTC)
CONTRACTS = load_contracts()
DEVICE = "resources:D000000"
FAST_MM_PER_H = 9.5  # 228 mm a day; the rule is red from 22.86


@pytest.fixture
def store(tmp_path: Path) -> Iterator[tuple[Home, sa.Engine]]:
    """A home with rules and the registers of one slope, and nothing in any stream."""
    home = Home(tmp_path / "var", {})
    home.root.mkdir()
    publish_rules(home, NOW)
    engine = open_ops(home.ops_url)
    for feed_id in (POINTS, DEVICES):
        frame = synthetic.rows_of(CONTRACTS[feed_id], date(2026, 11, 1), 1)
        synthetic.land_rows(home, engine, CONTRACTS[feed_id], frame, feed_id)
    yield home, engine
    engine.dispose()


def land(store: tuple[Home, sa.Engine], last_at: datetime, mm_per_h: float, hours: int = 30) -> None:
    """Hourly readings of the slope's one device up to an instant, moving at one speed."""
    contract = CONTRACTS[READINGS]
    names = {column.concept: column.landed_name for column in contract.landed_columns}
    one = synthetic.rows_of(contract, date(2026, 11, 1), 1)
    frame = pl.concat(
        one.with_columns(
            pl.lit(last_at - timedelta(hours=back)).dt.cast_time_unit("us").alias(names["observed_at"]),
            pl.lit(last_at - timedelta(hours=back)).dt.cast_time_unit("us").alias("_received_at"),
            pl.lit(1000 - mm_per_h * back).alias("displacement_mm"),
            pl.lit(str(back)).alias("_row"),
            pl.lit(None, pl.String).alias(names["quality_flag"]),
        )
        for back in range(hours, -1, -1)
    )
    synthetic.land_rows(*store, contract, frame, "before")


def config_of(store: tuple[Home, sa.Engine]) -> RuntimeConfig:
    return load_runtime_config(*store, CONTRACTS)


def begin(store: tuple[Home, sa.Engine], config: RuntimeConfig) -> int:
    """As the process does: judge, then apply with the position. Gives how many changes were news."""
    found = judge_last_values(*store, config, CONTRACTS, NOW)
    position = Position("alerting", LIVE, 0, NOW)
    return apply(store[1], config.policies, found.changes, config.subjects, NOW, position).n_applied


def alerts(store: tuple[Home, sa.Engine]) -> list[sa.Row[tuple[object, ...]]]:
    with store[1].connect() as connection:
        return list(connection.execute(sa.select(tables.alert)))


@pytest.mark.case("pages.13")
def test_a_slope_that_moved_before_alerting_began_is_red_and_says_from_when(store: tuple[Home, sa.Engine]) -> None:
    land(store, NOW - timedelta(hours=1), FAST_MM_PER_H)
    config = config_of(store)
    assert begin(store, config) == 1
    (alert,) = alerts(store)
    assert (alert.rule_id, alert.colour, alert.state, alert.device_id) == ("geo_displacement", "red", "open", DEVICE)
    assert alert.value == pytest.approx(228)
    assert alert.known_at == alert.entered_state_at == NOW  # its clocks run from when somebody can know of it
    assert alert.starts_at < NOW - timedelta(hours=1)
    assert alert.marks.split() == ["last_known"]
    assert "按 2026-11-30 11:00 的最后已知值判定" in alert.matters_zh
    assert "judged from the last known value, of 2026-11-30 11:00 Beijing time" in alert.matters_en
    assert isinstance(position_of(store[1], "alerting"), StreamPosition)
    assert begin(store, config) == 0  # killed before the first snapshot: judged again, told no second time
    assert len(alerts(store)) == 1


def test_a_value_older_than_agreed_is_judged_and_marked(store: tuple[Home, sa.Engine]) -> None:
    land(store, NOW - timedelta(days=12), FAST_MM_PER_H)
    assert begin(store, config_of(store)) == 1
    assert alerts(store)[0].marks.split() == ["last_known", "stale"]


def test_a_calm_slope_is_no_alert(store: tuple[Home, sa.Engine]) -> None:
    land(store, NOW - timedelta(hours=1), 0.01)
    assert begin(store, config_of(store)) == 0
    assert alerts(store) == []


def test_what_comes_on_the_stream_goes_on_from_there(store: tuple[Home, sa.Engine]) -> None:
    land(store, NOW - timedelta(hours=1), FAST_MM_PER_H)
    config = config_of(store)
    found = judge_last_values(*store, config, CONTRACTS, NOW)
    apply(store[1], config.policies, found.changes, config.subjects, NOW)
    shape = config.registry.shapes[READINGS]
    names = [shape.device, shape.at, "displacement_mm", "_received_at"]
    for hour in range(60):  # it stands still, and so for longer than the rule wants
        at = NOW + timedelta(hours=hour)
        cells = [DEVICE.split(":")[1], micros(at), 990.5, micros(at)]
        batch = LiveBatch(READINGS, at, "test", {name or "": [cell] for name, cell in zip(names, cells, strict=True)})
        apply(store[1], config.policies, found.engine.fold(batch), config.subjects, at)
    (alert,) = alerts(store)
    assert alert.state == "resolved"
    assert alert.cleared_at is not None
    assert alert.marks == ""

"""What landed before alerting began is judged when it begins: once, as news of now, saying from when the value is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from alerting.last_values import judge_last_values
from alerting.lifecycle.alert import StreamPosition
from alerting.runtime_config import RuntimeConfig, load_runtime_config
from alerting.workflow.changes import Position, apply, position_of
from core.settings import Home
from core.store import tables
from core.store.database import open_ops
from core.stream.live import LiveBatch, micros
from core.stream.streams import LIVE
from moving_slope import CONTRACTS, DEVICE, FAST_MM_PER_H, READINGS, land_slope, register_slope
from orchestration.rules import publish_rules

NOW = datetime(2026, 11, 30, 4, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[tuple[Home, sa.Engine]]:
    """A home with rules and the registers of one slope, and nothing in any stream."""
    home = Home(tmp_path / "var", {})
    home.root.mkdir()
    publish_rules(home, NOW)
    engine = open_ops(home.ops_url)
    register_slope(home, engine)
    yield home, engine
    engine.dispose()


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
    land_slope(*store, NOW - timedelta(hours=1), FAST_MM_PER_H)
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
    land_slope(*store, NOW - timedelta(days=12), FAST_MM_PER_H)
    assert begin(store, config_of(store)) == 1
    assert alerts(store)[0].marks.split() == ["last_known", "stale"]


def test_a_calm_slope_is_no_alert(store: tuple[Home, sa.Engine]) -> None:
    land_slope(*store, NOW - timedelta(hours=1), 0.01)
    assert begin(store, config_of(store)) == 0
    assert alerts(store) == []


def test_what_comes_on_the_stream_goes_on_from_there(store: tuple[Home, sa.Engine]) -> None:
    land_slope(*store, NOW - timedelta(hours=1), FAST_MM_PER_H)
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

"""What landed before alerting began is judged when it begins: once, as news of now, saying from when the value is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from alerting.engine.episode import Change
from alerting.engine_state import EngineState
from alerting.last_values import judge_last_values
from alerting.lifecycle.alert import StreamPosition
from alerting.runtime_config import RuntimeConfig, load_runtime_config
from alerting.workflow.changes import Position, apply, position_of
from core.settings import Home
from core.store import tables
from core.store.database import open_ops
from core.store.landed import live_files
from core.store.stream_position import OpenedStream, open_stream
from core.stream.live import CLOCK_FEED, LiveBatch, micros
from core.stream.streams import LIVE, RAW
from moving_slope import CONTRACTS, DEVICE, FAST_MM_PER_H, READINGS, land_slope, register_slope
from orchestration.rules import publish_rules

NOW = datetime(2026, 11, 30, 4, tzinfo=UTC)
RULE = "geo_displacement"


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
    found = judge_last_values(*store, config, CONTRACTS, NOW, NOW)
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
    found = judge_last_values(*store, config, CONTRACTS, NOW, NOW)
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


def holding_for(config: RuntimeConfig, hold: timedelta) -> RuntimeConfig:
    """The same rules, the slope's opening only after a breach has lasted."""
    rules = (replace(r, hold_s=hold.total_seconds()) if r.rule_id == RULE else r for r in config.ruleset.rules)
    return replace(config, ruleset=replace(config.ruleset, rules=tuple(rules)))


def test_a_breach_that_held_long_enough_by_now_is_news_of_now(store: tuple[Home, sa.Engine]) -> None:
    """Its time ran out between the last reading and the opening of the stream, when no reading came."""
    land_slope(*store, NOW - timedelta(hours=1), FAST_MM_PER_H)
    (found,) = judge_last_values(*store, config_of(store), CONTRACTS, NOW, NOW).changes
    held = NOW - found.at
    assert begin(store, holding_for(config_of(store), held - timedelta(minutes=30))) == 1
    (alert,) = alerts(store)
    assert (alert.state, alert.colour, alert.marks.split()) == ("open", "red", ["last_known"])


def test_a_breach_that_has_not_held_yet_waits_for_the_stream(store: tuple[Home, sa.Engine]) -> None:
    land_slope(*store, NOW - timedelta(hours=1), FAST_MM_PER_H)
    (found,) = judge_last_values(*store, config_of(store), CONTRACTS, NOW, NOW).changes
    config = holding_for(config_of(store), NOW - found.at + timedelta(minutes=30))
    begun = judge_last_values(*store, config, CONTRACTS, NOW, NOW)
    assert [change.change for change in begun.changes] in ([], [Change.PENDING])
    later = begun.engine.fold(LiveBatch(CLOCK_FEED, NOW + timedelta(hours=1), CLOCK_FEED, {}))
    assert [(change.rule_id, change.change) for change in later] == [(RULE, Change.OPENED)]


@pytest.mark.parametrize("harm", ["gone", "cut", "spoiled"])
def test_one_damaged_file_costs_what_is_in_it_and_is_named(store: tuple[Home, sa.Engine], harm: str) -> None:
    land_slope(*store, NOW - timedelta(hours=1), FAST_MM_PER_H, hours=80)
    files = live_files(store[1], store[0], READINGS)
    assert len(files) > 1
    oldest = files[0]
    body = oldest.read_bytes()
    half = len(body) // 2
    if harm == "gone":
        oldest.unlink()
    else:
        oldest.write_bytes(body[:half] if harm == "cut" else b"\xff" * half + body[half:])
    found = judge_last_values(*store, config_of(store), CONTRACTS, NOW, NOW)
    assert [change.rule_id for change in found.changes] == [RULE]
    (said,) = found.not_judged
    assert READINGS in said
    assert oldest.name in said


def test_a_clock_that_is_ahead_does_not_hide_the_last_value(store: tuple[Home, sa.Engine]) -> None:
    land_slope(*store, NOW - timedelta(hours=1), FAST_MM_PER_H, clock_ahead=timedelta(hours=3))
    assert [c.rule_id for c in judge_last_values(*store, config_of(store), CONTRACTS, NOW, NOW).changes] == [RULE]


def test_old_values_are_judged_once_and_not_when_a_state_is_lost(store: tuple[Home, sa.Engine]) -> None:
    config = config_of(store)
    killed_at_once = StreamPosition(
        consumer="alerting",
        stream=LIVE,
        sequence=0,
        stream_at=NOW,
        snapshot=None,
        snapshot_sequence=None,
        moved_at=NOW,
    )
    assert EngineState.resume(store[0], config, None).knows_nothing
    assert EngineState.resume(store[0], config, killed_at_once).knows_nothing
    lost = replace(killed_at_once, snapshot="engine-9.json", snapshot_sequence=9)
    assert not EngineState.resume(store[0], config, lost).knows_nothing


def test_whoever_comes_first_opens_the_stream_and_what_lands_then_waits_for_it(store: tuple[Home, sa.Engine]) -> None:
    def waiting() -> int:
        with store[1].connect() as connection:
            return int(connection.scalar(sa.select(sa.func.count()).select_from(tables.live_waiting)) or 0)

    land_slope(*store, NOW - timedelta(hours=1), FAST_MM_PER_H)  # as batch "before"
    with store[1].begin() as connection:
        connection.execute(sa.insert(tables.live_waiting).values(batch_id="before"))
    assert open_stream(store[1], RAW, NOW) == OpenedStream(0, NOW)
    assert waiting() == 0
    with store[1].begin() as connection:
        connection.execute(sa.insert(tables.live_waiting).values(batch_id="after"))
    assert open_stream(store[1], RAW, NOW + timedelta(minutes=1)) == OpenedStream(0, NOW)
    assert waiting() == 1

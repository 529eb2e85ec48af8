"""The golden week: episodes read by eye, the same live (killed and restarted at random), on history and in any cut."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from golden_week import DAY, Row, at, came, frame_of, town, week, windows

from alerting.backtest.evaluation import Episode, after, backtest, by_start, columns_of, compare, counts, fold
from alerting.backtest.landed import landed_batches
from alerting.backtest.recorded import fired
from alerting.engine import Engine
from alerting.engine_state import EngineState
from alerting.policy.notification_policies import load_notification_policies
from alerting.rules import RuleSet, load_rules
from alerting.runtime_config import RuntimeConfig
from alerting.workflow.changes import Position, apply, note_snapshot, position_of
from alerting.workflow.subjects import Subjects
from core.settings import Home, open_home
from core.stages import Batch, Payload
from core.store.database import open_ops
from core.stream.live import LiveBatch, of_frame
from ingest.land.accept import LandingRequest, LandingZone, accept
from rule_parts import CONTRACTS, SEEDS, rules_folder, set_cell

EXPECTED = Path(__file__).with_name("expected.csv")
COLUMNS = ("rule_id", "object_id", "device_id", "colour", "started_at", "opened_at", "ended_at", "peak", "is_late")
END = at(7 * DAY)
BEIJING = ZoneInfo("Asia/Shanghai")


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    loaded = load_rules(rules_folder(tmp_path_factory.mktemp("golden")))
    return RuleSet(loaded.rules, loaded.overrides, windows())


@pytest.fixture(scope="module")
def stream() -> list[LiveBatch]:
    """The week as intake publishes it: rows of one tick together, feeds in the order of their ids."""
    contracts = CONTRACTS
    return [
        of_frame(feed_id, frame_of(contracts[feed_id], list(rows), 0), instant, "test")
        for (instant, feed_id), rows in groupby(week(), lambda row: (came(row), row.feed_id))
    ]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home of this file's own: landing the week takes seconds."""
    return open_home({}, tmp_path_factory.mktemp("golden-home"))


@pytest.fixture(scope="module")
def store(home: Home) -> Iterator[sa.Engine]:
    """An ops store over landing files that hold the week, a batch a day and feed, in no order of feeds."""
    engine, contracts = open_ops(home.ops_url), CONTRACTS
    batches: dict[tuple[int, str], list[Row]] = {}
    for row in week():
        batches.setdefault((int(row.came // DAY), row.feed_id), []).append(row)
    for number, ((_, feed_id), rows) in enumerate(batches.items()):
        frame = frame_of(contracts[feed_id], rows, 0)
        payload = Payload(feed_id, b"", "json", "test", came(rows[-1]))
        batch = Batch(f"{number:032d}", feed_id, frame, (), len(rows))
        accept(LandingZone(home, engine), LandingRequest(contracts[feed_id], batch, payload, "", "golden"))
    yield engine
    engine.dispose()


def plain(episodes: Sequence[Episode]) -> list[dict[str, str]]:
    """Episodes that opened, as rows of the expected table, times in Beijing."""

    def text(value: object) -> str:
        if isinstance(value, datetime):
            return value.astimezone(BEIJING).isoformat(timespec="seconds")
        return "" if value is None else str(value)

    return [{name: text(getattr(e, name)) for name in COLUMNS} for e in episodes if e.opened_at is not None]


def expected() -> list[dict[str, str]]:
    with EXPECTED.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_week_gives_the_episodes_that_were_read_by_eye(rules: RuleSet, stream: list[LiveBatch]) -> None:
    assert plain(fold(Engine(rules, town()), stream, END)) == expected()


@pytest.mark.parametrize("seed", range(4))
def test_killed_and_restarted_at_random_it_is_the_same_week(rules: RuleSet, stream: list[LiveBatch], seed: int) -> None:
    """A kill loses what came since the last snapshot; it is folded again and gives the same numbered changes."""
    chance = random.Random(seed)
    engine = Engine(rules, town())
    told: dict[tuple[str, int], object] = {}
    saved, position, saved_at = engine.snapshot(), 0, 0
    kills = 0
    while position < len(stream):
        if chance.random() < 0.02:
            saved, saved_at = engine.snapshot(), position
        if chance.random() < 0.01:
            engine, position, kills = Engine.restore(saved, rules, town()), saved_at, kills + 1
        for change in engine.fold(stream[position]):
            assert told.setdefault((change.episode_id, change.number), change) == change
        position += 1
    changes = [*told.values(), *engine.fold(LiveBatch("clock", END, "", {}))]
    episodes: dict[str, Episode] = {}
    for change in sorted(changes, key=lambda c: (c.episode_id, c.number)):
        episodes[change.episode_id] = after(episodes.get(change.episode_id), change)
    in_order = sorted(episodes.values(), key=by_start)
    assert kills > 5
    assert plain(in_order) == expected()


def test_replay_of_the_landed_week_is_the_week(home: Home, store: sa.Engine, rules: RuleSet) -> None:
    assert plain(backtest(home, store, rules, town(), at(0), END)) == expected()


@pytest.mark.parametrize("seed", range(2))
def test_alerts_of_a_process_killed_at_random_are_the_replay(
    home: Home, store: sa.Engine, rules: RuleSet, stream: list[LiveBatch], tmp_path: Path, seed: int
) -> None:
    """The way of live readings: folded, applied with the position, saved now and then; a kill forgets the rest."""
    chance, alerts = random.Random(seed), open_ops(f"sqlite:///{tmp_path / 'ops.db'}")
    policies, registry = load_notification_policies(*SEEDS), town()
    subjects = Subjects(rules, registry, policies.routing, "420500")
    config = RuntimeConfig(tmp_path, rules, registry, policies, subjects, "")
    live = [replace(b, sequence=n) for n, b in enumerate([*stream, LiveBatch("clock", END, "", {})], 1)]
    of_process = open_home({}, tmp_path)
    engine_state, kills, known = EngineState.resume(of_process, config, None), 0, 0

    def write() -> int:
        position = Position("alerting", "LIVE", engine_state.sequence, engine_state.stream_at)
        return apply(alerts, policies, engine_state.taken(), subjects, engine_state.stream_at, position).n_known

    while engine_state.sequence < len(live):
        engine_state.fold(live[engine_state.sequence])
        if engine_state.changes or chance.random() < 0.05:
            known += write()
        if chance.random() < 0.01:
            engine_state.save(tmp_path, alerts, note_snapshot, *engine_state.packed())
        if chance.random() < 0.005:
            engine_state, kills = EngineState.resume(of_process, config, position_of(alerts, "alerting")), kills + 1
    write()
    did = fired(alerts, {rule.rule_id for rule in rules.rules}, at(0), END)
    alerts.dispose()
    assert kills > 5
    assert known, "nothing was folded twice"
    assert did == backtest(home, store, rules, town(), at(0), END)
    assert plain(did) == expected()


def test_landed_rows_come_back_as_the_stream(
    home: Home, store: sa.Engine, rules: RuleSet, stream: list[LiveBatch]
) -> None:
    found = list(landed_batches(home, store, columns_of(rules, town()), at(0), END))
    assert [(b.feed_id, b.received_at) for b in found] == [(b.feed_id, b.received_at) for b in stream]
    assert sum(b.height for b in found) == len(week())


def test_a_busy_stretch_is_read_in_pieces(
    home: Home, store: sa.Engine, rules: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few rows may be in memory, they come as one stream."""
    columns = columns_of(rules, town())
    whole = list(landed_batches(home, store, columns, at(0), at(DAY)))
    monkeypatch.setattr("alerting.backtest.landed.MOST_ROWS", 20)
    assert list(landed_batches(home, store, columns, at(0), at(DAY))) == whole


def test_a_stretch_of_the_week_is_warmed_up_by_the_days_before(home: Home, store: sa.Engine, rules: RuleSet) -> None:
    thursday = [row for row in expected() if at(3 * DAY) <= _instant(row) < at(4 * DAY)]
    assert thursday
    assert plain(backtest(home, store, rules, town(), at(3 * DAY), at(4 * DAY))) == thursday


def test_other_rules_gain_lose_and_shift(home: Home, store: sa.Engine, rules: RuleSet, tmp_path: Path) -> None:
    """A lower first level finds a leak earlier, without its hold a blip is an alert, a higher river loses one."""
    folder = rules_folder(tmp_path)
    set_cell(folder, "alert_conditions.csv", "gas_methane_lel_yellow", "threshold", "10")
    set_cell(folder, "alert_conditions.csv", "gas_methane_lel_yellow", "clear_threshold", "8")
    set_cell(folder, "alert_conditions.csv", "river_level_yellow", "factor", "1.5")
    set_cell(folder, "alert_conditions.csv", "river_level_orange", "factor", "1.5")
    set_cell(folder, "alert_rules.csv", "gas_methane_lel", "hold_s", "0")
    set_cell(folder, "alert_rules.csv", "outfall_cod", "n_of", "1")
    changed = load_rules(folder)
    trial = RuleSet(changed.rules, changed.overrides, windows())
    did = backtest(home, store, rules, town(), at(0), END)
    found = compare(backtest(home, store, trial, town(), at(0), END), did)
    told = {(d.verdict, (d.would or d.did).rule_id) for d in found if d.verdict != "same"}
    assert ("earlier", "gas_methane_lel") in told
    assert ("lost", "river_level") in told
    assert ("lost", "flood_composite") in told
    assert ("gained", "gas_methane_lel") in told
    assert ("earlier", "outfall_cod") in told
    summary = counts(found)
    assert summary["hits"] + summary["misses"] == len(did)
    assert counts(compare(did, did)) == {**dict.fromkeys(summary, 0), "same": len(did), "hits": len(did)}


def _instant(row: dict[str, str]) -> datetime:
    return datetime.fromisoformat(row["started_at"])

"""Which landed rows a replay reads, in which order, and where it stops."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from golden_week import DAY, GAS, at, frame_of, gas, town
from typer.testing import CliRunner

from alerting.backtest.evaluation import backtest, warm_up
from alerting.backtest.landed import History, history, landed_batches
from alerting.rules import load_rules
from cli import app
from core.settings import Home
from core.stages import Batch, Payload
from core.store import tables
from core.store.database import open_ops
from core.store.stream_position import open_stream
from core.stream.streams import RAW
from ingest.land.accept import LandingRequest, LandingZone, accept
from ingest.land.compact import compact
from orchestration.backtest import Trial, tried
from orchestration.rules import publish_rules
from rule_parts import CONTRACTS, rules_folder, set_cell

MINUTE = timedelta(minutes=1)
LEAK = [(0.0, 3.0), (1.0, 60.0), (2.0, 62.0), (3.0, 5.0), (4.0, 4.0), (5.0, 3.0)]


@pytest.fixture
def store(home: Home) -> Iterator[sa.Engine]:
    engine = open_ops(home.ops_url)
    publish_rules(home, at(0))
    yield engine
    engine.dispose()


def landed(home: Home, store: sa.Engine, rows: Sequence[tuple[float, float]], came: datetime, places: str = "") -> None:
    """Readings (minute, % of the explosive limit) of D1 that all came in at one instant; `places` in RAW."""
    frame = frame_of(CONTRACTS[GAS], [gas("D1", minute, lel) for minute, lel in rows], 0)
    frame = frame.with_columns(pl.lit(came).alias("_received_at"))
    if places:
        frame = frame.with_columns(pl.Series("_row", places.split()))
    with store.connect() as connection:
        number = connection.scalar(sa.select(sa.func.count()).select_from(tables.batch))
    payload = Payload(GAS, b"", "json", "test", came)
    batch = Batch(f"{number:032d}", GAS, frame, (), len(rows))
    accept(LandingZone(home, store), LandingRequest(CONTRACTS[GAS], batch, payload, "", "test"))


def leaking(home: Home, store: sa.Engine, start: float) -> None:
    """A leak of some minutes, each row on time."""
    for minute, lel in LEAK:
        landed(home, store, [(start + minute, lel)], at(start + minute) + MINUTE / 60)


def trial(home: Home, store: sa.Engine, start: float, end: float, *, is_on_time: bool = False) -> Trial:
    return tried(home, store, CONTRACTS, at(start), at(end), None, None, is_on_time=is_on_time)


def test_a_tick_that_reaches_over_midnight_comes_back_as_it_stood_in_raw(
    home: Home, store: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows land in a file a day, and merging one day's files makes that file the younger one."""
    minutes = [DAY + 1.0, DAY - 1.0, DAY + 2.0, DAY - 2.0]
    landed(home, store, [(minute, 1.0) for minute in minutes], at(DAY + 3), "9.2 10.0 10.1 10.0.5")
    landed(home, store, [(DAY - 3.0, 1.0)], at(DAY + 4), "11.0")
    columns = {GAS: {"device_id", "observed_at"}}

    def told() -> list[list[int]]:
        return [b.columns["observed_at"] for b in landed_batches(home, store, columns, at(0), at(2 * DAY))]

    in_raw = [
        [round(at(m).timestamp() * 1e6) for m in (DAY + 1, DAY - 1, DAY - 2, DAY + 2)],
        [round(at(DAY - 3).timestamp() * 1e6)],
    ]
    assert told() == in_raw
    with store.begin() as connection:
        connection.execute(sa.update(tables.batch).values(state="admitted"))
        connection.execute(
            sa.update(tables.file).where(tables.file.c.landed_on == "2026-07-06").values(built_at=at(8 * DAY))
        )
    monkeypatch.setattr("ingest.land.compact.FILES_WORTH_MERGING", 2)
    assert compact(home, store, CONTRACTS, at(9 * DAY)) == 1
    assert told() == in_raw


def test_what_is_heard_ends_with_the_last_batch_or_the_stream(home: Home, store: sa.Engine) -> None:
    assert history(store) == History(None, None)
    landed(home, store, [(1.0, 1.0)], at(2))
    assert history(store) == History(None, at(2))
    open_stream(store, RAW, at(5))
    assert history(store) == History(at(5), at(2))


def test_a_future_without_readings_is_no_silence(home: Home, store: sa.Engine) -> None:
    leaking(home, store, 10)
    found = trial(home, store, 0, 30 * DAY)
    assert found.until == at(15) + MINUTE / 60
    assert [e.rule_id for e in found.would] == ["gas_methane_lel"]


def test_nothing_heard_is_nothing_told(home: Home, store: sa.Engine) -> None:
    found = trial(home, store, 0, DAY)
    assert (found.would, found.did, found.until) == ([], [], at(0))


def test_what_came_before_alerting_began_is_not_known(home: Home, store: sa.Engine) -> None:
    """A silence that began before the stream was opened is none that alerting could have told."""
    leaking(home, store, 10)
    open_stream(store, RAW, at(20))
    leaking(home, store, 100)
    assert [e.started_at for e in trial(home, store, 0, 200).would] == [at(101)]


def test_history_that_was_fetched_later_is_replayed_as_it_happened(home: Home, store: sa.Engine) -> None:
    """All rows in one instant, days later: by arrival nothing was told in time."""
    landed(home, store, [(10 + minute, lel) for minute, lel in LEAK], at(5 * DAY))
    open_stream(store, RAW, at(6 * DAY))
    assert trial(home, store, 0, DAY).would == []
    (episode,) = [e for e in trial(home, store, 0, 20, is_on_time=True).would if e.rule_id == "gas_methane_lel"]
    assert (episode.started_at, episode.colour, episode.is_late) == (at(11), "red", False)


def test_warming_up_takes_the_longest_window_or_silence(tmp_path_factory: pytest.TempPathFactory) -> None:
    rules = load_rules(rules_folder(tmp_path_factory.mktemp("rules")))
    assert warm_up(rules) == timedelta(days=4)  # heat: three days of daily buckets, and the day that is not full yet
    gas_alone = replace(rules, rules=tuple(r for r in rules.rules if r.rule_id == "gas_methane_lel"))
    assert warm_up(gas_alone) == timedelta(days=1)


def test_the_command_says_where_it_stopped_and_counts(home: Home, store: sa.Engine) -> None:
    leaking(home, store, 10)
    run = CliRunner().invoke(app, ["backtest", "--from", "2026-07-06", "--to", "2026-08-06", "--all"])
    assert run.exit_code == 0, run.output
    assert "gained   gas_methane_lel" in run.output
    assert "until 2026-07-06 00:15:01 in Beijing" in run.output
    run = CliRunner().invoke(app, ["replay", "--from", "2026-07-06", "--to", "2026-08-06", "--json"])
    told = json.loads(run.output)
    assert (told["gained"], told["lost"], told["compared_with"]) == (1, 0, "alerts")
    assert told["episodes"][0]["would"]["colour"] == "red"


def test_another_table_is_compared_with_the_present_rules(home: Home, store: sa.Engine, tmp_path: Path) -> None:
    """Nothing was ever told of that leak, so the present rules stand in; a limit of 70 would never tell of it."""
    leaking(home, store, 10)
    folder = rules_folder(tmp_path)
    for level in ("yellow", "red"):
        set_cell(folder, "alert_conditions.csv", f"gas_methane_lel_{level}", "threshold", "70")
    command = ["replay", "--from", "2026-07-06", "--to", "2026-07-07", "--json"]
    run = CliRunner().invoke(app, [*command, "--rules", str(folder / "alert_conditions.csv")])
    assert run.exit_code == 0, run.output
    told = json.loads(run.output)
    assert (told["compared_with"], told["lost"], told["misses"], told["gained"]) == ("present rules", 1, 1, 0)


def test_rules_on_another_feed_tell_nothing(home: Home, store: sa.Engine, tmp_path: Path) -> None:
    leaking(home, store, 10)
    rules = load_rules(rules_folder(tmp_path))
    assert backtest(home, store, rules, town(), at(0), at(20), ["water.river_reading"]) == []
    assert [e.rule_id for e in backtest(home, store, rules, town(), at(0), at(20), [GAS])] == ["gas_methane_lel"]

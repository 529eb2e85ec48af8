"""A check that cannot be trusted says `raised`, never `failed` or `passed`; what that means for the batches."""

from __future__ import annotations

import builtins
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from landed_rows import NOW, good_rows, land

from core.contract import Contract
from core.settings import Home
from core.store import tables
from quality import judging, suite
from quality import run as quality_run
from quality.admit import ReleaseError, admit, release
from quality.engine import Answer, EngineAbsentError, ExpectationEngine
from quality.run import check_feed, check_feeds, referenced_first
from quality.verdict import Verdict

REGISTER, READINGS = "emergency.tailings_point", "emergency.tailings_reading"
TODAY = NOW.date()


@pytest.fixture(autouse=True)
def ponds(home: Home, engine: sa.Engine, contracts: dict[str, Contract]) -> None:
    """What the register under test refers to."""
    land_today(home, engine, contracts["emergency.tailings_pond"], state="admitted", batch_id="ponds")


@pytest.fixture
def check(home: Home, engine: sa.Engine, contracts: dict[str, Contract]) -> Callable[..., list[Verdict]]:
    def run(feed_id: str, run_id: str = "run-1", changed: Contract | None = None) -> list[Verdict]:
        return check_feed(home, engine, changed or contracts[feed_id], contracts, run_id, NOW)

    return run


def land_today(home: Home, engine: sa.Engine, contract: Contract, frame: pl.DataFrame | None = None, **how: Any) -> Any:
    return land(home, engine, contract, [(TODAY, good_rows(contract) if frame is None else frame)], **how)


def states(engine: sa.Engine) -> dict[str, str]:
    with engine.connect() as connection:
        return {str(b): str(s) for b, s in connection.execute(sa.select(tables.batch.c.batch_id, tables.batch.c.state))}


# ── raised ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_broken_file_raises_every_check_that_reads_it(
    home: Home, engine: sa.Engine, contracts: dict[str, Contract], check: Any
) -> None:
    (path,) = land_today(home, engine, contracts[REGISTER])
    path.write_bytes(path.read_bytes()[:200])
    verdicts = [v for v in check(REGISTER) if v.kind != "refused"]  # that one reads the ledger alone
    assert {v.verdict for v in verdicts} == {"raised"}
    assert all(v.rows_checked == 0 and v.observed is None for v in verdicts)
    assert "says nothing about the data" in verdicts[0].message_en
    assert "并非" in verdicts[0].message_zh or "而非数据问题" in verdicts[0].message_zh
    with engine.connect() as connection:
        rows = connection.execute(sa.select(tables.check_verdict.c.verdict)).scalars().all()
    assert rows.count("raised") == len(verdicts) == len(rows) - 1


@pytest.mark.case("ingest.held.H4")
@pytest.mark.parametrize("feed_id", ["weather.station", "weather.observation", READINGS])
def test_a_batch_of_nulls_is_never_raised(
    home: Home, engine: sa.Engine, contracts: dict[str, Contract], check: Any, feed_id: str
) -> None:
    contract = contracts[feed_id]
    optional = [c.landed_name for c in contract.landed_columns if not c.required and c.key_position is None]
    frame = good_rows(contract)
    frame = frame.with_columns(pl.lit(None, frame[name].dtype).alias(name) for name in optional)
    land_today(home, engine, contract, frame)
    verdicts = check(feed_id)
    assert optional
    assert verdicts
    assert "raised" not in {v.verdict for v in verdicts}
    assert not [v for v in verdicts if v.kind in ("range", "pattern", "allowed") and v.verdict == "failed"]


def test_a_missing_column_raises_its_own_checks_only(
    home: Home, engine: sa.Engine, contracts: dict[str, Contract], check: Any
) -> None:
    land_today(home, engine, contracts["weather.station"], good_rows(contracts["weather.station"]).drop("name_zh"))
    verdicts = {v.check_id: v.verdict for v in check("weather.station")}
    assert verdicts.pop("not_null_name_zh") == "raised"
    assert set(verdicts.values()) == {"passed"}


def test_a_check_that_finds_nothing_in_bad_rows_is_blind(
    home: Home, engine: sa.Engine, contracts: dict[str, Contract], check: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bad rows of one column are good by mistake: its checks are raised although the data are good."""
    land_today(home, engine, contracts["weather.station"])
    real, good = judging.bad_rows, good_rows(contracts["weather.station"])["station_id"][0]

    def bad_rows(*given: Any) -> pl.DataFrame:
        return real(*given).with_columns(pl.lit(good).alias("station_id"))

    monkeypatch.setattr(judging, "bad_rows", bad_rows)
    verdicts = {v.check_id: v for v in check("weather.station")}
    for blind in (verdicts.pop("pattern_station_id"), verdicts.pop("not_null_station_id")):
        assert (blind.verdict, "the known-bad row passed" in blind.message_en) == ("raised", True)
    assert {v.verdict for v in verdicts.values()} == {"passed"}


def test_an_expectation_that_sees_nothing_is_blind(
    home: Home, engine: sa.Engine, contracts: dict[str, Contract], check: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Good and bad rows are judged by one suite: an expectation broken in our code shows, even on good data."""
    land_today(home, engine, contracts["weather.station"])
    monkeypatch.setattr(suite, "_pattern_query", lambda check: "select 1 from {batch} where false")
    verdicts = check("weather.station")
    assert {v.verdict for v in verdicts if v.kind == "pattern"} == {"raised"}
    assert {v.verdict for v in verdicts if v.kind != "pattern"} == {"passed"}


def test_an_engine_that_dies_raises_and_the_run_goes_on(
    home: Home, engine: sa.Engine, contracts: dict[str, Contract], check: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any) -> Any:
        raise RuntimeError("out of luck")

    land_today(home, engine, contracts[REGISTER])
    monkeypatch.setattr("quality.engine.suite_of", die)
    verdicts = [v for v in check(REGISTER) if v.kind != "refused"]  # that one reads the ledger alone
    assert {v.verdict for v in verdicts} == {"raised"}
    assert "out of luck" in verdicts[0].message_en


@pytest.mark.parametrize("word", [True, False])
def test_an_engine_that_says_the_same_of_everything_is_not_believed(
    home: Home,
    engine: sa.Engine,
    contracts: dict[str, Contract],
    check: Any,
    monkeypatch: pytest.MonkeyPatch,
    word: bool,
) -> None:
    """Yes is not believed because of the bad rows, no because it shows no row that breaks the promise."""

    def ask(self: Any, table: str, checks: Any, *_: Any) -> dict[str, Answer]:
        return {c.id: Answer(success=word) for c in checks}

    land_today(home, engine, contracts[REGISTER])
    monkeypatch.setattr(ExpectationEngine, "ask", ask)
    assert {v.verdict for v in check(REGISTER) if v.kind != "refused"} == {"raised"}


def test_one_that_breaks_the_common_scan_is_lost_alone(
    home: Home, engine: sa.Engine, contracts: dict[str, Contract], check: Any
) -> None:
    """Many promises are judged in one scan; a column of another type breaks it."""
    text = good_rows(contracts["weather.station"]).with_columns(pl.lit("high").alias("elevation_m"))
    land_today(home, engine, contracts["weather.station"], text)
    verdicts = {v.check_id: v.verdict for v in check("weather.station")}
    assert verdicts.pop("range_elevation_m") == "raised"
    assert set(verdicts.values()) == {"passed"}


def test_samples_show_what_broke_the_promise_and_no_person(
    home: Home, engine: sa.Engine, contracts: dict[str, Contract], check: Any
) -> None:
    contract = contracts["weather.station"]
    frame = good_rows(contract)
    ids = ["odd-1", "odd-2", *frame["station_id"].to_list()[2:]]
    land_today(home, engine, contract, frame.with_columns(pl.Series("station_id", ids)))
    columns = tuple(replace(c, sensitivity="personal") if c.name == "station_id" else c for c in contract.columns)
    seen = {}
    for run_id, one in (("run-1", contract), ("run-2", replace(contract, columns=columns))):
        (pattern,) = (v for v in check(contract.id, run_id, one) if v.check_id == "pattern_station_id")
        assert (pattern.verdict, pattern.observed) == ("failed", 2.0)
        seen[run_id] = pattern.samples
    assert seen["run-1"] == ("odd-1", "odd-2")
    assert seen["run-2"]
    assert not set(seen["run-1"]) & set(seen["run-2"])


def test_one_crashed_feed_does_not_stop_the_others(
    home: Home, engine: sa.Engine, contracts: dict[str, Contract], monkeypatch: pytest.MonkeyPatch
) -> None:
    for feed_id in (REGISTER, "weather.station"):
        land_today(home, engine, contracts[feed_id])
    real = quality_run.checks_of

    def checks_of(contract: Contract) -> Any:
        if contract.id == REGISTER:
            raise RuntimeError("no checks today")
        return real(contract)

    monkeypatch.setattr(quality_run, "checks_of", checks_of)
    verdicts = check_feeds(home, engine, contracts, [REGISTER, "weather.station"], "run-1", NOW)
    assert [(v.kind, v.verdict) for v in verdicts[REGISTER]] == [("checks", "raised")]
    assert {v.verdict for v in verdicts["weather.station"]} == {"passed"}
    assert admit(engine, verdicts, NOW) == {REGISTER: "held", "weather.station": "admitted"}


def test_without_the_engine_nothing_is_judged(
    home: Home, engine: sa.Engine, contracts: dict[str, Contract], check: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No verdict, no admission: publish can see that the checks did not run."""
    land_today(home, engine, contracts[REGISTER], batch_id="new")
    real = builtins.__import__

    def no_engine(name: str, *rest: Any) -> Any:
        if name.startswith("great_expectations"):
            raise ImportError("No module named 'great_expectations'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", no_engine)
    with pytest.raises(EngineAbsentError, match=r"cityrisk\[quality\]"):
        check(REGISTER)
    assert states(engine) == {"ponds": "admitted", "new": "landed"}


def test_nothing_slow_is_imported_before_something_is_checked() -> None:
    code = (
        "import sys, quality, quality.run, quality.admit, quality.checks\n"
        "slow = {'great_expectations', 'pandas', 'duckdb_engine'} & set(sys.modules)\n"
        "sys.exit(', '.join(slow) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_quiet_feed_needs_no_engine(
    home: Home, engine: sa.Engine, contracts: dict[str, Contract], check: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    land_today(home, engine, contracts[READINGS], state="admitted", run_id="run-0")
    monkeypatch.setattr(quality_run, "ExpectationEngine", None)
    verdict, refused = check(READINGS)
    assert (verdict.kind, verdict.verdict, verdict.batch_ids) == ("freshness", "passed", ())
    assert (refused.kind, refused.verdict, refused.observed) == ("refused", "passed", 0.0)
    assert verdict.observed == pytest.approx(5 / 60, abs=0.01)


# ── admitted, held, released ──────────────────────────────────────────────────────────────────────────────────────────
def test_good_batches_are_admitted_and_bad_ones_held(
    home: Home, engine: sa.Engine, contracts: dict[str, Contract]
) -> None:
    land_today(home, engine, contracts[REGISTER], batch_id="good")
    beyond = good_rows(contracts["weather.station"]).with_columns(pl.lit(9000.0).alias("elevation_m"))
    land_today(home, engine, contracts["weather.station"], beyond, batch_id="bad")
    verdicts = check_feeds(home, engine, contracts, [REGISTER, "weather.station"], "run-1", NOW)
    assert admit(engine, verdicts, NOW) == {REGISTER: "admitted", "weather.station": "held"}
    assert states(engine) == {"ponds": "admitted", "good": "admitted", "bad": "held"}


def test_a_warning_does_not_hold(home: Home, engine: sa.Engine, contracts: dict[str, Contract]) -> None:
    land_today(home, engine, contracts[REGISTER], state="admitted")
    old = TODAY - timedelta(days=2)
    land(home, engine, contracts[READINGS], [(old, good_rows(contracts[READINGS], day=old))], batch_id="old")
    verdicts = check_feeds(home, engine, contracts, [READINGS], "run-1", NOW)
    assert [v.kind for v in verdicts[READINGS] if v.verdict == "failed"] == ["freshness"]
    assert admit(engine, verdicts, NOW) == {READINGS: "admitted"}


def test_held_readings_are_admitted_once_their_register_is_there(
    home: Home, engine: sa.Engine, contracts: dict[str, Contract], monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_run(run_id: str) -> dict[str, Any]:
        verdicts = check_feeds(home, engine, contracts, [READINGS, REGISTER], run_id, NOW)
        return admit(engine, verdicts, NOW)

    land_today(home, engine, contracts[READINGS], batch_id="readings")
    assert one_run("run-1") == {READINGS: "held"}
    with monkeypatch.context() as patch:  # nothing that the verdict stood on is another: no engine is started
        patch.setattr(quality_run, "ExpectationEngine", None)
        assert one_run("run-2") == {}
    assert states(engine) == {"ponds": "admitted", "readings": "held"}
    land_today(home, engine, contracts[REGISTER], batch_id="register", run_id="run-3")
    assert one_run("run-3") == {READINGS: "admitted", REGISTER: "admitted"}
    assert states(engine) == {"ponds": "admitted", "readings": "admitted", "register": "admitted"}


def test_a_register_found_bad_in_this_run_vouches_for_nobody(
    home: Home, engine: sa.Engine, contracts: dict[str, Contract]
) -> None:
    bad = good_rows(contracts[REGISTER]).with_columns(pl.lit(None, dtype=pl.String).alias("pond_id"))
    land_today(home, engine, contracts[REGISTER], bad)
    land_today(home, engine, contracts[READINGS])
    verdicts = check_feeds(home, engine, contracts, [READINGS, REGISTER], "run-1", NOW)
    reference = next(v for v in verdicts[READINGS] if v.kind == "reference")
    assert (reference.verdict, reference.observed) == ("failed", 100.0)


def test_a_held_batch_does_not_drag_a_new_one_down(
    home: Home, engine: sa.Engine, contracts: dict[str, Contract], check: Any
) -> None:
    contract = contracts["weather.station"]
    beyond = good_rows(contract).with_columns(pl.lit(9000.0).alias("elevation_m"))
    land_today(home, engine, contract, beyond, batch_id="bad", state="held", run_id="run-0")
    land_today(home, engine, contract, batch_id="good")
    assert admit(engine, {contract.id: check(contract.id)}, NOW) == {contract.id: "admitted"}
    assert states(engine) == {"ponds": "admitted", "bad": "held", "good": "admitted"}


def test_a_held_copy_of_what_just_passed_stays_held(
    home: Home, engine: sa.Engine, contracts: dict[str, Contract], check: Any
) -> None:
    land_today(home, engine, contracts[REGISTER], state="admitted")
    land_today(home, engine, contracts[READINGS], batch_id="held", state="held", run_id="run-0")
    land_today(home, engine, contracts[READINGS], batch_id="new")
    admit(engine, {READINGS: check(READINGS)}, NOW)
    assert states(engine)["held"] == "held"
    assert states(engine)["new"] == "admitted"


def test_a_release_is_on_record(home: Home, engine: sa.Engine, contracts: dict[str, Contract]) -> None:
    land_today(home, engine, contracts[REGISTER], batch_id="b1", state="held")
    with pytest.raises(ReleaseError, match="no reason"):
        release(engine, "b1", "duty-1", " ", NOW)
    assert states(engine) == {"ponds": "admitted", "b1": "held"}
    release(engine, "b1", "duty-1", "department confirmed by telephone", NOW)
    assert states(engine) == {"ponds": "admitted", "b1": "admitted"}
    with engine.connect() as connection:
        action = connection.execute(sa.select(tables.operator_action)).one()
    assert (action.actor, action.action, action.target, action.reason, action.at) == (
        "duty-1",
        "release",
        "b1",
        "department confirmed by telephone",
        NOW,
    )
    with pytest.raises(ReleaseError, match="is admitted, expected held"):
        release(engine, "b1", "duty-1", "again", NOW)
    with pytest.raises(ReleaseError, match="not in the ledger"):
        release(engine, "b2", "duty-1", "again", NOW)


def test_registers_are_checked_before_those_who_refer_to_them(contracts: dict[str, Contract]) -> None:
    ordered = referenced_first(contracts, contracts)
    assert sorted(ordered) == sorted(contracts)
    assert ordered.index("emergency.tailings_pond") < ordered.index(REGISTER) < ordered.index(READINGS)
    assert referenced_first(contracts, [READINGS]) == [READINGS]

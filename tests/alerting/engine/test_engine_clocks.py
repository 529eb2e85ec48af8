"""Clocks that are wrong: none mutes, delays or invents an alarm, whether intake marked them or not."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.engine import Engine, Registry
from alerting.engine.episode import Change, EpisodeChange
from alerting.rules import RuleSet, load_rules
from core.stream.live import LiveBatch
from rule_parts import SHAPES, asset, batch, gas, rules_folder

T0 = datetime(2026, 7, 6, 2, 0, tzinfo=UTC)
HOLD_S, EVERY_S = 10, 1.5
MARKS = "clock_wrong"


@functools.cache
def rules() -> RuleSet:
    with tempfile.TemporaryDirectory() as folder:
        return load_rules(rules_folder(Path(folder)))


@functools.cache
def registry() -> Registry:
    devices = [
        asset("urban:D1", "urban:S1"),
        asset("ecology:M1", "ecology:O1", cod_limit_mg_l=100.0),
        asset("water:R1", "water:SR1"),
    ]
    return Registry(SHAPES, {}, {d.id: d for d in devices})


def at(second: float) -> datetime:
    return T0 + timedelta(seconds=second)


def fold(stream: Sequence[LiveBatch], until_s: float | None = None) -> list[EpisodeChange]:
    engine = Engine(rules(), registry())
    out = [change for found in stream for change in engine.fold(found)]
    end = stream[-1].received_at + timedelta(seconds=1) if until_s is None else at(until_s)
    return [c for c in out + engine.fold(LiveBatch("clock", end, "", {})) if not c.rule_id.endswith("_silent")]


def leak(values: Sequence[float], ahead_s: Sequence[float]) -> list[LiveBatch]:
    """Readings every 1.5 s, each stamped so far ahead of its receipt."""
    return [
        gas(at(i * EVERY_S + ahead), value, received_at=at(i * EVERY_S))
        for i, (value, ahead) in enumerate(zip(values, ahead_s, strict=True))
    ]


@pytest.mark.case("live.A3")
def test_a_clock_nine_minutes_ahead_delays_no_alarm() -> None:
    changes = fold(leak([60.0] * 12, [540] + [0] * 11))
    opened = next(c for c in changes if c.change is Change.OPENED)
    assert opened.colour == "red"
    assert (opened.known_at - T0).total_seconds() <= HOLD_S + EVERY_S
    assert opened.at <= opened.known_at


@pytest.mark.case("live.A4")
@pytest.mark.parametrize("ahead_s", [540, -540])
def test_one_reading_by_a_wrong_clock_is_no_alarm(ahead_s: float) -> None:
    changes = fold(leak([60.0] + [5.0] * 40, [ahead_s] + [0] * 40), until_s=1200)
    assert [c.change for c in changes] == [Change.PENDING, Change.WITHDRAWN]


@pytest.mark.case("live.A5")
@pytest.mark.case("live.A6")
def test_no_episode_opens_in_another_year() -> None:
    """Whatever intake let through unmarked: a year ahead, and 1970."""
    for told_at in (T0 + timedelta(days=365), datetime(1970, 1, 21, tzinfo=UTC)):
        stream = [gas(told_at if i < 3 else at(i * EVERY_S), 60, received_at=at(i * EVERY_S)) for i in range(12)]
        changes = fold(stream)
        assert [c.change for c in changes] == [Change.PENDING, Change.OPENED]
        late_s = rules().by_id["gas_methane_lel"].max_late_s
        assert all(-late_s <= (c.at - T0).total_seconds() <= HOLD_S for c in changes)
        assert (changes[-1].known_at - T0).total_seconds() <= HOLD_S + EVERY_S


@pytest.mark.case("live.A1")
@pytest.mark.case("live.A2")
@pytest.mark.parametrize("flags", ["clock_wrong", ""])
def test_an_outfall_that_was_a_year_ahead_alarms(flags: str) -> None:
    """Marked, its event time is receipt; unmarked, the future is cut off at receipt."""
    first = T0 if flags else T0 + timedelta(days=365)
    samples = [(first, 10.0, flags), (at(600), 903.0, ""), (at(1200), 902.0, ""), (at(1800), 901.0, "")]
    stream = [
        batch(
            "ecology.outfall_reading",
            at(600 * i),
            [{"device_id": "M1", "observed_at": told_at, "cod_mg_l": cod, "_flags": marks}],
        )
        for i, (told_at, cod, marks) in enumerate(samples)
    ]
    opened = [c for c in fold(stream) if c.change is Change.OPENED]
    assert [(c.rule_id, c.device_id) for c in opened] == [("outfall_cod", "ecology:M1")]
    assert opened[0].known_at == at(1200)


def test_a_wrong_clock_is_told_with_the_alert() -> None:
    stream = [gas(at(i * EVERY_S), 60, received_at=at(i * EVERY_S), flags="clock_wrong") for i in range(12)]
    assert {tuple(c.details["marks"]) for c in fold(stream)} == {("clock_wrong",)}  # type: ignore[arg-type]


def test_rain_by_a_clock_that_jumps_back_is_summed() -> None:
    """Fifty millimetres an hour, after a clock went back by two hours: each reading counts when it came in."""
    stream = [
        batch(
            "water.rain_reading",
            at(300 * i),
            [{"device_id": "R1", "observed_at": at(300 * i - (7200 if i > 3 else 0)), "rain_mm": mm}],
        )
        for i, mm in enumerate([0.1] * 4 + [10.0] * 6)
    ]
    opened = [c for c in fold(stream) if c.change is Change.OPENED]
    assert [(c.rule_id, c.known_at) for c in opened] == [("rain_station", at(300 * 8))]


# ── any clock ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Told:
    """A reading: seconds its clock is off, or marked by intake (its time is receipt then)."""

    off_s: float
    is_marked: bool


TOLD = st.builds(
    Told, st.sampled_from([0.0, 0.0, -1.0, 1.0, -9.0, 9.0, 300.0, -300.0, 540.0, -540.0, -5000.0, 3e7]), st.booleans()
)


def stream_of(values: Sequence[float], told: Sequence[Told]) -> list[LiveBatch]:
    return [
        gas(
            at(i * EVERY_S + (0 if one.is_marked else one.off_s)),
            value,
            received_at=at(i * EVERY_S),
            flags=MARKS if one.is_marked else "",
        )
        for i, (value, one) in enumerate(zip(values, told, strict=True))
    ]


@settings(max_examples=150, deadline=None)
@given(st.lists(TOLD, min_size=0, max_size=30), st.lists(TOLD, min_size=9, max_size=40))
def test_no_sequence_of_clock_errors_mutes_or_delays_an_alarm(before: list[Told], during: list[Told]) -> None:
    values = [5.0] * len(before) + [60.0] * len(during)
    changes = fold(stream_of(values, [*before, *during]))
    first = at(len(before) * EVERY_S)
    opened = [c for c in changes if c.change is Change.OPENED]
    assert len(opened) == 1
    assert opened[0].colour == "red"
    assert first < opened[0].known_at <= first + timedelta(seconds=HOLD_S + EVERY_S)
    assert all(c.at <= c.known_at and c.at >= c.known_at - timedelta(seconds=600 + HOLD_S) for c in changes)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(TOLD, st.booleans()), min_size=2, max_size=40))
def test_no_sequence_of_clock_errors_invents_an_alarm(told: list[tuple[Told, bool]]) -> None:
    """High values never stand for the hold: each is followed by a low one."""
    values = [60.0 if high and i % 2 == 0 else 5.0 for i, (_, high) in enumerate(told)] + [5.0]
    changes = fold(stream_of(values, [*(one for one, _ in told), Told(0, False)]), until_s=3600)
    assert not [c for c in changes if c.change is Change.OPENED]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 7200), st.sampled_from([5.0, 30.0, 60.0, 105.0]), st.booleans()), max_size=40))
def test_late_rows_invent_no_present_danger(rows: list[tuple[float, float, bool]]) -> None:
    stream = [
        gas(
            at(i * EVERY_S - (behind if is_late else 0)),
            value if is_late else 5.0,
            received_at=at(i * EVERY_S),
            flags="late" if is_late else "",
        )
        for i, (behind, value, is_late) in enumerate([*rows, (0.0, 5.0, False)])
    ]
    changes = fold(stream, until_s=3600)
    assert all(c.is_past for c in changes)
    n_high = sum(is_late and value >= 25 for _, value, is_late in rows)
    assert bool(changes) <= bool(n_high)

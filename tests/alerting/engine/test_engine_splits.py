"""The same rows give the same episodes however they are cut into batches, ticked by a clock, stopped and restored."""

from __future__ import annotations

import functools
import itertools
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.engine import Engine, Registry
from alerting.engine.episode import EpisodeChange
from alerting.rules import MaintenanceWindow, RuleSet, load_rules
from core.stream.live import LiveBatch
from rule_parts import SHAPES, asset, batch, rules_folder

T0 = datetime(2026, 7, 6, 2, 0, tzinfo=UTC)
FLAGS = ("normal", "normal", "normal", "normal", "calibration", "maintenance")


@dataclass(frozen=True)
class Row:
    """One row as it arrives; instants in seconds since T0."""

    feed_id: str
    received_s: int
    cells: dict[str, Any]


@functools.cache
def rules() -> RuleSet:
    with tempfile.TemporaryDirectory() as folder:
        loaded = load_rules(rules_folder(Path(folder)))
    hour = timedelta(hours=1)
    windows = (MaintenanceWindow("device", "urban:D1", T0 + hour, T0 + 2 * hour, T0 + hour / 2),)
    return RuleSet(loaded.rules, loaded.overrides, windows)


@functools.cache
def registry() -> Registry:
    devices = [
        *(asset(f"urban:D{i}", f"urban:S{i}", gateway_id="GW", area_code="420502") for i in range(3)),
        *(asset(f"emergency:X{i}", "emergency:P", area_code="420502") for i in range(3)),
        *(
            asset(f"transport:T{i}", f"transport:V{i}", vehicle_type="tour_coach", speed_limit_kmh=100.0)
            for i in range(3)
        ),
        *(
            asset(
                f"water:R{i}",
                f"water:SR{i}",
                lon=111.3,
                lat=30.7,
                warning_level_m=50.0,
                guarantee_level_m=51.0,
                historical_max_level_m=52.0,
            )
            for i in range(3)
        ),
        *(asset(f"ecology:M{i}", f"ecology:O{i}", cod_limit_mg_l=50.0) for i in range(3)),
        *(asset(f"fire:U{i}", f"fire:F{i}") for i in range(3)),
    ]
    pond = asset("emergency:P", dam_height_m=80.0, dry_beach_min_m=70.0, pond_class="3")
    return Registry(SHAPES, {pond.id: pond}, {d.id: d for d in devices})


Cells = Callable[[int, int, float, str], dict[str, Any]]  # device, event second, level 0..1, flag


def at(second: int) -> datetime:
    return T0 + timedelta(seconds=second)


FEEDS: dict[str, Cells] = {
    "urban.gas_reading": lambda d, s, x, q: {
        "device_id": f"D{d}",
        "observed_at": at(s),
        "methane_pct_lel": round(90 * x, 1),
        "quality_flag": q,
    },
    "emergency.tailings_sensor": lambda d, s, x, q: {
        "point_id": f"X{d}",
        "observed_at": at(s),
        "dry_beach_m": round(60 + 40 * x, 1),
        "surface_displacement_mm": round(30 * x, 2),
        "rain_1h_mm": None,
        "quality_flag": q,
    },
    "transport.vehicle_position": lambda d, s, x, q: {
        "device_id": f"T{d}",
        "observed_at": at(s),
        "speed_kmh": round(160 * x),
        "acc_on": x > 0.05,
        "alarm_bits": (1 << 23) * (x > 0.8),
        "_lon": 111 + x,
        "_lat": 30.5,
        "_area_code": "420502",
    },
    "transport.driver_behaviour": lambda d, s, x, q: {
        "alarm_key": f"{d}-{s}",
        "device_id": f"T{d}",
        "observed_at": at(s),
        "behaviour": ("fatigue", "phone_call", "smoking", "seat_belt")[int(x * 3.99)],
    },
    "water.rain_reading": lambda d, s, x, q: {
        "device_id": f"R{d}",
        "observed_at": at(s),
        "rain_mm": round(40 * x, 1) * (x > 0.5),
    },
    "water.river_reading": lambda d, s, x, q: {
        "device_id": f"R{d}",
        "observed_at": at(s),
        "level_m": round(48 + 5 * x, 2),
    },
    "ecology.outfall_reading": lambda d, s, x, q: {
        "device_id": f"M{d}",
        "observed_at": at(s),
        "cod_mg_l": round(120 * x, 1),
        "nh3_n_mg_l": None,
        "quality_flag": q,
    },
    "fire.device_state": lambda d, s, x, q: {
        "state_key": f"{d}-{s}-{x}",
        "device_id": f"U{d}",
        "part_id": f"P{int(x * 30) % 3}",
        "observed_at": at(s),
        "fire": x > 0.6,
        "fault": x < 0.2,
        "is_reset": 0.4 < x < 0.45,
    },
}


@st.composite
def streams(draw: st.DrawFn) -> list[Row]:
    """Rows in stream order: on time, late, out of order, several in one instant."""
    rows = []
    now = 0
    for _ in range(draw(st.integers(2, 60))):
        now += draw(st.sampled_from([0, 0, 5, 30, 60, 300, 1800]))
        feed_id = draw(st.sampled_from(sorted(FEEDS)))
        behind = draw(st.sampled_from([0, 0, 0, 1, 20, 300, 5000]))
        level = draw(st.sampled_from([0.0, 0.1, 0.3, 0.42, 0.55, 0.7, 0.9, 1.0]))
        cells = FEEDS[feed_id](draw(st.integers(0, 2)), now - behind, level, draw(st.sampled_from(FLAGS)))
        rows.append(Row(feed_id, now, cells))
    instants: dict[int, list[Row]] = {}
    for row in rows:
        instants.setdefault(row.received_s, []).append(row)
    return [row for group in instants.values() for row in sorted(group, key=lambda r: r.feed_id)]


def batches(rows: Sequence[Row], cuts: frozenset[int]) -> list[LiveBatch]:
    """Neighbours of one feed and instant together, cut before the rows in `cuts`."""
    groups: list[list[Row]] = []
    for i, row in enumerate(rows):
        last = groups[-1][-1] if groups else None
        if last and i not in cuts and (last.feed_id, last.received_s) == (row.feed_id, row.received_s):
            groups[-1].append(row)
        else:
            groups.append([row])
    return [batch(group[0].feed_id, at(group[0].received_s), [row.cells for row in group]) for group in groups]


def fold(stream: Sequence[LiveBatch], stops: frozenset[int] = frozenset()) -> list[EpisodeChange]:
    """All changes up to a day after the end; the engine is thrown away and restored before batches in `stops`."""
    engine = Engine(rules(), registry())
    out = []
    for i, found in enumerate(stream):
        if i in stops:
            engine = Engine.restore(engine.snapshot(), rules(), registry())
        out += engine.fold(found)
    out += engine.fold(LiveBatch("clock", stream[-1].received_at + timedelta(days=1), "", {}))
    return sorted(out, key=lambda c: (c.episode_id, c.number))


def with_clock(stream: Sequence[LiveBatch], ticks: Sequence[float]) -> list[LiveBatch]:
    """Clock messages between batches that lie apart."""
    out = [stream[0]]
    for (before, found), share in zip(itertools.pairwise(stream), itertools.cycle(ticks), strict=False):
        gap = found.received_at - before.received_at
        if gap:
            out.append(LiveBatch("clock", before.received_at + gap * share, "", {}))
        out.append(found)
    return out


CUTS = st.frozensets(st.integers(0, 60), max_size=30)
STOPS = st.frozensets(st.integers(0, 60), max_size=4)


@settings(max_examples=60, deadline=None)
@given(streams(), CUTS, STOPS, st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_cuts_ticks_and_restarts_change_no_episode(
    rows: list[Row], cuts: frozenset[int], stops: frozenset[int], ticks: list[float]
) -> None:
    one_by_one = fold(batches(rows, frozenset(range(len(rows)))))
    together = batches(rows, frozenset())
    assert fold(together) == one_by_one
    assert fold(batches(rows, cuts)) == one_by_one
    assert fold(with_clock(together, ticks)) == one_by_one
    assert fold(with_clock(batches(rows, cuts), ticks), stops) == one_by_one


@settings(max_examples=60, deadline=None)
@given(streams(), STOPS)
def test_a_snapshot_says_the_same_whenever_it_is_taken(rows: list[Row], stops: frozenset[int]) -> None:
    engine, again = Engine(rules(), registry()), Engine(rules(), registry())
    for i, found in enumerate(batches(rows, frozenset())):
        if i in stops:
            again = Engine.restore(again.snapshot(), rules(), registry())
        assert engine.fold(found) == again.fold(found)
        assert engine.snapshot() == again.snapshot()


@settings(max_examples=60, deadline=None)
@given(streams())
def test_changes_of_an_episode_are_numbered_and_in_a_possible_order(rows: list[Row]) -> None:
    told: dict[str, list[EpisodeChange]] = {}
    for change in fold(batches(rows, frozenset())):
        told.setdefault(change.episode_id, []).append(change)
    for changes in told.values():
        by_number = {c.number: c for c in changes}
        assert sorted(by_number) == list(range(1, len(by_number) + 1))
        words = [by_number[n].change.value for n in sorted(by_number)]
        assert words[0] in ("pending", "opened")
        assert all(w not in ("cleared", "withdrawn") for w in words[:-1])
        assert words.count("opened") <= 1
        assert "withdrawn" not in words or "opened" not in words

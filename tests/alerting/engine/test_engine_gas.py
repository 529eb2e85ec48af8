"""The first vertical: gas readings against the committed rule rows, hold, clear, upgrade."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from alerting.engine import Engine
from alerting.engine.episode import Change, EpisodeChange
from alerting.rules import load_rules
from rule_parts import CITY, gas, rules_folder

T0 = datetime(2026, 1, 5, 2, 0, tzinfo=UTC)
READINGS = [(0, 3), (5, 30), (10, 31), (16, 60), (20, 55), (27, 61), (30, 46), (40, 22), (50, 10), (80, 9), (120, 8)]


def told(changes: list[EpisodeChange]) -> list[tuple[float, Change, str, float | None]]:
    return [((c.at - T0).total_seconds(), c.change, c.colour, c.value) for c in changes]


def test_a_leak_opens_after_its_hold_rises_and_ends_on_normal_readings(tmp_path: Path) -> None:
    engine = Engine(load_rules(rules_folder(tmp_path)), CITY)
    changes = [c for s, value in READINGS for c in engine.fold(gas(T0 + timedelta(seconds=s), value))]
    assert told(changes) == [
        (5, Change.PENDING, "yellow", 30.0),
        (15, Change.OPENED, "yellow", 31.0),
        (26, Change.UPGRADED, "red", 55.0),
        (120, Change.CLEARED, "red", 8.0),
    ]
    assert {c.standard[:9] for c in changes} == {"GB/T 5049"}
    assert all(c.clause and c.evidence_grade and c.source_label for c in changes)
    assert engine.open_count == 0


def test_silence_clears_nothing(tmp_path: Path) -> None:
    engine = Engine(load_rules(rules_folder(tmp_path)), CITY)
    changes = [c for s, value in READINGS[:6] for c in engine.fold(gas(T0 + timedelta(seconds=s), value))]
    assert changes[-1].change is Change.UPGRADED
    later = engine.fold(gas(T0 + timedelta(days=2), 61))
    assert [c.change for c in later if c.rule_id == "gas_methane_lel"] == []
    assert [(c.change, c.evidence) for c in later if c.rule_id == "gas_detector_silent"] == [
        (Change.OPENED, "silence"),
        (Change.CLEARED, "reading"),
    ]

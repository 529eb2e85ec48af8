"""Rows that come late or out of order: danger that is past is said, and the present one stays as it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from alerting.engine import Engine
from alerting.engine.episode import Change
from alerting.rules import RuleSet, load_rules
from rule_parts import fold, gas, registry, rules_folder, tracks_of

T0 = datetime(2026, 7, 6, 2, 0, tzinfo=UTC)  # ten o'clock in Beijing
OPENED, CLEARED = Change.OPENED, Change.CLEARED


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    return load_rules(rules_folder(tmp_path_factory.mktemp("late")))


def test_levels_in_late_rows_are_past_danger_and_no_present_one(rules: RuleSet) -> None:
    engine = Engine(rules, registry())
    came = T0 + timedelta(hours=2)
    late = [gas(T0 + timedelta(seconds=s), 60, "D", came, "late") for s in range(0, 60, 10)]
    changes = fold(engine, late)
    assert [(c.change, c.is_past, c.is_late) for c in changes] == [(OPENED, True, True)]
    assert (changes[-1].at - T0).total_seconds() == 10
    assert changes[-1].details["marks"] == ["late", "past_danger"]
    after = fold(engine, [gas(came + timedelta(seconds=s), 2, "D") for s in (5, 70)])
    assert [(c.change, c.is_past, c.evidence) for c in after] == [(CLEARED, True, "rest")]


def test_back_filled_rows_leave_the_present_alone(rules: RuleSet) -> None:
    engine = Engine(rules, registry())
    fold(engine, [gas(T0 + timedelta(seconds=s), 60, "D") for s in range(0, 30, 5)])
    before = tracks_of(engine, "gas_methane_lel")
    filled = [gas(T0 - timedelta(seconds=s), 1, "D", T0 + timedelta(seconds=31), "late") for s in range(600, 0, -60)]
    assert not fold(engine, filled)
    assert tracks_of(engine, "gas_methane_lel") == before != {}

"""The steps of the life cycle: which are legal, what each sets, and what refuses the rest."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from alert_parts import an_alert
from alerting.lifecycle.alert import NEW, Alert
from alerting.lifecycle.steps import LIVING, STEPS, Action, IllegalStep, Verb, allowed, move

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DEED = Action("li", "seen on the spot", NOW, NOW + timedelta(seconds=1))


def alert(state: str | None, **columns: Any) -> Alert:
    return an_alert(state=state or NEW, value=1.0, **columns)


def test_the_whole_way_sets_every_clock() -> None:
    row = alert(None)
    way = (Verb.PENDING, Verb.OPENED, Verb.ACKNOWLEDGED, Verb.DISPATCHED, Verb.RESOLVED, Verb.CLOSED, Verb.ARCHIVED)
    for minute, verb in enumerate(way):
        at = NOW + timedelta(minutes=minute)
        step = move(row, verb, Action("li", "seen", at, at))
        assert (step.event.from_state or NEW) == row.state
        row = step.applied_to(row)
        assert step.event.to_state == row.state
    clocks = ("pending_at", "opened_at", "acknowledged_at", "dispatched_at", "resolved_at", "closed_at", "archived_at")
    assert [getattr(row, clock) for clock in clocks] == [NOW + timedelta(minutes=minute) for minute in range(7)]


@pytest.mark.parametrize(
    ("state", "verb"),
    [
        pair
        for pair in product((None, *LIVING, "closed", "archived", "withdrawn"), Verb)
        if pair[0] not in STEPS[pair[1]]
    ],
)
def test_every_other_step_is_refused(state: str | None, verb: Verb) -> None:
    with pytest.raises(IllegalStep, match=f"alert a is {state or 'not there'}, so it cannot be {verb}; "):
        move(alert(state), verb, DEED)


def test_a_refusal_says_what_to_do_first() -> None:
    with pytest.raises(IllegalStep, match="acknowledge it first"):
        move(alert("open"), Verb.DISPATCHED, DEED)
    with pytest.raises(IllegalStep, match="end the silence"):
        move(alert("suppressed"), Verb.ACKNOWLEDGED, DEED)


@pytest.mark.parametrize("verb", [Verb.RESOLVED, Verb.COMMENTED])
def test_a_person_resolves_only_with_a_comment(verb: Verb) -> None:
    with pytest.raises(IllegalStep, match="needs a comment"):
        move(alert("acknowledged"), verb, Action("li", "  ", NOW, NOW))


def test_beginning_again_starts_the_work_again() -> None:
    done = alert("resolved", acknowledged_at=NOW, dispatched_at=NOW, resolved_at=NOW, cleared_at=NOW)
    step = move(done, Verb.NEW_EPISODE, DEED)
    assert step.columns["state"] == "open"
    assert step.columns["n_reopened"] == 1
    assert {step.columns[name] for name in ("acknowledged_at", "dispatched_at", "resolved_at", "cleared_at")} == {None}


def test_a_worse_colour_starts_the_clock_of_escalation_again() -> None:
    row = alert("acknowledged", severity_rank=2, step_no=3)
    assert move(row, Verb.UPGRADED, DEED, {"severity_rank": 4}).columns["step_no"] == 0
    assert "step_no" not in move(row, Verb.PEAK, DEED, {"severity_rank": 2}).columns
    assert "step_no" not in move(row, Verb.DOWNGRADED, DEED, {"severity_rank": 1}).columns


def test_what_a_person_may_do_follows_the_state() -> None:
    assert allowed("open") == (Verb.ACKNOWLEDGED, Verb.COMMENTED)
    assert allowed("acknowledged") == (Verb.DISPATCHED, Verb.RESOLVED, Verb.COMMENTED)
    assert allowed("archived") == (Verb.COMMENTED,)

"""The steps an alert may take, as one table and one function that every change goes through.

pending → open → acknowledged → dispatched → resolved → closed → archived; open ↔ suppressed; a pending one that ended
before its hold time is withdrawn. Nothing here reads a clock or a store: an Alert comes in, a Step goes out. Not here:
how an episode's change finds its alert (`alerting.lifecycle.joining`), timers (`alerting.policy.escalation`), who may
act (`access`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from alerting.marks import PAST_DANGER

if TYPE_CHECKING:
    from alerting.lifecycle.alert import Alert

# What somebody must deal with.
WORKED_ON = ("open", "acknowledged", "dispatched")
# Danger that nobody has seen end, told or kept quiet: what colours an object and counts in its score. Declared here, in
# the one place that knows all states; dbt's macro `is_open_alert` says the same in SQL, and a test compares the two.
ONGOING = ("suppressed", *WORKED_ON)
# An alert that lives: people or readings can still change it.
LIVING = ("pending", *ONGOING, "resolved")
OVER = ("resolved", "closed", "archived")


class IllegalStep(ValueError):
    """A step that the alert's state does not allow, or one without its reason; says what would be possible."""


class Verb(StrEnum):
    """What happens to an alert; also the kind of its event row."""

    PENDING = "pending"
    WITHDRAWN = "withdrawn"
    OPENED = "opened"
    NEW_MEMBER = "new_member"  # a further episode or report of the same rule at the same object
    UPGRADED = "upgraded"
    DOWNGRADED = "downgraded"
    PEAK = "peak"
    MEMBER_CLEARED = "member_cleared"  # one of several episodes ended
    CLEARED = "cleared"  # the last one ended: resolved on positive evidence
    NEW_EPISODE = "new_episode"  # it began again before anybody closed the alert
    ACKNOWLEDGED = "acknowledged"
    DISPATCHED = "dispatched"
    RESOLVED = "resolved"  # by a person, with a comment
    CLOSED = "closed"
    ARCHIVED = "archived"
    SUPPRESSED = "suppressed"
    RELEASED = "released"
    REMINDED = "reminded"
    ESCALATED = "escalated"
    FLAPPING = "flapping"
    CALMED = "calmed"
    COMMENTED = "commented"
    PAST_DANGER = "past_danger"  # late rows tell that there was danger: listed, never worked on as danger now


_STAY: dict[str | None, str] = {state: state for state in LIVING}
_WAITS: dict[str | None, str] = {state: state for state in (*WORKED_ON, "resolved")}
# Verb → state before → state after; None is an alert that is not there yet.
STEPS: Mapping[Verb, Mapping[str | None, str]] = {
    Verb.PENDING: {None: "pending"},
    Verb.WITHDRAWN: {"pending": "withdrawn"},
    Verb.OPENED: {None: "open", "pending": "open"},
    Verb.NEW_MEMBER: {state: state for state in ("suppressed", *WORKED_ON)},
    Verb.UPGRADED: {**_STAY, "resolved": "open"},
    Verb.DOWNGRADED: _STAY,
    Verb.PEAK: _STAY,
    Verb.MEMBER_CLEARED: _STAY,
    # One that a person resolved early learns of its evidence later.
    Verb.CLEARED: dict.fromkeys(("suppressed", *WORKED_ON, "resolved"), "resolved"),
    Verb.NEW_EPISODE: {"resolved": "open"},
    Verb.ACKNOWLEDGED: {"open": "acknowledged"},
    Verb.DISPATCHED: {"acknowledged": "dispatched", "dispatched": "dispatched"},
    Verb.RESOLVED: {"acknowledged": "resolved", "dispatched": "resolved"},
    Verb.CLOSED: {"resolved": "closed"},
    Verb.ARCHIVED: {"closed": "archived"},
    Verb.SUPPRESSED: {"open": "suppressed"},
    Verb.RELEASED: {"suppressed": "open"},
    Verb.REMINDED: _WAITS,
    Verb.ESCALATED: _WAITS,
    Verb.FLAPPING: _STAY,
    Verb.CALMED: _STAY,
    Verb.COMMENTED: {state: state for state in (*LIVING, "closed", "archived", "withdrawn")},
    Verb.PAST_DANGER: {None: "resolved", **_STAY},
}
# Where a person comes from before the step that was asked for.
_FIRST = {
    (Verb.DISPATCHED, "open"): "acknowledge it first",
    (Verb.RESOLVED, "open"): "acknowledge it first; without a person it resolves on the reading that clears it",
    (Verb.CLOSED, "open"): "it must be resolved first",
    (Verb.ACKNOWLEDGED, "suppressed"): "it is suppressed: end the silence, or wait for the alert that inhibits it",
    (Verb.ARCHIVED, "resolved"): "close it first",
}
_NEEDS_COMMENT = (Verb.RESOLVED, Verb.COMMENTED)
_CLOCK = {
    Verb.PENDING: "pending_at",
    Verb.OPENED: "opened_at",
    Verb.ACKNOWLEDGED: "acknowledged_at",
    Verb.DISPATCHED: "dispatched_at",
    Verb.RESOLVED: "resolved_at",
    Verb.CLOSED: "closed_at",
    Verb.ARCHIVED: "archived_at",
}
# An alert that starts again is worked on again from the start; what was done before stands in its history.
_AGAIN = dict.fromkeys(
    (
        "acknowledged_at",
        "acknowledged_by",
        "dispatched_at",
        "dispatched_to",
        "cleared_at",
        "resolved_at",
        "suppressed_by",
    )
)


@dataclass(frozen=True, slots=True)
class Event:
    """One row of an alert's history, before it has its number."""

    alert_id: str
    kind: Verb
    from_state: str | None
    to_state: str
    colour: str
    value: float | None
    reason: str
    actor: str
    at: datetime
    known_at: datetime
    episode_id: str | None = None
    number: int | None = None
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Action:
    """Why a step is taken, by whom, and when: `at` on the device's clock, `known_at` on ours."""

    actor: str
    reason: str
    at: datetime
    known_at: datetime
    episode_id: str | None = None
    number: int | None = None
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """What one step makes of an alert: columns to set and the row of history that says so."""

    columns: Mapping[str, Any]  # fields of Alert
    event: Event

    def applied_to(self, alert: Alert) -> Alert:
        """The alert after the step."""
        return replace(alert, **self.columns)


def move(alert: Alert, verb: Verb, action: Action, columns: Mapping[str, Any] | None = None) -> Step:
    """The step `verb` of an alert, with further columns that it sets.

    Raises IllegalStep.
    """
    before = alert.state or None
    after: str | None = STEPS[verb].get(before)
    if after is None:
        raise IllegalStep(_refusal(alert, verb, before))
    if verb in _NEEDS_COMMENT and not action.reason.strip():
        raise IllegalStep(f"alert {alert.alert_id}: {verb} needs a comment: say what was found on the spot")
    changed: dict[str, Any] = {**(columns or {}), "state": after, "changed_at": action.known_at}
    if verb in _CLOCK and (verb is not Verb.DISPATCHED or before != "dispatched"):
        changed[_CLOCK[verb]] = action.at
    if before == "resolved" and after == "open":
        changed |= {**_AGAIN, "n_reopened": alert.n_reopened + 1}
    if verb is Verb.PAST_DANGER and before is None:
        changed |= dict.fromkeys(("opened_at", "cleared_at", "resolved_at"), action.at)
    if verb is Verb.CLEARED:
        changed["cleared_at"] = action.at
        if before != "resolved":
            changed["resolved_at"] = action.at
    if before == "suppressed" != after != "resolved":  # one that ended in quiet says what kept it so
        changed["suppressed_by"] = None
    if after != before or changed.get("severity_rank", 0) > alert.severity_rank:
        # Escalation counts from here: a new state, or a danger that grew.
        changed |= {"entered_state_at": action.known_at, "step_no": 0}
    colour = str(changed.get("colour", alert.colour))
    event = Event(
        alert.alert_id,
        verb,
        before,
        after,
        colour,
        changed.get("value", alert.value),
        action.reason,
        action.actor,
        action.at,
        action.known_at,
        action.episode_id,
        action.number,
        action.details,
    )
    return Step(changed, event)


def is_unanswered(alert: Alert) -> bool:
    """Whether an alert rang and ended by itself before anybody answered it; only a person closes such a one.

    What was kept quiet asked nobody, and danger that was over when we learnt of it was no call.
    """
    rang = alert.suppressed_by is None and PAST_DANGER not in alert.marks.split()
    return alert.state == "resolved" and alert.acknowledged_at is None and rang


def allowed(state: str) -> tuple[Verb, ...]:
    """What a person may do to an alert in this state, in the order of the life cycle."""
    deeds = (Verb.ACKNOWLEDGED, Verb.DISPATCHED, Verb.RESOLVED, Verb.CLOSED, Verb.ARCHIVED, Verb.COMMENTED)
    return tuple(verb for verb in deeds if state in STEPS[verb])


def _refusal(alert: Alert, verb: Verb, before: str | None) -> str:
    possible = sorted(str(state) for state in STEPS[verb] if state)
    advice = _FIRST.get((verb, str(before)), f"possible from: {', '.join(possible) or 'no state'}")
    return f"alert {alert.alert_id} is {before or 'not there'}, so it cannot be {verb}; {advice}"

"""What rules did in the past, and what people found there: the other side of a replay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

import orjson
import sqlalchemy as sa

from alerting.backtest.evaluation import Episode, Outcome, by_start
from alerting.engine.evaluators.sender import UNREADABLE_ALARM
from alerting.engine.evaluators.unknown_device import UNKNOWN_ALARM
from alerting.lifecycle.alert import AlertEvent, Member
from alerting.lifecycle.steps import Verb
from alerting.workflow.records import EVENTS, MEMBERS
from core.severity import RANKS
from core.store import tables
from core.store.parts import in_parts

# Words of a comment that say that nothing was there.
FALSE_ALARM = ("误报", "虚警", "false alarm")


def fired(store: sa.Engine, rule_ids: Collection[str], start: datetime, end: datetime) -> list[Episode]:
    """Episodes that became alerts between two instants, as the ops store remembers them; exercises are none."""
    member, alert = tables.member, tables.alert
    query = (
        sa.select(*MEMBERS.columns, alert.c.rule_id, alert.c.object_id)
        .join(alert, alert.c.alert_id == member.c.alert_id)
        .where(
            member.c.started_at >= start,
            member.c.started_at < end,
            member.c.state.in_(("holding", "cleared")),
            alert.c.is_exercise.is_(False),
            alert.c.origin == "rule",
            # what a sender is told for lands nowhere, so no replay can tell it again
            alert.c.rule_id.not_in((UNKNOWN_ALARM, UNREADABLE_ALARM)),
        )
    )
    with store.connect() as connection:
        rows = [row for row in connection.execute(query) if row.rule_id in rule_ids]
        history = _histories(connection, sorted({row.alert_id for row in rows}))
    found = ((MEMBERS.record(row), row.rule_id, row.object_id) for row in rows)
    return sorted((_episode(*one, history[one[0].alert_id]) for one in found), key=by_start)


def _histories(connection: sa.Connection, alert_ids: Sequence[str]) -> Mapping[str, list[AlertEvent]]:
    """The history of some alerts, oldest first."""
    event, found = tables.alert_event, defaultdict[str, list[AlertEvent]](list)
    for part in in_parts(alert_ids):
        some = event.c.alert_id.in_(part)
        for one in EVENTS.found(connection, EVENTS.where(some).order_by(event.c.event_id)):
            found[one.alert_id].append(one)
    return found


def _episode(member: Member, rule_id: str, object_id: str, history: Iterable[AlertEvent]) -> Episode:
    """An episode from its newest state and the steps that it caused."""
    colour, opened_at, peak = member.colour, None, member.value
    steps = [event for event in history if event.at >= member.started_at]
    for event in steps:
        if event.episode_id != member.episode_id:
            continue
        details = orjson.loads(event.details)
        own = details.get("colour", event.colour)  # an alert of several episodes has the worst one's
        colour = max(colour, own, key=RANKS.__getitem__)
        if opened_at is None and event.kind != Verb.PENDING:
            opened_at = event.at
        peak = details.get("peak", peak)
    return Episode(
        member.episode_id,
        rule_id,
        object_id,
        member.device_id,
        colour,
        member.started_at,
        opened_at or member.started_at,
        member.cleared_at,
        peak,
        member.is_late,
        found_in(steps),
    )


def found_in(steps: Iterable[AlertEvent]) -> Outcome:
    """What people found: a comment that calls it a false alarm decides, then that somebody was sent there.

    Judged are the steps up to the first that resolves it; what comes later speaks of the next episode.
    """
    is_confirmed = is_over = False
    for step in steps:
        if step.kind in (Verb.NEW_EPISODE, Verb.UPGRADED) and is_over:
            break
        says_false = any(word in step.reason.lower() for word in FALSE_ALARM)
        if step.kind in (Verb.RESOLVED, Verb.COMMENTED, Verb.CLOSED) and says_false:
            return "false alarm"
        is_confirmed = is_confirmed or step.kind == Verb.DISPATCHED
        is_over = is_over or step.to_state == "resolved"
    return "confirmed" if is_confirmed else "unjudged"

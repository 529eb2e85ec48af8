"""What time alone does: silences end, requests expire, reminders and escalations fall due, groups are told.

Every timer is a column, and a tick looks at what is due, not at what it did before: a process that was away goes on
where the last one stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from alerting.lifecycle.steps import OVER, Action, Verb, is_unanswered, move
from alerting.notify.endings import END
from alerting.notify.notices import flush
from alerting.policy.grouping import Announcement
from alerting.policy.notification_policies import NotificationPolicies
from alerting.workflow.requests import expire
from alerting.workflow.suppression import Seen, Settled, settle
from alerting.workflow.unit_of_work import UnitOfWork, in_transaction
from core.store import tables

_AT_ONCE = 500  # alerts in one transaction, so that nobody waits long for a turn
_VERBS = {
    "remind": Verb.REMINDED,
    "escalate": Verb.ESCALATED,
    "close": Verb.CLOSED,
    "archive": Verb.ARCHIVED,
}
_SETTLE_EVERY = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Ticked:
    """What one tick did."""

    n_steps: int
    n_calmed: int
    settled: Settled | None
    notices: tuple[str, ...]


class Timers:
    """Ticks of one process. What it remembers only spares work: when it last settled, and what it then saw."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._settled_at: datetime | None = None
        self._is_stale = True
        self._seen = Seen()

    def stale(self) -> None:
        """Alerts changed: settle on the next tick."""
        self._is_stale = True

    def tick(self, policies: NotificationPolicies, now: datetime) -> Ticked:
        """Everything that is due at `now`: settle first, so that nothing is told which ought to be quiet."""
        settled = None
        steps, calmed = take_steps(self._engine, policies, now), settle_flapping(self._engine, policies, now)
        if self._is_stale or steps or self._settled_at is None or now - self._settled_at >= _SETTLE_EVERY:
            self._is_stale = False
            expire(self._engine, now)
            settled = settle(self._engine, policies, now, self._seen)
            self._settled_at = now
        return Ticked(steps, calmed, settled, flush(self._engine, policies, now))


def take_steps(engine: sa.Engine, policies: NotificationPolicies, now: datetime) -> int:
    """Take every reminder, escalation, closing and archiving that is due; how many there were."""
    table, n_taken = tables.alert, 0
    while True:
        with engine.connect() as connection:
            query = sa.select(table.c.alert_id).where(table.c.next_step_at <= now)
            due: Sequence[str] = connection.scalars(query.order_by(table.c.next_step_at).limit(_AT_ONCE)).all()
        if not due:
            return n_taken
        n_taken += in_transaction(engine, lambda connection, due=due: _take(connection, policies, due, now))  # type: ignore[misc]


def _take(connection: sa.Connection, policies: NotificationPolicies, due: Sequence[str], now: datetime) -> int:
    work = UnitOfWork(connection, policies, now)
    work.load_alerts(tables.alert.c.alert_id, due, tables.alert.c.next_step_at <= now)
    for alert in list(work.alerts.values()):
        row = policies.escalations.step(alert.state, alert.colour, alert.step_no)
        if row is None or (row.action == "close" and is_unanswered(alert)):  # rows changed since the timer was set
            work.set_timers(alert)
            continue
        standing = (alert.state, alert.colour, alert.step_no, alert.entered_state_at)
        columns: dict[str, Any] = {"step_no": policies.escalations.taken_by(*standing, now)}
        verb = _VERBS[row.action]
        if verb is Verb.ESCALATED:
            columns["escalation_level"] = alert.escalation_level + 1
        minutes = (now - alert.entered_state_at) // timedelta(minutes=1)
        reason = f"{alert.state} for {minutes} min" + (f"; now with {row.to_role}" if row.to_role else "")
        action = Action("clock", reason, now, now, details={"to_role": row.to_role})
        work.take(move(alert, verb, action, columns), row.to_role)
    work.save()
    return len(work.alerts)


def settle_flapping(engine: sa.Engine, policies: NotificationPolicies, now: datetime) -> int:
    """Take the mark from alerts that stopped flapping; one that is open then is told again, one that is over ends."""
    table = tables.alert
    is_over = (table.c.flapping_until <= now, table.c.is_flapping)
    with engine.connect() as connection:
        due: Sequence[str] = connection.scalars(sa.select(table.c.alert_id).where(*is_over).limit(_AT_ONCE)).all()
    if not due:
        return 0

    def calmed(connection: sa.Connection) -> int:
        work = UnitOfWork(connection, policies, now)
        work.load_alerts(table.c.alert_id, due, *is_over)
        for alert in list(work.alerts.values()):
            quiet: dict[str, Any] = {"is_flapping": False, "flapping_until": None, "flips_at": "[]"}
            if alert.state in ("closed", "archived"):
                alert = work.change(alert.alert_id, **quiet)
            else:
                work.take(move(alert, Verb.CALMED, Action("clock", "stays as it is now", now, now), quiet))
                alert = work.alerts[alert.alert_id]
            # What was muted meanwhile: that it goes on, or, to whoever was told that it began, that it is over.
            kind = END if alert.state in OVER else "new_episode"
            if alert.state in ("open", *OVER):
                work.announcements.append(Announcement(alert.alert_id, kind, alert.severity_rank, "duty_officer", now))
        work.save()
        return len(work.alerts)

    return in_transaction(engine, calmed)

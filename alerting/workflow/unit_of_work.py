"""One transaction's work on alerts: loaded once, changed in memory by pure steps, written once."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

import orjson
import sqlalchemy as sa

from alerting.lifecycle.alert import Alert, AlertGroup, Member
from alerting.lifecycle.steps import Action, Event, Step, Verb, is_unanswered, move
from alerting.policy.flapping import FLIPS, flipped, is_muted
from alerting.policy.grouping import NOTIFIED_AS, Announcement, LastNotified, flush_at
from alerting.policy.notification_policies import NotificationPolicies
from alerting.workflow.records import ALERTS, GROUPS, MEMBERS
from core.errors import ExplainedError
from core.store import tables
from core.store.parts import in_parts

Result = TypeVar("Result")
WRITER_LOCK = 7_243_110_002  # of PostgreSQL: one writer of alerts at a time, as SQLite has it anyway
ATTEMPTS = 8
_TIMED = ("open", "acknowledged", "dispatched", "resolved", "closed")
_RETRIED = ("40001", "40P01", "23505")  # serialisation, deadlock, somebody else was first


class Conflict(ExplainedError, RuntimeError):
    """Somebody changed the alert between our look and our write; tried again, or told to the person."""


def in_transaction(engine: sa.Engine, work: Callable[[sa.Connection], Result]) -> Result:
    """Run `work` as the only writer of alerts, whole or not at all, again when another one came first."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with engine.begin() as connection:
                _take_turn(connection)
                return work(connection)
        except (Conflict, sa.exc.IntegrityError, sa.exc.OperationalError) as error:
            if attempt == ATTEMPTS or not _may_pass(error):
                raise
            time.sleep(random.uniform(0.005, 0.02) * attempt)
    raise AssertionError("unreachable")


def _take_turn(connection: sa.Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(WRITER_LOCK)))
    else:
        # Writes nothing, but makes this the writer before the first look, so that the look stays true.
        position = tables.alert_position
        connection.execute(sa.update(position).where(sa.false()).values(moved_at=position.c.moved_at))


def _may_pass(error: Exception) -> bool:
    if isinstance(error, Conflict):
        return True
    cause = getattr(error, "orig", error)
    return getattr(cause, "sqlstate", None) in _RETRIED or "locked" in str(cause) or "UNIQUE" in str(cause)


class UnitOfWork:
    """Alerts and members of one transaction. `take` applies a step, `save` writes everything."""

    def __init__(self, connection: sa.Connection, policies: NotificationPolicies, now: datetime) -> None:
        self.connection, self.policies, self.now = connection, policies, now
        self.alerts: dict[str, Alert] = {}
        self.members: dict[str, Member] = {}
        self.events: list[Event] = []
        self.announcements: list[Announcement] = []
        self._stored: dict[str, Alert] = {}  # as they were loaded
        self._stored_members: dict[str, Member] = {}

    # ── look ──────────────────────────────────────────────────────────────────────────────────────────────────────────
    def load_alerts(self, column: sa.Column[Any], values: Iterable[object], *conditions: Any) -> None:
        """Load alerts by values of a column, those not yet here."""
        for part in in_parts(values):
            for alert in ALERTS.found(self.connection, ALERTS.where(column.in_(part), *conditions)):
                if alert.alert_id not in self.alerts:
                    self.alerts[alert.alert_id] = self._stored[alert.alert_id] = alert

    def load_members(self, column: sa.Column[Any], values: Iterable[object], *conditions: Any) -> None:
        """Load members by values of a column, those not yet here."""
        for part in in_parts(values):
            for member in MEMBERS.found(self.connection, MEMBERS.where(column.in_(part), *conditions)):
                if member.episode_id not in self.members:
                    self.members[member.episode_id] = self._stored_members[member.episode_id] = member

    def alert(self, alert_id: str) -> Alert | None:
        """One alert, loaded when it is not here yet."""
        if alert_id not in self.alerts:
            self.load_alerts(tables.alert.c.alert_id, [alert_id])
        return self.alerts.get(alert_id)

    # ── change ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def take(self, step: Step, to_role: str = "duty_officer") -> None:
        """Apply a step to its alert: columns, history, timers, flapping, news."""
        alert_id, verb = step.event.alert_id, step.event.kind
        alert = self.alerts[alert_id] = step.applied_to(self.alerts[alert_id])
        self.events.append(step.event)
        muted = is_muted(alert, verb)
        if verb in FLIPS:
            self._flip(alert, step.event)
        alert = self.set_timers(self.alerts[alert_id])
        if verb in NOTIFIED_AS and alert.state not in ("suppressed", "pending") and not muted and _concerns(step.event):
            self.announcements.append(Announcement(alert_id, NOTIFIED_AS[verb], alert.severity_rank, to_role, self.now))

    def change(self, alert_id: str, **columns: Any) -> Alert:
        """Set columns of an alert that are no step of its life."""
        alert = self.alerts[alert_id] = replace(self.alerts[alert_id], **columns)
        return alert

    def set_timers(self, alert: Alert) -> Alert:
        """Set when the next step by the clock is due, and by when the state must be left."""
        next_step_at = due_at = None
        if alert.state in _TIMED:
            state, colour, since = alert.state, alert.colour, alert.entered_state_at
            next_step_at = self.policies.escalations.next_at(state, colour, alert.step_no, since)
            due_at = self.policies.escalations.due_at(state, colour, since)
            if is_unanswered(alert) and self.policies.escalations.closes(state, colour, alert.step_no):
                next_step_at = None
        if (next_step_at, due_at) == (alert.next_step_at, alert.due_at):
            return alert
        return self.change(alert.alert_id, next_step_at=next_step_at, due_at=due_at)

    def _flip(self, alert: Alert, event: Event) -> None:
        flips = flipped(alert, event.known_at, self.policies.grouping.policy(alert.domain))
        began = flips.is_flapping and not alert.is_flapping
        alert = self.change(alert.alert_id, flips_at=flips.flips_at, flapping_until=flips.flapping_until)
        if began:
            action = Action("clock", "began and ended too often", event.at, event.known_at)
            self.take(move(alert, Verb.FLAPPING, action, {"is_flapping": True}))

    # ── write ─────────────────────────────────────────────────────────────────────────────────────────────────────────
    def save(self) -> None:
        """Write what changed. Raises Conflict when an alert is no longer as it was loaded."""
        self._save_alerts()
        self._save_members()
        if self.events:
            self.connection.execute(sa.insert(tables.alert_event), [_event_row(event) for event in self.events])
        if self.announcements:
            self._save_announcements()

    def _save_alerts(self) -> None:
        table = tables.alert
        new: list[Alert] = []
        changed: list[dict[str, Any]] = []
        for alert_id, alert in self.alerts.items():
            stored = self._stored.get(alert_id)
            if stored is None:
                if not alert.level:
                    raise AssertionError(f"alert {alert_id} is new, but nothing set its legal facts")
                new.append(alert)
            elif alert != stored:
                alert = self.change(alert_id, version=stored.version + 1)
                changed.append({**ALERTS.row(alert), "b_id": alert_id, "b_version": stored.version})
        if changed:  # first: one that ends here makes way for the next of its rule and object
            query = sa.update(table).where(
                table.c.alert_id == sa.bindparam("b_id"), table.c.version == sa.bindparam("b_version")
            )
            written = self.connection.execute(query, changed)
            if written.rowcount != len(changed):
                raise Conflict(f"{len(changed) - written.rowcount} of {len(changed)} alerts were changed meanwhile")
        if new:
            self.connection.execute(sa.insert(table), ALERTS.rows(new))

    def _save_members(self) -> None:
        table = tables.member
        changed = [one for key, one in self.members.items() if one != self._stored_members.get(key)]
        new = [one for one in changed if one.episode_id not in self._stored_members]
        old = [one for one in changed if one.episode_id in self._stored_members]
        if new:
            self.connection.execute(sa.insert(table), MEMBERS.rows(new))
        if old:
            query = sa.update(table).where(table.c.episode_id == sa.bindparam("b_id"))
            self.connection.execute(query, [{**MEMBERS.row(one), "b_id": one.episode_id} for one in old])

    def _save_announcements(self) -> None:
        """Put what is to be told into its groups, and say when each group is due."""
        table, grouping = tables.alert_group, self.policies.grouping
        placed = [
            (announcement, grouping.group_of(self.alerts[announcement.alert_id], announcement.to_role))
            for announcement in self.announcements
        ]
        keys = {key for _, (key, _, _) in placed}
        known: dict[str, AlertGroup] = {}
        for part in in_parts(keys):
            found = GROUPS.found(self.connection, GROUPS.where(table.c.group_key.in_(part)))
            known |= {group.group_key: group for group in found}
        new_keys, rows = keys - known.keys(), []
        for announcement, (key, policy, common) in placed:
            group = known.get(key) or _new_group(key, policy.policy_id, common, self.alerts[announcement.alert_id])
            told = LastNotified(group.last_notice_at, group.told_rank)
            known[key] = replace(group, flush_at=flush_at(policy, told, group.flush_at, announcement))
            rows.append(
                {
                    "group_key": key,
                    "alert_id": announcement.alert_id,
                    "kind": announcement.kind,
                    "severity_rank": announcement.severity_rank,
                    "to_role": announcement.to_role,
                    "at": announcement.at,
                    "notice_id": None,
                }
            )
        if new_keys:
            self.connection.execute(sa.insert(table), GROUPS.rows(known[key] for key in sorted(new_keys)))
        old = [{"b_key": key, "b_flush": known[key].flush_at} for key in sorted(keys - new_keys)]
        if old:
            query = sa.update(table).where(table.c.group_key == sa.bindparam("b_key"))
            self.connection.execute(query.values(flush_at=sa.bindparam("b_flush")), old)
        self.connection.execute(sa.insert(tables.notification_queue), rows)


def _concerns(event: Event) -> bool:
    """Evidence that comes after a person's word is no second end. Who is owed an end is seen when news are told."""
    return event.kind is not Verb.CLEARED or event.from_state != "resolved"


def _new_group(key: str, policy_id: str, common: Mapping[str, str], alert: Alert) -> AlertGroup:
    return AlertGroup(
        group_key=key,
        policy_id=policy_id,
        labels=orjson.dumps(common).decode(),
        is_exercise=alert.is_exercise,
        flush_at=None,
        last_notice_at=None,
        told_rank=0,
    )


def _event_row(event: Event) -> dict[str, Any]:
    return {
        "alert_id": event.alert_id,
        "kind": event.kind.value,
        "from_state": event.from_state,
        "to_state": event.to_state,
        "colour": event.colour,
        "value": event.value,
        "reason": event.reason,
        "actor": event.actor,
        "at": event.at,
        "known_at": event.known_at,
        "episode_id": event.episode_id,
        "number": event.number,
        "details": orjson.dumps(event.details, default=str).decode(),
    }

"""Tell people what waits: due groups become notices, notices become deliveries, in one transaction."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
import sqlalchemy as sa

from alerting.lifecycle.alert import Alert, AlertGroup, Notice, QueuedAnnouncement
from alerting.notify.endings import END, NOT_NOTIFIED, alerts_awaiting_end, sent_about, worth_sending
from alerting.notify.silent_devices import silent_since
from alerting.policy.dispatch import EVERY, body_of, deliveries_of
from alerting.policy.grouping import STORM, URGENCY, Policy, may_notify, title_of
from alerting.policy.labels import all_hold, labels_of
from alerting.policy.notification_policies import NotificationPolicies
from alerting.workflow.records import ALERTS, ANNOUNCEMENTS, DELIVERIES, GROUPS, NOTICES
from alerting.workflow.suppression import silences_now
from alerting.workflow.unit_of_work import in_transaction
from core.severity import COLOURS
from core.store import tables

LOOK_AGAIN = timedelta(minutes=1)


@dataclass(slots=True)
class _Due:
    """A group whose time has come, with its news and the alerts that they are about."""

    group: AlertGroup
    policy: Policy
    announcements: list[QueuedAnnouncement]
    alerts: dict[str, Alert]
    again_at: datetime | None  # when what is held back may be told

    @property
    def rank(self) -> int:
        return max(one.severity_rank for one in self.announcements)


def flush(engine: sa.Engine, policies: NotificationPolicies, now: datetime) -> tuple[str, ...]:
    """Tell every group that is due; returns the ids of the notices."""
    group = tables.alert_group.c
    with engine.connect() as connection:
        if connection.scalar(sa.select(group.group_key).where(group.flush_at <= now).limit(1)) is None:
            return ()
    return in_transaction(engine, lambda connection: _flush(connection, policies, now))


def _flush(connection: sa.Connection, policies: NotificationPolicies, now: datetime) -> tuple[str, ...]:
    due = _due(connection, policies, now)
    window = policies.grouping.rest.storm_window
    notice = tables.alert_notice.c
    query = sa.select(notice.created_at, notice.group_key, notice.severity_rank).where(notice.created_at > now - window)
    recent = [(row.created_at, row.group_key, row.severity_rank) for row in connection.execute(query)]
    made: list[str] = []
    while due:
        first = due[0]
        verdict = may_notify(policies.grouping.rest, recent, first.rank, now)
        if verdict == "wait":
            _wait(connection, due, recent, policies, now)
            break
        together = [one for one in due if one.group.is_exercise == first.group.is_exercise]
        told = [first] if verdict == "alone" else together
        key = first.group.group_key if verdict == "alone" else STORM
        made.append(_notify(connection, policies, told, key, now))
        recent.append((now, key, max(one.rank for one in told)))
        due = [one for one in due if one not in told]
    return tuple(made)


def _due(connection: sa.Connection, policies: NotificationPolicies, now: datetime) -> list[_Due]:
    """Due groups with something left to tell, the worst first; what was kept quiet meanwhile is struck out.

    An end is told even while a silence holds: it is no noise, and whoever knows of the danger waits for it.
    """
    table, queue = tables.alert_group, tables.notification_queue.c
    groups = GROUPS.found(connection, GROUPS.where(table.c.flush_at <= now))
    waiting: dict[str, list[QueuedAnnouncement]] = {group.group_key: [] for group in groups}
    is_due = sa.select(table.c.group_key).where(table.c.flush_at <= now)
    query = ANNOUNCEMENTS.where(queue.notice_id.is_(None), queue.group_key.in_(is_due))
    for one in ANNOUNCEMENTS.found(connection, query.order_by(queue.announcement_id)):
        waiting[one.group_key].append(one)
    alert = tables.alert.c
    concerned = sa.select(queue.alert_id).where(queue.notice_id.is_(None), queue.group_key.in_(is_due))
    found_alerts = ALERTS.found(connection, ALERTS.where(alert.alert_id.in_(concerned)))
    alerts = {one.alert_id: one for one in found_alerts}
    quiet, held_until = _quiet(connection, alerts, now)
    awaiting_end = alerts_awaiting_end(
        connection, {one.alert_id for found in waiting.values() for one in found if one.kind == END}
    )
    due, struck = [], []
    for group in groups:
        found = waiting[group.group_key]
        telling = worth_sending(found, quiet, awaiting_end)
        held = [one for one in found if one.alert_id in held_until and one not in telling]
        struck += [one.announcement_id for one in found if one not in telling and one not in held]
        again_at = min((held_until[one.alert_id] for one in held), default=None)
        if telling:
            policy = policies.grouping.policy(alerts[telling[0].alert_id].domain)
            concerned_here = {one.alert_id: alerts[one.alert_id] for one in telling}
            due.append(_Due(group, policy, telling, concerned_here, again_at))
        else:
            here = table.c.group_key == group.group_key
            connection.execute(sa.update(table).where(here).values(flush_at=again_at))
    _strike_out(connection, struck)
    return sorted(due, key=lambda one: (-one.rank, one.group.flush_at, one.group.group_key))


def _quiet(
    connection: sa.Connection, alerts: Mapping[str, Alert], now: datetime
) -> tuple[set[str], dict[str, datetime]]:
    """Alerts that are quiet now; of those that somebody works on, until when.

    What is suppressed is told when it is released. What somebody acknowledged is never suppressed, so its news wait.
    """
    silences = silences_now(connection, now)
    quiet = {alert_id for alert_id, row in alerts.items() if row.state == "suppressed"}
    held_until: dict[str, datetime] = {}
    for alert_id, row in alerts.items():
        ends = [one.ends_at for one in silences if all_hold(one.matchers, labels_of(row))]
        if ends:
            quiet.add(alert_id)
            if row.state in ("acknowledged", "dispatched"):
                held_until[alert_id] = min(max(ends), now + LOOK_AGAIN)  # it may be ended early
    return quiet, held_until


def _strike_out(connection: sa.Connection, announcement_ids: Sequence[int]) -> None:
    table = tables.notification_queue
    if announcement_ids:
        query = sa.update(table).where(table.c.announcement_id == sa.bindparam("b_id")).values(notice_id=NOT_NOTIFIED)
        connection.execute(query, [{"b_id": one} for one in announcement_ids])


def _wait(
    connection: sa.Connection,
    due: Sequence[_Due],
    recent: Sequence[tuple[datetime, str, int]],
    policies: NotificationPolicies,
    now: datetime,
) -> None:
    """Put groups off until the storm's next common notice."""
    together = max((at for at, key, _ in recent if key == STORM), default=now)
    table = tables.alert_group
    query = sa.update(table).where(table.c.group_key.in_([one.group.group_key for one in due]))
    connection.execute(query.values(flush_at=together + policies.grouping.rest.storm_interval))


def _notify(
    connection: sa.Connection, policies: NotificationPolicies, told: Sequence[_Due], key: str, now: datetime
) -> str:
    alerts = list({alert_id: alert for one in told for alert_id, alert in one.alerts.items()}.values())
    announcements = [row for one in told for row in one.announcements]
    kinds = _kinds(announcements)
    notice = _notice(told, alerts, announcements, key, now)
    heard_at = silent_since(connection.execute, [(one.alert_id, one.device_id, one.metric) for one in alerts])
    body = orjson.dumps(body_of(notice, alerts, kinds, policies.wording, now, heard_at)).decode()
    connection.execute(sa.insert(tables.alert_notice).values({**NOTICES.row(notice), "body": body}))
    knowing = sent_about(connection, {row.alert_id for row in announcements if row.kind == END})
    deliveries = deliveries_of(notice, body, alerts, policies.routes, now, knowing)
    if deliveries:
        connection.execute(sa.insert(tables.alert_delivery), DELIVERIES.rows(deliveries))
    table = tables.notification_queue
    query = sa.update(table).where(table.c.announcement_id == sa.bindparam("b_id"))
    connection.execute(
        query.values(notice_id=notice.notice_id), [{"b_id": one.announcement_id} for one in announcements]
    )
    groups = tables.alert_group
    query = sa.update(groups).where(groups.c.group_key == sa.bindparam("b_key"))
    connection.execute(
        query.values(flush_at=sa.bindparam("b_again"), last_notice_at=now, told_rank=sa.bindparam("b_rank")),
        [{"b_key": one.group.group_key, "b_rank": _notified_rank(one, now), "b_again": one.again_at} for one in told],
    )
    return notice.notice_id


def _notified_rank(due: _Due, now: datetime) -> int:
    last = due.group.last_notice_at
    is_quiet = last is None or now - last >= due.policy.interval
    return due.rank if is_quiet else max(due.rank, due.group.told_rank)


def _notice(
    told: Sequence[_Due], alerts: Sequence[Alert], announcements: Sequence[QueuedAnnouncement], key: str, now: datetime
) -> Notice:
    rank = max(one.severity_rank for one in announcements)
    kind = min((one.kind for one in announcements), key=URGENCY.index)
    is_exercise = bool(told[0].group.is_exercise)
    title_zh, title_en = title_of(kind, alerts, is_exercise)
    return Notice(
        notice_id=secrets.token_hex(16),
        group_key=key,
        kind=kind,
        colour=COLOURS[rank],
        severity_rank=rank,
        domain=_shared({alert.domain for alert in alerts}),
        subdomain=_shared({alert.subdomain for alert in alerts}),
        area_code=_area([alert.area_code for alert in alerts]),
        disposing_unit=_shared({alert.disposing_unit for alert in alerts}),
        to_role=_shared({one.to_role for one in announcements}),
        n_alerts=len(alerts),
        is_exercise=is_exercise,
        title_zh=title_zh,
        title_en=title_en,
        first_announced_at=min(one.at for one in announcements),
        created_at=now,
    )


def _kinds(announcements: Sequence[QueuedAnnouncement]) -> Mapping[str, str]:
    """The most urgent kind of news of each alert."""
    kinds: dict[str, str] = {}
    for one in announcements:
        before = kinds.get(one.alert_id, one.kind)
        kinds[one.alert_id] = min(before, one.kind, key=URGENCY.index)
    return kinds


def _shared(values: set[str]) -> str:
    return values.pop() if len(values) == 1 else EVERY


def _area(codes: Sequence[str]) -> str:
    """The smallest area that holds all: the same code, county or city."""
    for length in (12, 9, 6, 4):
        cut = {code[:length] for code in codes}
        if len(cut) == 1:
            return cut.pop() + "00" * (length == 4)
    return EVERY

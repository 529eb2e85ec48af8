"""Bring what is suppressed in line with what silences and inhibitions say now: one pass over the open alerts.

The pass looks without holding anybody up, then writes only the differences. It is a function of the store and the
time, so that after a crash the next pass puts right whatever the last one could not finish.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import orjson
import sqlalchemy as sa

from alerting.lifecycle.alert import AlertBrief
from alerting.lifecycle.steps import ONGOING, Action, Verb, move
from alerting.policy.inhibition import Inhibitions, Standing, inhibited
from alerting.policy.labels import Matcher, all_hold, labels_of, of_mapping
from alerting.policy.notification_policies import NotificationPolicies
from alerting.workflow.records import BRIEFS
from alerting.workflow.unit_of_work import UnitOfWork, in_transaction
from core.area import is_within
from core.store import tables
from core.store.parts import in_parts

Target = tuple[str, str]  # of announced work: its kind and code


@dataclass(frozen=True, slots=True)
class Settled:
    """How many alerts a pass looked at, suppressed and released."""

    n_seen: int
    n_suppressed: int
    n_released: int


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence that holds now."""

    silence_id: str
    matchers: tuple[Matcher, ...]
    reason: str
    ends_at: datetime


class Seen:
    """The alerts of the last pass, by alert_id: whoever settles often reads only those that changed since."""

    def __init__(self) -> None:
        self.alerts: dict[str, Standing] = {}
        self._inhibitions: Inhibitions | None = None

    def under(self, inhibitions: Inhibitions) -> dict[str, Standing]:
        """What was seen under these inhibitions; nothing after they changed."""
        if self._inhibitions is not inhibitions:
            self.alerts, self._inhibitions = {}, inhibitions
        return self.alerts


def settle(engine: sa.Engine, policies: NotificationPolicies, now: datetime, seen: Seen | None = None) -> Settled:
    """One pass. Silences whose time is over end with it, and what they kept quiet is told."""
    with engine.connect() as connection:
        alerts = _standing(connection, policies.inhibitions, seen or Seen())
        over = _over(connection, now)
        silences = silences_now(connection, now)
        at_work = _at_work(connection, now)
    wanted = causes(alerts, silences, at_work)
    changed = [one.alert.alert_id for one in alerts if _stands_wrong(one.alert, wanted)]
    if not changed and not over:
        return Settled(len(alerts), 0, 0)
    n_suppressed, n_released = in_transaction(
        engine, lambda connection: _write(connection, policies, changed, over, wanted, now)
    )
    return Settled(len(alerts), n_suppressed, n_released)


_NOBODY: tuple[str | None, str] = (None, "")


def _stands_wrong(alert: AlertBrief, wanted: Mapping[str, tuple[str | None, str]]) -> bool:
    cause = wanted.get(alert.alert_id, _NOBODY)[0]
    if alert.state == "open":
        return cause is not None
    return bool(alert.state == "suppressed" and alert.suppressed_by != cause)


def causes(
    alerts: Sequence[Standing], silences: Sequence[Silence], at_work: Sequence[Target] = ()
) -> dict[str, tuple[str | None, str]]:
    """Who keeps which alert quiet, and why: `silence:<id>` before `alert:<id>`.

    What is silenced or stands where announced work goes on is told to nobody, so it covers nobody either.
    """
    silenced = _silenced(alerts, silences) if silences else {}
    told = [one for one in alerts if one.alert.alert_id not in silenced]
    if at_work:
        told = [replace(one, as_source=()) if _is_at_work(one.alert, at_work) else one for one in told]
    covered = inhibited(told).items()
    return silenced | {alert_id: (f"alert:{source_id}", row.reason) for alert_id, (source_id, row) in covered}


def _silenced(alerts: Sequence[Standing], silences: Sequence[Silence]) -> dict[str, tuple[str | None, str]]:
    found: dict[str, tuple[str | None, str]] = {}
    for standing in alerts:
        labels = labels_of(standing.alert)
        for one in silences:
            if all_hold(one.matchers, labels):
                found[standing.alert.alert_id] = (f"silence:{one.silence_id}", one.reason)
                break
    return found


def _is_at_work(alert: AlertBrief, at_work: Sequence[Target]) -> bool:
    """Whether announced work goes on at an alert's device, object or area, or on the feed whose group it is."""
    group_feed = alert.passed_on_by.partition(":")[0]
    assets = {
        "device": (alert.device_id, alert.object_id),
        "object": (alert.object_id,),
        "feed": (group_feed,),
    }
    return any(
        is_within(alert.area_code, code) if kind == "area" else code in assets.get(kind, ()) for kind, code in at_work
    )


def _write(
    connection: sa.Connection,
    policies: NotificationPolicies,
    changed: Sequence[str],
    over: Sequence[str],
    wanted: Mapping[str, tuple[str | None, str]],
    now: datetime,
) -> tuple[int, int]:
    work = UnitOfWork(connection, policies, now)
    work.load_alerts(tables.alert.c.alert_id, changed)
    n_suppressed = n_released = 0
    for alert_id in changed:
        alert = work.alerts[alert_id]
        cause, reason = wanted.get(alert_id, _NOBODY)
        if cause is not None and alert.state == "open":
            actor = "silence" if cause.startswith("silence:") else "inhibition"
            action = Action(actor, reason, now, now, details={"by": cause})
            work.take(move(alert, Verb.SUPPRESSED, action, {"suppressed_by": cause}))
            n_suppressed += 1
        elif cause is not None and alert.state == "suppressed":
            work.change(alert_id, suppressed_by=cause)
        elif cause is None and alert.state == "suppressed":
            actor = "silence" if str(alert.suppressed_by).startswith("silence:") else "inhibition"
            action = Action(actor, "what kept it quiet is over", now, now, details={"by": alert.suppressed_by})
            work.take(move(alert, Verb.RELEASED, action))
            n_released += 1
    work.save()
    if over:
        table = tables.silence
        query = sa.update(table).where(table.c.silence_id.in_(over), table.c.ended_at.is_(None))
        connection.execute(query.values(ended_at=now, ended_by="clock"))
    return n_suppressed, n_released


def _standing(connection: sa.Connection, inhibitions: Inhibitions, seen: Seen) -> list[Standing]:
    """Alerts that silences and inhibitions may concern; brings `seen` up to date."""
    alert, known = tables.alert.c, seen.under(inhibitions)
    states = alert.state.in_(ONGOING)
    parts = [states]
    if known:
        query = sa.select(alert.alert_id, alert.version).where(states)
        versions: dict[str, int] = {row[0]: row[1] for row in connection.execute(query)}
        changed = [key for key, version in versions.items() if key not in known or known[key].alert.version != version]
        for key in known.keys() - versions.keys():
            del known[key]
        parts = [alert.alert_id.in_(part) for part in in_parts(changed)]
    for part in parts:
        for brief in BRIEFS.found(connection, BRIEFS.where(part)):
            known[brief.alert_id] = inhibitions.standing(brief)
    return list(known.values())


def _over(connection: sa.Connection, now: datetime) -> list[str]:
    s = tables.silence.c
    return list(connection.scalars(sa.select(s.silence_id).where(s.ended_at.is_(None), s.ends_at <= now)))


def _at_work(connection: sa.Connection, now: datetime) -> list[Target]:
    w = tables.maintenance_window.c
    holds = (w.cancelled_at.is_(None), w.starts_at <= now, w.ends_at > now)
    return [
        (row.target_kind, row.target) for row in connection.execute(sa.select(w.target_kind, w.target).where(*holds))
    ]


def silences_now(connection: sa.Connection, now: datetime) -> list[Silence]:
    """The silences that hold now, in the order of their ids."""
    s = tables.silence.c
    holds = (s.ended_at.is_(None), s.starts_at <= now, s.ends_at > now)
    columns = (s.silence_id, s.matchers, s.reason, s.ends_at)
    rows = connection.execute(sa.select(*columns).where(*holds).order_by(s.silence_id))
    return [Silence(row.silence_id, of_mapping(orjson.loads(row.matchers)), row.reason, row.ends_at) for row in rows]

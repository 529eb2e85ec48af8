"""What people do to alerts: steps of the life cycle, reports phoned in, silences, announced maintenance.

Each command is one transaction and leaves its row of history.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa

from alerting.engine.episode import Change, EpisodeChange
from alerting.lifecycle.alert import Alert
from alerting.lifecycle.joining import Subject
from alerting.lifecycle.steps import Action, Verb, move
from alerting.policy.labels import of_mapping
from alerting.policy.notification_policies import NotificationPolicies
from alerting.workflow.changes import Applied, Origin, apply
from alerting.workflow.suppression import settle
from alerting.workflow.unit_of_work import Conflict, UnitOfWork, in_transaction
from core.severity import RANKS
from core.store import tables

_DEEDS = (Verb.ACKNOWLEDGED, Verb.DISPATCHED, Verb.RESOLVED, Verb.CLOSED, Verb.ARCHIVED, Verb.COMMENTED)
_REPORT_LAW = ("突发事件应对法", "art. 61")  # reports must be timely, objective and true


class NoSuchAlert(LookupError):
    """No alert has this id, or several begin like it."""


@dataclass(frozen=True, slots=True)
class Report:
    """An event that somebody told us of; `report_id` makes telling it twice one report.

    Without `object_id` the event stands for itself. `kind` parts events at one object that have nothing in common.
    """

    report_id: str
    domain: str
    subdomain: str
    colour: str
    area_code: str
    name_zh: str
    text: str
    kind: str = "report"
    object_id: str | None = None
    object_type: str = "event"
    lon: float | None = None
    lat: float | None = None
    happened_at: datetime | None = None
    is_exercise: bool = False


def act(
    engine: sa.Engine,
    policies: NotificationPolicies,
    alert_id: str,
    verb: Verb,
    actor: str,
    comment: str,
    now: datetime,
    to: str | None = None,
    version: int | None = None,
) -> Alert:
    """One step by a person; returns the alert afterwards.

    `to` is whom a dispatch goes to (the disposing unit without it); with `version` the step is refused when the alert
    changed since the person saw it. Raises NoSuchAlert, IllegalStep, Conflict.
    """
    if verb not in _DEEDS:
        raise ValueError(f"{verb} is no deed of a person; expected one of {', '.join(_DEEDS)}")

    def acted(connection: sa.Connection) -> Alert:
        work = UnitOfWork(connection, policies, now)
        alert = work.alert(alert_id)
        if alert is None:
            raise NoSuchAlert(f"no alert {alert_id}; `alerts list` shows those that are open")
        if version is not None and alert.version != version:
            raise Conflict(f"alert {alert_id} changed since it was shown (version {alert.version}); look again")
        columns, details = _columns(alert, verb, actor, to)
        work.take(move(alert, verb, Action(actor, comment.strip(), now, now, details=details), columns))
        if verb is Verb.RESOLVED and alert.origin == "person":
            _end_reports(work, alert_id, now)
        work.save()
        return work.alerts[alert_id]

    try:
        return in_transaction(engine, acted)
    except Conflict as conflict:
        raise Conflict(f"alert {alert_id}: {conflict}") from None


def _columns(alert: Alert, verb: Verb, actor: str, to: str | None) -> tuple[dict[str, Any], dict[str, object]]:
    if verb is Verb.ACKNOWLEDGED:
        return {"acknowledged_by": actor}, {}
    if verb is Verb.DISPATCHED:
        unit = to or alert.disposing_unit
        return {"dispatched_to": unit}, {"to": unit}
    return {}, {}


def _end_reports(work: UnitOfWork, alert_id: str, now: datetime) -> None:
    """No reading clears what a person reported; the person's word does."""
    work.load_members(tables.member.c.alert_id, [alert_id])
    for row in list(work.members.values()):
        if row.state == "holding":
            cleared = replace(row, state="cleared", cleared_at=now, evidence="person")
            work.members[row.episode_id] = cleared
    work.change(alert_id, n_holding=0, cleared_at=now)


def enter(
    engine: sa.Engine, policies: NotificationPolicies, report: Report, actor: str, now: datetime
) -> tuple[str, Applied]:
    """Take a report: opens an alert, or joins the open one of the same kind at the same object.

    Returns the alert's id. Raises ValueError for a colour that is none, RoutingError for an unknown area.
    """
    if report.colour not in RANKS:
        raise ValueError(f"colour {report.colour!r} found, expected one of {', '.join(RANKS)}")
    if not report.text.strip() or not report.name_zh.strip():
        raise ValueError("a report needs a name and a text: say what happened, and where")
    at = report.happened_at or now
    change = EpisodeChange(
        episode_id=report.report_id,
        number=1,
        change=Change.OPENED,
        rule_id=f"reported_{report.kind}",
        object_id=report.object_id or f"reported:{report.report_id}",
        device_id=None,
        metric="report",
        colour=report.colour,
        severity_rank=RANKS[report.colour],
        value=None,
        threshold=None,
        unit="",
        threshold_id="",
        standard=_REPORT_LAW[0],
        clause=_REPORT_LAW[1],
        evidence_grade="reported",
        source_label=report.kind,
        at=at,
        known_at=now,
        evidence="person",
        details={"actor": actor, "said": report.text.strip()},
    )
    text = report.text.strip()
    subject = Subject(
        report.domain,
        report.subdomain,
        report.object_type,
        report.name_zh,
        report.area_code,
        report.lon,
        report.lat,
        text,
        text,
    )
    applied = apply(engine, policies, [change], lambda _: subject, now, origin=Origin("person", report.is_exercise))
    with engine.connect() as connection:
        member = tables.member.c
        alert_id = connection.scalar(sa.select(member.alert_id).where(member.episode_id == report.report_id))
    return str(alert_id), applied


# ── silences ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def silence(
    engine: sa.Engine,
    policies: NotificationPolicies,
    wanted: Mapping[str, str],
    actor: str,
    reason: str,
    starts_at: datetime,
    ends_at: datetime,
    now: datetime,
) -> str:
    """Keep alerts with these labels quiet for a time; returns the silence's id.

    They stay alerts, marked suppressed, and are told again when the silence ends. Raises ValueError without labels,
    reason or end, MatcherError for an unknown label.
    """
    silence_id = in_transaction(
        engine, lambda connection: add_silence(connection, wanted, actor, reason, starts_at, ends_at, now)
    )
    settle(engine, policies, now)
    return silence_id


def add_silence(
    connection: sa.Connection,
    wanted: Mapping[str, str],
    actor: str,
    reason: str,
    starts_at: datetime,
    ends_at: datetime,
    now: datetime,
) -> str:
    """The row of a silence within somebody's transaction; it holds from the next look at suppression."""
    check_silence(wanted, reason, starts_at, ends_at, now)
    silence_id = secrets.token_hex(8)
    connection.execute(
        sa.insert(tables.silence).values(
            silence_id=silence_id,
            matchers=orjson.dumps(dict(wanted)).decode(),
            reason=reason.strip(),
            actor=actor,
            created_at=now,
            starts_at=starts_at,
            ends_at=ends_at,
        )
    )
    return silence_id


def check_silence(
    wanted: Mapping[str, str], reason: str, starts_at: datetime, ends_at: datetime, now: datetime
) -> None:
    """Raises ValueError for a silence that cannot be, MatcherError for a label that there is not."""
    if not wanted or not reason.strip() or not starts_at < ends_at or ends_at <= now:
        raise ValueError("a silence needs at least one label, a reason, and an end that is still to come")
    of_mapping(wanted)


def end_silence(engine: sa.Engine, policies: NotificationPolicies, silence_id: str, actor: str, now: datetime) -> None:
    """End a silence before its time; what it kept quiet is told. Raises LookupError for one that does not hold."""
    table = tables.silence

    def ended(connection: sa.Connection) -> None:
        query = sa.update(table).where(table.c.silence_id == silence_id, table.c.ended_at.is_(None))
        if not connection.execute(query.values(ended_at=now, ended_by=actor)).rowcount:
            raise LookupError(f"no silence {silence_id} that holds or is to come")

    in_transaction(engine, ended)
    settle(engine, policies, now)


# ── announced maintenance ─────────────────────────────────────────────────────────────────────────────────────────────
def announce_maintenance(
    engine: sa.Engine,
    target_kind: str,
    target: str,
    actor: str,
    reason: str,
    starts_at: datetime,
    ends_at: datetime,
    now: datetime,
) -> str:
    """Enter a window in which readings of a device, object, area or feed start and end nothing; returns its id."""
    return in_transaction(
        engine,
        lambda connection: add_maintenance(connection, target_kind, target, actor, reason, starts_at, ends_at, now),
    )


def add_maintenance(
    connection: sa.Connection,
    target_kind: str,
    target: str,
    actor: str,
    reason: str,
    starts_at: datetime,
    ends_at: datetime,
    now: datetime,
) -> str:
    """The row of a window within somebody's transaction; the engine takes it up within seconds."""
    check_maintenance(target_kind, reason, starts_at, ends_at, now)
    window_id = secrets.token_hex(8)
    connection.execute(
        sa.insert(tables.maintenance_window).values(
            window_id=window_id,
            target_kind=target_kind,
            target=target,
            starts_at=starts_at,
            ends_at=ends_at,
            reason=reason.strip(),
            actor=actor,
            created_at=now,
        )
    )
    return window_id


def check_maintenance(target_kind: str, reason: str, starts_at: datetime, ends_at: datetime, now: datetime) -> None:
    """Raises ValueError for a window that cannot be."""
    if target_kind not in ("object", "device", "area", "feed"):
        raise ValueError(f"target kind {target_kind!r} found, expected object, device, area or feed")
    if not reason.strip() or not starts_at < ends_at or ends_at <= now:
        raise ValueError("a maintenance window needs a reason, and an end after its start that is still to come")


def cancel_maintenance(engine: sa.Engine, window_id: str, now: datetime) -> None:
    """Take a window back from now on. Raises LookupError for one that is over or unknown."""
    table = tables.maintenance_window

    def cancelled(connection: sa.Connection) -> None:
        open_one = (table.c.window_id == window_id, table.c.cancelled_at.is_(None), table.c.ends_at > now)
        if not connection.execute(sa.update(table).where(*open_one).values(cancelled_at=now)).rowcount:
            raise LookupError(f"no maintenance window {window_id} that is still to come or on")

    in_transaction(engine, cancelled)

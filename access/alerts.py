"""What people do to alerts, allowed or refused by role and branch, each step under its actor's name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

import sqlalchemy as sa

from access.rights import NotAllowedError, Reader, require_role
from alerting.lifecycle.alert import Alert
from alerting.lifecycle.steps import IllegalStep, Verb
from alerting.policy.notification_policies import (
    NotificationPolicies,
    NotificationPolicyError,
    load_notification_policies,
)
from alerting.policy.routing import RoutingError
from alerting.rules.generations import NoRulesError, newest_generation
from alerting.workflow import commands, requests
from alerting.workflow.commands import NoSuchAlert, Report
from alerting.workflow.quiet_limits import TooLong, beyond, covered_by_labels, limits_of, quiet_before
from alerting.workflow.unit_of_work import Conflict
from core.catalogue import load_contracts, owners_of
from core.settings import Home
from core.store import tables
from core.store.database import opened
from core.store.records import Records
from core.system import systems_root

__all__ = [
    "DESK_ROLES",
    "SILENCE_ROLES",
    "Conflict",
    "Covered",
    "IllegalStep",
    "NoRulesError",
    "NoSuchAlert",
    "NotificationPolicyError",
    "Quieted",
    "Report",
    "RoutingError",
    "TooLong",
    "act",
    "covered",
    "end_silence",
    "enter",
    "roles_of",
    "silence",
    "silences",
    "whole_id",
]

DESK_ROLES = frozenset({"duty_officer", "shift_lead", "administrator"})
_LEADS = frozenset({"shift_lead", "administrator"})
STEP_ROLES: Mapping[Verb, frozenset[str]] = {
    Verb.ACKNOWLEDGED: DESK_ROLES,
    Verb.DISPATCHED: DESK_ROLES,
    Verb.RESOLVED: DESK_ROLES,
    Verb.CLOSED: frozenset({"duty_officer", *_LEADS}),
    Verb.ARCHIVED: _LEADS,
    Verb.COMMENTED: DESK_ROLES | {"department_head"},
}
SILENCE_ROLES = frozenset({"duty_officer", *_LEADS})


@dataclass(frozen=True, slots=True)
class Quieted:
    """What came of asking for quiet: `id` is what stands until `until`, or the request that waits until then."""

    id: str
    waits: bool
    covers: tuple[str, str]  # in Chinese and in English
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSilence:
    """A silence that holds or is to come."""

    silence_id: str
    matchers: str  # JSON: label -> value; every one must match
    reason: str
    actor: str
    starts_at: datetime
    ends_at: datetime


_SILENCES = Records(ListedSilence, tables.silence)


@dataclass(frozen=True, slots=True)
class Covered:
    """What quiet would cover, in Chinese and in English, and whether one person is not enough."""

    description: tuple[str, str]
    needs_second: bool


def act(
    home: Home,
    reader: Reader,
    alert_id: str,
    step: str,
    comment: str,
    now: datetime,
    *,
    to: str | None = None,
    version: int | None = None,
) -> Alert:
    """One step of an alert (acknowledged, dispatched, resolved, closed, archived, commented); as it is afterwards.

    `alert_id` may be its beginning when only one alert begins so. Raises NotAllowedError, NoSuchAlert, IllegalStep,
    Conflict.
    """
    verb = _verb(step)
    require_role(reader, STEP_ROLES[verb], f"set an alert to {step}")
    with opened(home.ops_url) as engine:
        found = _in_branch(engine, reader, alert_id)
        return commands.act(engine, policies_of(home), found, verb, reader.name, comment, now, to, version)


def roles_of(step: str) -> frozenset[str]:
    """Who may take a step. Raises ValueError for one that there is not."""
    return STEP_ROLES[_verb(step)]


def whole_id(home: Home, reader: Reader, beginning: str) -> str:
    """The id that begins so, in the reader's branch. Raises NoSuchAlert for none or several."""
    with opened(home.ops_url) as engine:
        return _in_branch(engine, reader, beginning)


def enter(home: Home, reader: Reader, report: Report, now: datetime) -> str:
    """Take a report that somebody phoned in; gives the id of its alert, a new one or the open one of the same kind."""
    require_role(reader, DESK_ROLES, "enter an event")
    if not reader.may_see(report.area_code):
        raise NotAllowedError(f"area {report.area_code} is outside {reader.name}'s branch {reader.area_code}")
    with opened(home.ops_url) as engine:
        alert_id, _ = commands.enter(engine, policies_of(home), report, reader.name, now)
        return alert_id


def silence(
    home: Home,
    reader: Reader,
    wanted: Mapping[str, str],
    reason: str,
    ends_at: datetime,
    now: datetime,
    *,
    starts_at: datetime | None = None,
) -> Quieted:
    """Keep alerts with these labels quiet for a time. A branch silences only itself.

    Beyond what one person may silence alone (`alerting.workflow.quiet_limits`) nothing is silenced yet: a request waits
    for a second person. Raises ValueError for an empty value and for longer than anything may be quiet.
    """
    begins_at = starts_at or now
    require_role(reader, SILENCE_ROLES, "silence alerts")
    narrowed = _narrowed(reader, wanted)
    commands.check_silence(narrowed, reason, begins_at, ends_at, now)
    limits = limits_of(home)
    with opened(home.ops_url) as engine:
        coverage = covered_by_labels(engine, narrowed, now)
        before = quiet_before(engine, narrowed, reader.name, begins_at, ends_at)
        if not beyond(coverage, ends_at - begins_at, limits, before=before):
            silence_id = commands.silence(
                engine, policies_of(home), narrowed, reader.name, reason, begins_at, ends_at, now
            )
            return Quieted(silence_id, False, coverage.description, ends_at)
        subject = {"labels": narrowed, "starts_at": begins_at, "ends_at": ends_at}
        expires_at = min(now + limits.answer_within, ends_at)
        branch = reader.area_code or narrowed.get("area_code") or narrowed.get("county")
        with engine.begin() as connection:
            request_id = requests.ask(
                connection,
                requests.Kind.SILENCE,
                subject,
                coverage.description,
                branch,
                reason,
                reader.name,
                now,
                expires_at,
            )
        return Quieted(request_id, True, coverage.description, expires_at)


def covered(home: Home, reader: Reader, wanted: Mapping[str, str], length: timedelta, now: datetime) -> Covered:
    """What a silence with these labels would cover, and whether a second person would have to approve it."""
    narrowed = _narrowed(reader, wanted)
    with opened(home.ops_url) as engine:
        coverage = covered_by_labels(engine, narrowed, now)
        before = quiet_before(engine, narrowed, reader.name, now, now + length)
    return Covered(coverage.description, beyond(coverage, length, limits_of(home), before=before))


def _narrowed(reader: Reader, wanted: Mapping[str, str]) -> dict[str, str]:
    narrowed = dict(wanted)
    if wanted and reader.area_code and not reader.may_see(wanted.get("area_code", "")):
        narrowed["area_code"] = reader.area_code
    empty = sorted(label for label, value in narrowed.items() if not value.strip())
    if empty:
        raise ValueError(f"label {', '.join(empty)} has no value; name what is to be quiet, like object_id=water:S1")
    return narrowed


def end_silence(home: Home, reader: Reader, silence_id: str, now: datetime) -> None:
    """End a silence before its time. Raises LookupError for one that does not hold."""
    require_role(reader, SILENCE_ROLES, "end a silence")
    with opened(home.ops_url) as engine:
        commands.end_silence(engine, policies_of(home), silence_id, reader.name, now)


def silences(home: Home, now: datetime) -> list[ListedSilence]:
    """Silences that hold or are to come, the first to end first."""
    s = tables.silence.c
    query = _SILENCES.where(s.ended_at.is_(None), s.ends_at > now).order_by(s.ends_at)
    with opened(home.ops_url) as engine, engine.connect() as connection:
        return _SILENCES.found(connection, query)


def policies_of(home: Home) -> NotificationPolicies:
    """Notification policies of the newest rules generation. Raises NoRulesError or NotificationPolicyError."""
    return _policies_in(newest_generation(home.root), systems_root(home.environment))


@lru_cache(maxsize=4)
def _policies_in(folder: Path, contracts: Path) -> NotificationPolicies:
    return load_notification_policies(folder, owners=owners_of(load_contracts(contracts).values()))


def _verb(step: str) -> Verb:
    known = {verb.value: verb for verb in STEP_ROLES}
    if step not in known:
        raise ValueError(f"step {step!r} found, expected one of {', '.join(known)}")
    return known[step]


def _in_branch(engine: sa.Engine, reader: Reader, alert_id: str) -> str:
    """The whole id of an alert that the reader may touch.

    Raises NoSuchAlert, and NotAllowedError for one of another branch whose whole id the reader knows: that it is there,
    and nothing else of it, is no secret from who has the id. A beginning finds nothing elsewhere.
    """
    a = tables.alert.c
    query = sa.select(a.alert_id).where(a.alert_id.startswith(alert_id, autoescape=True))
    if reader.area_code:
        query = query.where(a.area_code.like(reader.area_pattern))
    with engine.connect() as connection:
        found: list[str] = list(connection.scalars(query.limit(2)))
        lies_elsewhere = not found and connection.scalar(sa.select(a.alert_id).where(a.alert_id == alert_id))
    if lies_elsewhere:
        raise NotAllowedError(
            f"alert {alert_id} is outside {reader.name}'s branch {reader.area_code}; the desk of its own county or of "
            "the city acts on it"
        )
    if len(found) != 1 or len(alert_id) < 4:
        many = f"several alerts begin with {alert_id!r}; give more of the id"
        raise NoSuchAlert(many if len(found) > 1 else f"no alert {alert_id!r}; `cityrisk alerts list` shows them")
    return found[0]

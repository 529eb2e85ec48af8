"""Requests that wait for a second person: see them, approve or reject them, each under its own name.

Who approves has a login of their own, is not who asked, has a lead's role, and the branch that the request lies in.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import sqlalchemy as sa

from access.alerts import policies_of
from access.live import OpsReader
from access.people import user_named
from access.rights import NotAllowedError, Reader, SecondNameError, require_role
from access.users import password_set_by
from alerting.shadow.evaluation import Compared, compared
from alerting.workflow import commands, requests
from alerting.workflow.requests import STATES, Kind, NotWaiting, Request, principals, require_own_name
from alerting.workflow.rule_proposals import enact
from alerting.workflow.suppression import settle
from core.settings import Home
from core.store.database import opened

__all__ = [
    "DECIDING_ROLES",
    "SEEING_ROLES",
    "SHOWN_FOR",
    "STATES",
    "Compared",
    "Kind",
    "NotWaiting",
    "Request",
    "answered",
    "approve",
    "reject",
    "shadow_of",
    "waiting",
]

DECIDING_ROLES = frozenset({"shift_lead", "administrator"})
SEEING_ROLES = DECIDING_ROLES | {"duty_officer", "department_head"}
SHOWN_FOR = timedelta(days=1)  # answers and expiries stay in sight


def waiting(live: OpsReader, reader: Reader, now: datetime) -> list[Request]:
    """Those in the reader's sight that a second person may answer, the first to expire first."""
    return [one for one in requests.waiting(live, now) if _is_seen(reader, one)]


def answered(live: OpsReader, reader: Reader, now: datetime) -> list[Request]:
    """Those in the reader's sight that were answered, replaced or expired in the last day, newest first."""
    return [one for one in requests.answered(live, now - SHOWN_FOR) if _is_seen(reader, one)]


def _is_seen(reader: Reader, request: Request) -> bool:
    """One's own, and those of the branch for the roles that may answer: nobody else sees what will be quiet."""
    is_own = reader.name in principals(request.actor)
    return reader.role in SEEING_ROLES and (is_own or reader.may_see(request.area_code))


def shadow_of(live: OpsReader, request: Request) -> list[Compared]:
    """What proposed rules opened beside those in force; empty for other requests."""
    return compared(live, request) if request.kind is Kind.RULES else []


def approve(home: Home, reader: Reader, request_id: str, comment: str, now: datetime) -> Request:
    """Let a request stand. Raises NotAllowedError, NotWaiting, BorrowedName; then nothing has happened."""
    require_own_name(reader.name, "approve a request")
    with opened(home.ops_url) as engine:
        found = _decidable(home, engine, reader, request_id)
        if principals(found.actor) & principals(reader.name):
            raise SecondNameError(f"{reader.name} asked for {found.request_id}; a second person must approve it")
        setter = password_set_by(engine, reader.name)
        if principals(setter) & principals(found.actor):
            raise SecondNameError(
                f"{setter} set {reader.name}'s password and asked for {found.request_id}: they may be one person; "
                f"{reader.name} must change it first (`cityrisk users passwd {reader.name}`)"
            )
        done = requests.approve(engine, found.request_id, reader.name, comment, now, _act_of(home, reader, now))
        if done.kind is Kind.SILENCE:
            settle(engine, policies_of(home), now)
        return done


def reject(home: Home, reader: Reader, request_id: str, comment: str, now: datetime) -> Request:
    """Refuse a request; whoever asked may take it back so. Raises NotAllowedError, NotWaiting, ValueError."""
    with opened(home.ops_url) as engine:
        with engine.connect() as connection:
            found = requests.one(connection, request_id)
        if found.actor != reader.name:
            _decidable(home, engine, reader, request_id)
        return requests.reject(engine, found.request_id, reader.name, comment, now)


def _decidable(home: Home, engine: sa.Engine, reader: Reader, request_id: str) -> Request:
    require_role(reader, DECIDING_ROLES, "answer a request")
    user = user_named(home, reader.name)
    if user is None or user.role not in DECIDING_ROLES:
        # A shell lets its owner act under any name: only a name that can log in counts as a second one.
        raise NotAllowedError(f"{reader.name} is no user of this home with a lead's role; the second name must be one")
    with engine.connect() as connection:
        found = requests.one(connection, request_id)
    if not reader.may_see(found.area_code):
        raise NotAllowedError(f"request {found.request_id} lies outside {reader.name}'s branch {reader.area_code}")
    return found


def _act_of(home: Home, reader: Reader, now: datetime) -> Callable[[sa.Connection, Request], str]:
    def acted(connection: sa.Connection, request: Request) -> str:
        subject, names = request.subject, f"{request.actor}, {reader.name}"[:80]
        if request.kind in (Kind.SILENCE, Kind.MAINTENANCE):
            starts_at = max(datetime.fromisoformat(subject["starts_at"]), now)
            span = (names, request.reason, starts_at, datetime.fromisoformat(subject["ends_at"]), now)
            if request.kind is Kind.SILENCE:
                return commands.add_silence(connection, subject["labels"], *span)
            return commands.add_maintenance(connection, subject["target_kind"], subject["target"], *span)
        if request.kind is Kind.RULES:
            return enact(connection, home.root, request, reader.name, now)
        return str(subject["alert_id"])  # of CAP: the feed looks for the answer itself

    return acted

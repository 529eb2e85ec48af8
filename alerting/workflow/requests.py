"""Requests that stand only when a second person approves: asked, answered by another name, or expired, each audited.

Nothing happens before the answer.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson
import sqlalchemy as sa

from alerting.workflow.unit_of_work import in_transaction
from core.store import tables
from core.store.request import AS

SOURCE = "request:"  # how the feed of a notice about a request begins
_WAITING = "waiting"
_t = tables.request.c


class Kind(StrEnum):
    """What is asked for."""

    SILENCE = "silence"
    MAINTENANCE = "maintenance"
    RULES = "rules"
    CAP = "cap"


# Said of a request in the notices about it.
_NAMES = {
    Kind.SILENCE: ("静默", "a silence"),
    Kind.MAINTENANCE: ("维护公告", "a maintenance window"),
    Kind.RULES: ("规则变更", "a change of rules"),
    Kind.CAP: ("对外发布", "publication over CAP"),
}
STATES = (_WAITING, "approved", "rejected", "expired", "replaced")


class NotWaiting(LookupError):
    """The request is unknown, was answered, or nobody answered it in time."""


class SameName(ValueError):
    """Whoever asked cannot be the second name."""


class BorrowedName(ValueError):
    """Somebody acts under another's name where two people must stand for a deed, each for itself."""


def principals(name: str) -> frozenset[str]:
    """Everybody whom a name in the trail stands for: who acted, and under whose name.

    >>> sorted(principals("admin as li")), sorted(principals("li"))
    (['admin', 'li'], ['li'])
    """
    return frozenset(name.split(AS))


def require_own_name(name: str, act: str) -> None:
    """Raise BorrowedName for a name that stands for two people: one of them could be the second one as well."""
    if AS in name:
        raise BorrowedName(f"{name} may not {act} under another's name; do it without --actor, each person for itself")


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `subject` is what is asked for; `covers` what it reached when somebody asked, zh and en."""

    request_id: str
    kind: Kind
    subject: Mapping[str, Any]
    covers: tuple[str, str]
    area_code: str | None
    reason: str
    actor: str
    created_at: datetime
    expires_at: datetime
    state: str = _WAITING
    decided_by: str | None = None
    decided_at: datetime | None = None
    answer: str | None = None
    result: str | None = None


def ask(
    connection: sa.Connection,
    kind: Kind,
    subject: Mapping[str, Any],
    covers: tuple[str, str],
    area_code: str | None,
    reason: str,
    actor: str,
    now: datetime,
    expires_at: datetime,
) -> str:
    """Write a request down and tell of it; gives its id. Raises ValueError without a reason, BorrowedName."""
    require_own_name(actor, f"ask for {_NAMES[kind][1]}")
    if not reason.strip():
        raise ValueError("a request needs a reason: the second person decides by it")
    request_id = secrets.token_hex(8)
    connection.execute(
        sa.insert(tables.request).values(
            request_id=request_id,
            kind=kind,
            subject=orjson.dumps(dict(subject)).decode(),
            covers_zh=covers[0],
            covers_en=covers[1],
            area_code=area_code,
            reason=reason.strip(),
            actor=actor,
            created_at=now,
            expires_at=expires_at,
            state=_WAITING,
        )
    )
    _note(connection, actor, f"ask {kind}", request_id, f"{reason.strip()} ({covers[1]})", now)
    zh, en = _NAMES[kind]
    _notify(
        connection,
        request_id,
        "request",
        now,
        f"{actor} 申请{zh}（{covers[0]}），需第二人批准：{reason.strip()}",
        f"{actor} asks for {en} ({covers[1]}); a second person must approve {request_id}: {reason.strip()}",
    )
    return request_id


def approve(
    engine: sa.Engine,
    request_id: str,
    decider: str,
    answer: str,
    now: datetime,
    act: Callable[[sa.Connection, Request], str],
) -> Request:
    """Let a request stand: `act` makes it so in the same transaction and gives the id of what stands now.

    Raises NotWaiting, SameName or BorrowedName, and then nothing has happened.
    """
    require_own_name(decider, "approve a request")
    return in_transaction(
        engine, lambda connection: _decide(connection, request_id, "approved", decider, answer, now, act)
    )


def reject(engine: sa.Engine, request_id: str, decider: str, answer: str, now: datetime) -> Request:
    """Refuse a request, or take back one's own. Raises NotWaiting; ValueError without an answer."""
    if not answer.strip():
        raise ValueError("a refusal needs a comment: whoever asked wants to know why")
    return in_transaction(
        engine, lambda connection: _decide(connection, request_id, "rejected", decider, answer, now, None)
    )


def _decide(
    connection: sa.Connection,
    request_id: str,
    state: str,
    decider: str,
    answer: str,
    now: datetime,
    act: Callable[[sa.Connection, Request], str] | None,
) -> Request:
    found = _one(connection, request_id)
    if found is None or found.state != _WAITING or found.expires_at <= now:
        stands = "is unknown" if found is None else f"is {found.state}"
        if found is not None and found.state == _WAITING:
            stands = f"expired at {found.expires_at:%Y-%m-%d %H:%M}Z"
        raise NotWaiting(f"request {request_id} {stands}; `cityrisk requests list` shows those that wait")
    if state == "approved" and principals(decider) & principals(found.actor):
        raise SameName(f"{decider} asked for {request_id}; a second person must approve it")
    result = act(connection, found) if act else None
    query = sa.update(tables.request).where(_t.request_id == found.request_id)
    connection.execute(
        query.values(state=state, decided_by=decider, decided_at=now, answer=answer.strip(), result=result)
    )
    _note(connection, decider, f"{state} {found.kind}", found.request_id, answer.strip(), now)
    _over(connection, found.request_id, now)
    return _known(connection, found.request_id)


def expire(engine: sa.Engine, now: datetime) -> list[Request]:
    """End the requests that nobody answered in time, and say so."""
    query = sa.select(_t.request_id).where(_t.state == _WAITING, _t.expires_at <= now)
    with engine.connect() as connection:
        due: list[str] = list(connection.scalars(query))
    return [one for request_id in due if (one := in_transaction(engine, _expiring(request_id, now)))]


def _expiring(request_id: str, now: datetime) -> Callable[[sa.Connection], Request | None]:
    def expired(connection: sa.Connection) -> Request | None:
        change = sa.update(tables.request).where(_t.request_id == request_id, _t.state == _WAITING)
        if not connection.execute(change.values(state="expired", decided_by="clock", decided_at=now)).rowcount:
            return None
        found = _known(connection, request_id)
        _note(connection, "clock", f"expired {found.kind}", request_id, f"asked by {found.actor}", now)
        _over(connection, request_id, now)
        zh, en = _NAMES[found.kind]
        _notify(
            connection,
            request_id,
            "expired",
            now,
            f"{found.actor} 的{zh}申请无人答复，已过期，未生效：{found.reason}",
            f"Nobody answered {found.actor}'s request for {en} ({request_id}); it expired and nothing of it holds: "
            f"{found.reason}",
        )
        _over(connection, request_id, now)
        return found

    return expired


def replace_waiting(connection: sa.Connection, kind: Kind, actor: str, now: datetime) -> None:
    """Newer of a kind of which only one can wait came: what waited is not to be answered any more."""
    rows: Sequence[str] = connection.scalars(
        sa.select(_t.request_id).where(_t.kind == kind, _t.state == _WAITING)
    ).all()
    for request_id in rows:
        change = sa.update(tables.request).where(_t.request_id == request_id)
        connection.execute(change.values(state="replaced", decided_by=actor, decided_at=now))
        _note(connection, actor, f"replaced {kind}", request_id, "", now)
        _over(connection, request_id, now)


# ── look ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
def waiting(connection: sa.Connection, now: datetime, kind: Kind | None = None) -> list[Request]:
    """Those that wait for a second person, the first to expire first."""
    query = sa.select(tables.request).where(_t.state == _WAITING, _t.expires_at > now)
    if kind is not None:
        query = query.where(_t.kind == kind)
    return [_of(row) for row in connection.execute(query.order_by(_t.expires_at, _t.request_id)).mappings()]


def answered(connection: sa.Connection, since: datetime) -> list[Request]:
    """Those that were answered or expired since an instant, newest first."""
    query = sa.select(tables.request).where(_t.state != _WAITING, _t.decided_at >= since)
    return [_of(row) for row in connection.execute(query.order_by(_t.decided_at.desc())).mappings()]


def of_kind(connection: sa.Connection, kind: Kind) -> list[Request]:
    """All of a kind, newest first."""
    query = sa.select(tables.request).where(_t.kind == kind).order_by(_t.created_at.desc(), _t.request_id)
    return [_of(row) for row in connection.execute(query).mappings()]


def one(connection: sa.Connection, beginning: str) -> Request:
    """The request whose id begins so. Raises NotWaiting for none or several."""
    query = sa.select(tables.request).where(_t.request_id.startswith(beginning, autoescape=True)).limit(2)
    rows = list(connection.execute(query).mappings())
    if len(rows) != 1 or len(beginning) < 4:
        raise NotWaiting(f"no single request {beginning!r}; `cityrisk requests list` shows those that wait")
    return _of(rows[0])


def _one(connection: sa.Connection, request_id: str) -> Request | None:
    row = connection.execute(sa.select(tables.request).where(_t.request_id == request_id)).mappings().one_or_none()
    return _of(row) if row else None


def _known(connection: sa.Connection, request_id: str) -> Request:
    return _of(connection.execute(sa.select(tables.request).where(_t.request_id == request_id)).mappings().one())


def _of(row: sa.RowMapping) -> Request:
    return Request(
        row["request_id"],
        Kind(row["kind"]),
        orjson.loads(row["subject"]),
        (row["covers_zh"], row["covers_en"]),
        row["area_code"],
        row["reason"],
        row["actor"],
        row["created_at"],
        row["expires_at"],
        row["state"],
        row["decided_by"],
        row["decided_at"],
        row["answer"],
        row["result"],
    )


# ── trail ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def _note(connection: sa.Connection, actor: str, action: str, target: str, reason: str, now: datetime) -> None:
    connection.execute(
        sa.insert(tables.operator_action).values(actor=actor, action=action, target=target, reason=reason, at=now)
    )


def _notify(connection: sa.Connection, request_id: str, kind: str, now: datetime, zh: str, en: str) -> None:
    connection.execute(
        sa.insert(tables.notification).values(
            feed_id=f"{SOURCE}{request_id}", kind=kind, text_zh=zh, text_en=en, raised_at=now, attempts=0
        )
    )


def _over(connection: sa.Connection, request_id: str, now: datetime) -> None:
    """What was told of a request stands no longer."""
    n = tables.notification.c
    change = sa.update(tables.notification).where(n.feed_id == f"{SOURCE}{request_id}", n.cleared_at.is_(None))
    connection.execute(change.values(cleared_at=now))

"""Write the CAP messages that are due into the store, each alert's in order, none twice.

The store comes first and the feed's files after it (`alerting.cap.feed`): a crash between them leaves files that the
next look writes. Two workers at once: the number of a message is unique, the later one looks again.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from alerting.cap.build import build, headline
from alerting.cap.check import faults_of
from alerting.cap.release import is_held, released, unpublished
from alerting.cap.succession import due, next_head, says
from alerting.cap.tables import CapTables
from alerting.lifecycle.alert import Alert, CapMessage
from alerting.lifecycle.steps import ONGOING, OVER
from alerting.workflow.records import ALERTS, CAP_MESSAGES
from core.store import tables

log = logging.getLogger(__name__)

SWEEP = "sweep"  # stands for a delivery where no notice asked
_CHUNK = 200  # alerts looked at together: the store is never locked while messages are built


class BadMessage(ValueError):
    """A message of ours that CAP does not allow; it is not sent. Says what is wrong with it."""


class TakenMeanwhile(RuntimeError):
    """Another worker wrote the same message first; look again."""


@dataclass(frozen=True, slots=True)
class Outlet:
    """A feed of ours: which channel, for whom, in whose name."""

    channel_id: str
    is_public: bool
    sender: str


def publish_notice(
    engine: sa.Engine,
    cap: CapTables,
    outlet: Outlet,
    notice_id: str,
    delivery_id: str,
    now: datetime,
    show: Callable[[], object] = lambda: None,
) -> list[str]:
    """Write what the alerts of a notice need, the worst first; `show` is called once those are written.

    Gives the identifiers that this delivery wrote, now or before a crash. Raises BadMessage when a message was refused,
    after the others were written.
    """
    queue = tables.notification_queue.c
    with engine.connect() as connection:
        told: Sequence[str] = connection.scalars(
            sa.select(queue.alert_id)
            .where(queue.notice_id == notice_id)
            .group_by(queue.alert_id)
            .order_by(sa.func.max(queue.severity_rank).desc(), queue.alert_id)
        ).all()
    refused: dict[str, str] = {}
    for start in range(0, len(told), _CHUNK):
        refused |= _bring_up(engine, cap, outlet, told[start : start + _CHUNK], delivery_id, now)
        if start == 0 and len(told) > _CHUNK:
            show()
    if refused:
        show()
        raise BadMessage("; ".join(refused.values()))
    message = tables.cap_message.c
    with engine.connect() as connection:
        wrote = sa.select(message.identifier).where(
            message.delivery_id == delivery_id, message.channel_id == outlet.channel_id
        )
        return list(connection.scalars(wrote.order_by(message.identifier)))


def sweep(engine: sa.Engine, cap: CapTables, outlet: Outlet, now: datetime) -> int:
    """Lift what ended without a notice, renew what is about to run out, publish what was released since its notice.

    Gives how many alerts were looked at.
    """
    message, alert = tables.cap_message.c, tables.alert.c
    newest = (
        sa.select(message.alert_id, sa.func.max(message.number).label("number"))
        .where(message.channel_id == outlet.channel_id)
        .group_by(message.alert_id)
        .subquery()
    )
    longest = max(level.valid for level in cap.levels.values())
    is_due = sa.or_(alert.state.in_(OVER), sa.and_(alert.state.in_(ONGOING), message.expires_at < now + longest / 4))
    query = (
        sa.select(message.alert_id)
        .join(newest, sa.and_(message.alert_id == newest.c.alert_id, message.number == newest.c.number))
        .join(tables.alert, alert.alert_id == message.alert_id)
        .where(message.channel_id == outlet.channel_id, message.msg_type != "Cancel", is_due)
    )
    with engine.connect() as connection:
        found: list[str] = [*connection.scalars(query), *unpublished(connection, outlet.channel_id, ONGOING)]
    for start in range(0, len(found), _CHUNK):
        _bring_up(engine, cap, outlet, found[start : start + _CHUNK], SWEEP, now)
    return len(found)


def _bring_up(
    engine: sa.Engine, cap: CapTables, outlet: Outlet, alert_ids: Sequence[str], delivery_id: str, now: datetime
) -> dict[str, str]:
    """Write what these alerts need; by alert, why a message of it was refused."""
    message, alert = tables.cap_message.c, tables.alert.c
    with engine.connect() as connection:
        alerts = ALERTS.found(connection, ALERTS.where(alert.alert_id.in_(alert_ids)))
        query = CAP_MESSAGES.where(message.channel_id == outlet.channel_id, message.alert_id.in_(alert_ids))
        earlier: dict[str, list[CapMessage]] = defaultdict(list)
        for one in CAP_MESSAGES.found(connection, query.order_by(message.number)):
            earlier[one.alert_id].append(one)
        free = released(connection, alert_ids)
    due_now, refused = _due_now(cap, outlet, alerts, earlier, free, delivery_id, now)
    try:
        with engine.begin() as connection:
            if due_now:
                rows = [{**CAP_MESSAGES.row(one), "body": body} for one, body in due_now]
                connection.execute(sa.insert(tables.cap_message), rows)
            for alert_id, reason in refused.items():
                note_refusal(connection, outlet.channel_id, alert_id, reason, now)
    except sa.exc.IntegrityError as error:
        raise TakenMeanwhile("another worker told the same alerts; looked at again") from error
    return refused


def _due_now(
    cap: CapTables,
    outlet: Outlet,
    alerts: Iterable[Alert],
    earlier: dict[str, list[CapMessage]],
    free: frozenset[str],
    delivery_id: str,
    now: datetime,
) -> tuple[list[tuple[CapMessage, str]], dict[str, str]]:
    """Messages that are due with their XML, and by alert why one must not leave: a bad one holds up no other."""
    due_now: list[tuple[CapMessage, str]] = []
    refused: dict[str, str] = {}
    for alert in alerts:
        before = earlier[alert.alert_id]
        msg_type = due(alert, before[-1] if before else None, cap, now)
        # An exercise never goes to the public, whatever a route says.
        if (
            msg_type is None
            or (outlet.is_public and alert.is_exercise)
            or (not before and is_held(alert, free, is_public=outlet.is_public))
        ):
            continue
        head, number, chain = next_head(
            alert, msg_type, before, outlet.channel_id, outlet.is_public, outlet.sender, now
        )
        body = build(alert, head, cap)
        faults = faults_of(body, now)
        if faults:
            refused[alert.alert_id] = f"message {head.identifier} is no CAP 1.2: {'; '.join(faults)}"
            continue
        message = CapMessage(
            identifier=head.identifier,
            channel_id=outlet.channel_id,
            alert_id=alert.alert_id,
            number=number,
            chain=chain,
            msg_type=msg_type,
            status=head.status,
            sender=head.sender,
            sent_at=head.sent_at,
            expires_at=head.sent_at + cap.levels[alert.colour].valid,
            colour=alert.colour,
            says=says(alert),
            delivery_id=delivery_id,
            title_zh=headline(alert, msg_type, head.status, "zh"),
            title_en=headline(alert, msg_type, head.status, "en"),
        )
        due_now.append((message, body.decode()))
    return due_now, refused


def note_refusal(connection: sa.Connection, channel_id: str, alert_id: str, reason: str, now: datetime) -> None:
    """Tell the house that a message did not leave, once: those outside wait for it, and other channels go on."""
    log.error("CAP of alert %s on %s is refused: %s", alert_id, channel_id, reason)
    n = tables.notification.c
    source = f"cap:{channel_id}"
    said_en = f"The CAP message of alert {alert_id} was not published, it says the impossible: {reason}"
    head = said_en.partition(" is no CAP 1.2")[0][:120]
    known = sa.select(n.id).where(n.feed_id == source, n.kind == "refused", n.text_en.startswith(head, autoescape=True))
    if connection.scalar(known.limit(1)) is not None:
        return
    connection.execute(
        sa.insert(tables.notification).values(
            feed_id=source,
            kind="refused",
            text_en=said_en,
            raised_at=now,
            attempts=0,
            text_zh=f"预警 {alert_id} 的 CAP 消息内容不可能成立，未发布：{reason}",
        )
    )

"""The outbox from a worker's side: what is due, taking it, and writing down what became of it.

Taking is one conditional update that moves `next_at` on by a lease: of several workers one has it, and when that one is
killed the delivery is due again as soon as the lease is over. States: waiting (not tried), failed (tried again at
`next_at`), sent, dead (given up, the receipt says why).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
import sqlalchemy as sa

from alerting.lifecycle.steps import WORKED_ON
from alerting.notify.channels.message import Message, message_of
from alerting.notify.channels.retry_policy import RetryPolicy
from alerting.workflow.records import DELIVERIES
from alerting.workflow.unit_of_work import in_transaction
from core.store import tables
from core.store.records import Records

WAITING = ("waiting", "failed")
LATE_AFTER = timedelta(minutes=2)
_d = tables.alert_delivery.c


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that is ours until `until`."""

    message: Message
    attempts: int  # this one counted
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedDelivery:
    """A delivery as lists show it: without its body."""

    delivery_id: str
    notice_id: str | None
    alert_id: str | None
    channel_id: str
    target: str
    kind: str
    state: str
    attempts: int
    next_at: datetime
    receipt: str | None
    created_at: datetime
    sent_at: datetime | None
    notification_id: int | None


_LISTED = Records(ListedDelivery, tables.alert_delivery)


def due_channels(engine: sa.Engine, now: datetime) -> set[str]:
    """Channels with a delivery whose time has come."""
    with engine.connect() as connection:
        query = sa.select(_d.channel_id).where(_d.state.in_(WAITING), _d.next_at <= now).distinct()
        return set(connection.scalars(query))


def claim(engine: sa.Engine, channel_id: str, most: int, now: datetime, retry_policy: RetryPolicy) -> list[Claim]:
    """Take up to `most` due deliveries of a channel, the worst colour first, then the oldest."""
    notice = tables.alert_notice.c
    query = (
        DELIVERIES.where()
        .outerjoin(tables.alert_notice, notice.notice_id == _d.notice_id)
        .where(_d.state.in_(WAITING), _d.next_at <= now, _d.channel_id == channel_id)
        .order_by(sa.func.coalesce(notice.severity_rank, 0).desc(), _d.created_at, _d.delivery_id)
        .limit(most)
    )

    def take(connection: sa.Connection) -> list[Claim]:
        taken = []
        until = now + retry_policy.lease
        for delivery in DELIVERIES.found(connection, query):
            mine = sa.update(tables.alert_delivery).where(
                _d.delivery_id == delivery.delivery_id, _d.state.in_(WAITING), _d.next_at == delivery.next_at
            )
            if connection.execute(mine.values(next_at=until, attempts=_d.attempts + 1)).rowcount:
                taken.append(Claim(message_of(delivery), delivery.attempts + 1, until))
        return taken

    return in_transaction(engine, take)


def settle_sent(engine: sa.Engine, taken: Claim, receipt: Mapping[str, object], now: datetime, is_dry: bool) -> None:
    """It went out; in a dry run nothing did, which the receipt says, and `sent_at` stays empty."""
    values = {"state": "sent", "receipt": _json(receipt), "sent_at": None if is_dry else now}
    _settle(engine, taken, values)


def settle_failed(engine: sa.Engine, taken: Claim, reason: str, now: datetime, again_at: datetime) -> None:
    """It did not go out, and is tried again."""
    receipt = {"result": "failed", "reason": reason, "at": now.isoformat(), "attempts": taken.attempts}
    _settle(engine, taken, {"state": "failed", "receipt": _json(receipt), "next_at": again_at})


def settle_dead(engine: sa.Engine, taken: Claim, reason: str, now: datetime) -> None:
    """It will not go out."""
    receipt = {"result": "dead", "reason": reason, "at": now.isoformat(), "attempts": taken.attempts}
    _settle(engine, taken, {"state": "dead", "receipt": _json(receipt)})


def strand(
    engine: sa.Engine, reasons: Mapping[str, str], known: Collection[str], now: datetime, retry_policy: RetryPolicy
) -> None:
    """Say on every waiting delivery why its channel cannot send; give up those that waited too long.

    `reasons` are the channels that are not set up; a channel that `known` does not name is in no row at all.
    """
    with engine.connect() as connection:
        is_new = sa.or_(_d.receipt.is_(None), _d.created_at < now - retry_policy.set_up_within)
        query = sa.select(_d.channel_id).where(_d.state.in_(WAITING), is_new).distinct()
        found: Sequence[str] = connection.scalars(query).all()
        stranded = {
            one: reasons.get(one, "no such row in channels.csv") for one in found if one in reasons or one not in known
        }
    for channel_id, reason in stranded.items():
        waiting = sa.update(tables.alert_delivery).where(_d.channel_id == channel_id, _d.state.in_(WAITING))
        note = {"result": "not set up", "reason": reason, "at": now.isoformat()}
        with engine.begin() as connection:
            connection.execute(waiting.where(_d.receipt.is_(None)).values(receipt=_json(note)))
            too_old = waiting.where(_d.created_at < now - retry_policy.set_up_within)
            connection.execute(too_old.values(state="dead", receipt=_json({**note, "result": "dead"})))


def standing(engine: sa.Engine, channel_ids: Sequence[str], since: datetime) -> dict[str, dict[str, object]]:
    """How each channel's deliveries stand: counts by state (sent and dead since a time), oldest waiting, last sent."""
    found: dict[str, dict[str, object]] = {
        one: {"waiting": 0, "failed": 0, "sent": 0, "dead": 0, "oldest_waiting_at": None, "last_sent_at": None}
        for one in channel_ids
    }
    query = (
        sa.select(
            _d.channel_id,
            _d.state,
            sa.func.count().label("n"),
            sa.func.min(_d.created_at).label("oldest"),
            sa.func.max(_d.sent_at).label("last"),
        )
        .where(sa.or_(_d.state.in_(WAITING), _d.created_at > since))
        .group_by(_d.channel_id, _d.state)
    )
    with engine.connect() as connection:
        for row in connection.execute(query):
            counts = found.setdefault(row.channel_id, {"oldest_waiting_at": None, "last_sent_at": None})
            counts[row.state] = row.n
            if row.state in WAITING:
                before = counts["oldest_waiting_at"]
                counts["oldest_waiting_at"] = min(before or row.oldest, row.oldest)
            if row.state == "sent":
                counts["last_sent_at"] = row.last
    return found


def undelivered_query(now: datetime) -> sa.Select[tuple[str, int, datetime]]:
    """Channel, how many, and the oldest one's time, of news that did not get through, the worst off first.

    News of alerts that somebody must still deal with, given up, or still being tried after `LATE_AFTER`: somebody who
    should know does not.
    """
    is_late = sa.and_(_d.state.in_(WAITING), _d.created_at < now - LATE_AFTER)
    alert = tables.alert.c
    return (
        sa.select(_d.channel_id, sa.func.count().label("n"), sa.func.min(_d.created_at).label("oldest_at"))
        .join(tables.alert, alert.alert_id == _d.alert_id)
        .where(alert.state.in_(WORKED_ON), sa.or_(is_late, _d.state == "dead"))
        .group_by(_d.channel_id)
        .order_by(sa.desc("n"), _d.channel_id)
    )


def newest(engine: sa.Engine, channel_id: str | None, state: str | None, limit: int) -> list[ListedDelivery]:
    """The newest deliveries."""
    query = _LISTED.where().order_by(_d.created_at.desc(), _d.delivery_id).limit(limit)
    if channel_id is not None:
        query = query.where(_d.channel_id == channel_id)
    if state is not None:
        query = query.where(_d.state == state)
    with engine.connect() as connection:
        return _LISTED.found(connection, query)


def _settle(engine: sa.Engine, taken: Claim, values: Mapping[str, object]) -> None:
    # What another worker sent meanwhile stays sent; what we sent after our lease was over counts all the same.
    mine = [_d.delivery_id == taken.message.key, _d.state.in_(WAITING)]
    if values["state"] != "sent":
        mine.append(_d.next_at == taken.until)
    with engine.begin() as connection:
        connection.execute(sa.update(tables.alert_delivery).where(*mine).values(**values))


def _json(receipt: Mapping[str, object]) -> str:
    return orjson.dumps(receipt, default=str).decode()

"""Feed faults on the same channels: notifications become deliveries, and are delivered when one of those went out.

Not here: what is the matter with a feed (`quality.troubles` opens and clears the rows).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import orjson
import sqlalchemy as sa

from alerting.lifecycle.alert import Delivery, Notification
from alerting.workflow.records import DELIVERIES, NOTIFICATIONS
from core.store import tables

KIND = "feed_fault"
MOST_AT_ONCE = 200
AGAIN_AFTER = timedelta(days=1)  # a receiver that refused may have been mended
log = logging.getLogger(__name__)
_n = tables.notification.c
_d = tables.alert_delivery.c


def key_of(notification_id: int, channel_id: str) -> str:
    """The delivery's id and idempotency key.

    >>> key_of(7, "data_desk")
    'fault-7-data_desk'
    """
    return f"fault-{notification_id}-{channel_id}"


def carry(engine: sa.Engine, channel_ids: Sequence[str], now: datetime) -> int:
    """Put notifications that wait into the outbox, one delivery for each channel; gives how many were put.

    Without any channel the log is told, and that is written down as telling: nobody asked to hear it elsewhere.
    """
    n_put = _try_again(engine, channel_ids, now)
    for channel_id in channel_ids:
        key = sa.literal("fault-") + sa.cast(_n.id, sa.String) + sa.literal(f"-{channel_id}")
        is_its = sa.or_(sa.and_(_d.notification_id == _n.id, _d.channel_id == channel_id), _d.delivery_id == key)
        has_one = sa.select(_d.delivery_id).where(is_its).exists()
        rows = _waiting(engine, ~has_one)
        if rows:
            _log(rows if channel_id == channel_ids[0] else ())
            # Another worker may have put the same ones at this very moment; the next turn puts the others.
            with suppress(sa.exc.IntegrityError), engine.begin() as connection:
                queued = [_delivery(one, channel_id, now) for one in rows]
                connection.execute(sa.insert(tables.alert_delivery), DELIVERIES.rows(queued))
        n_put += len(rows)
    if not channel_ids:
        rows = _waiting(engine, sa.true())
        _log(rows)
        if rows:
            done = sa.update(tables.notification).where(_n.id.in_([one.id for one in rows]))
            with engine.begin() as connection:
                connection.execute(done.values(delivered_at=now))
    return n_put


def _try_again(engine: sa.Engine, channel_ids: Sequence[str], now: datetime) -> int:
    """Deliveries that were given up a day ago, of notifications that nobody was told yet, are due once more."""
    untold = sa.select(_n.id).where(_n.delivered_at.is_(None))
    given_up = sa.update(tables.alert_delivery).where(
        _d.state == "dead",
        _d.next_at < now - AGAIN_AFTER,
        _d.channel_id.in_(channel_ids),
        _d.notification_id.in_(untold),
    )
    with engine.begin() as connection:
        return connection.execute(given_up.values(state="waiting", attempts=0, next_at=now)).rowcount


def mark_delivered(engine: sa.Engine, channel_ids: Sequence[str]) -> int:
    """Write down which notifications were told: when the first of their deliveries went out; gives how many."""
    n_marked = 0
    for channel_id in channel_ids:
        query = (
            sa.select(_n.id, _d.sent_at, _d.attempts)
            .join(tables.alert_delivery, _d.notification_id == _n.id)
            .where(_d.channel_id == channel_id, _n.delivered_at.is_(None), _d.sent_at.is_not(None))
        )
        with engine.connect() as connection:
            told = connection.execute(query.limit(MOST_AT_ONCE)).all()
        for row in told:
            done = sa.update(tables.notification).where(_n.id == row.id, _n.delivered_at.is_(None))
            with engine.begin() as connection:
                values = {"delivered_at": row.sent_at, "attempts": _n.attempts + row.attempts}
                n_marked += connection.execute(done.values(**values)).rowcount
    return n_marked


def _waiting(engine: sa.Engine, condition: sa.ColumnElement[bool]) -> list[Notification]:
    query = NOTIFICATIONS.where(_n.delivered_at.is_(None), condition).order_by(_n.id).limit(MOST_AT_ONCE)
    with engine.connect() as connection:
        return NOTIFICATIONS.found(connection, query)


def _log(notifications: Iterable[Notification]) -> None:
    for one in notifications:
        log.log(logging.INFO if one.kind == "recovered" else logging.WARNING, "%s", one.text_en)


def _body_of(one: Notification) -> dict[str, object]:
    return {
        "id": one.id,
        "feed_id": one.feed_id,
        "kind": one.kind,
        "text_zh": one.text_zh,
        "text_en": one.text_en,
        "raised_at": one.raised_at.isoformat(),
        "cleared_at": one.cleared_at.isoformat() if one.cleared_at else None,
    }


def _delivery(one: Notification, channel_id: str, now: datetime) -> Delivery:
    return Delivery(
        delivery_id=key_of(one.id, channel_id),
        notice_id=None,
        alert_id=None,
        channel_id=channel_id,
        target="data_engineer",
        kind=KIND,
        body=orjson.dumps(_body_of(one)).decode(),
        state="waiting",
        attempts=0,
        next_at=now,
        receipt=None,
        created_at=now,
        sent_at=None,
        notification_id=one.id,
    )

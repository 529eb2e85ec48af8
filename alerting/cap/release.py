"""Two names for the public: an alert is held until one asked for its publication and another released it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sqlalchemy as sa

from alerting.lifecycle.alert import Alert
from alerting.marks import LATE, NEEDS_TWO_NAMES, NEVER_PUBLIC
from alerting.workflow.requests import Kind
from core.store import tables

_r = tables.request.c
_RELEASED = (_r.kind == Kind.CAP, _r.state == "approved")


def flags_of(marks: str, is_late: bool) -> frozenset[str]:
    """The marks for which an alert needs two names before it is published; none for one that goes out by itself."""
    found = set(marks.split()) | ({LATE} if is_late else set())
    return frozenset(found & NEEDS_TWO_NAMES)


def is_never_public(marks: str) -> bool:
    """Whether nobody can release it: no place of a register, or no danger now."""
    return bool(NEVER_PUBLIC & set(marks.split()))


def is_held(alert: Alert, free: Collection[str], *, is_public: bool) -> bool:
    """Whether an alert that was never published must not be, or not before it is released.

    To the public nothing goes by itself; to partners what nobody has to look at first does, and an exercise, whose
    values are made up and which nobody can be asked to release.
    """
    needs_two_names = is_public or (not alert.is_exercise and bool(flags_of(alert.marks, alert.is_late)))
    return is_never_public(alert.marks) or (needs_two_names and alert.alert_id not in free)


def released(connection: sa.Connection, alert_ids: Collection[str]) -> frozenset[str]:
    """Those of some alerts that two people let out."""
    return frozenset(connection.scalars(sa.select(_r.result).where(*_RELEASED, _r.result.in_(alert_ids))))


def unpublished(connection: sa.Connection, channel_id: str, living: Sequence[str]) -> list[str]:
    """Released alerts that live, whose notice went to a channel before, and of which it has no message yet."""
    alert, queue, delivery, message = (
        tables.alert.c,
        tables.notification_queue.c,
        tables.alert_delivery.c,
        tables.cap_message.c,
    )
    told = sa.select(queue.alert_id).join(
        tables.alert_delivery, sa.and_(delivery.notice_id == queue.notice_id, delivery.channel_id == channel_id)
    )
    has_message = sa.select(message.alert_id).where(message.channel_id == channel_id)
    free = sa.select(_r.result).where(*_RELEASED)
    query = sa.select(alert.alert_id).where(
        alert.alert_id.in_(free), alert.state.in_(living), alert.alert_id.in_(told), alert.alert_id.not_in(has_message)
    )
    return list(connection.scalars(query))

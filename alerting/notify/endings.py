"""Who is owed the end of an alert: everybody who was told its beginning, whatever kept it quiet since.

Read from what was told (`notification_queue`, `alert_delivery`), never from the state of an alert: "suppressed" does
not mean "never told".
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sqlalchemy as sa

from alerting.lifecycle.alert import QueuedAnnouncement
from core.store import tables
from core.store.parts import in_parts

END = "resolved"
NOT_NOTIFIED = "kept quiet"  # in place of a notice: the alert was quiet before anybody was told
_queue = tables.notification_queue.c


def alerts_awaiting_end(connection: sa.Connection, alert_ids: Collection[str]) -> set[str]:
    """Alerts of which people were told something after the last end that they were told."""
    is_told = sa.and_(_queue.notice_id.is_not(None), _queue.notice_id != NOT_NOTIFIED)
    last = sa.func.max(sa.case((_queue.kind != END, _queue.announcement_id)))
    ended = sa.func.coalesce(sa.func.max(sa.case((_queue.kind == END, _queue.announcement_id))), 0)
    found: set[str] = set()
    for part in in_parts(sorted(alert_ids)):
        query = sa.select(_queue.alert_id).where(_queue.alert_id.in_(part), is_told)
        found.update(connection.scalars(query.group_by(_queue.alert_id).having(last > ended)))
    return found


def worth_sending(
    waiting: Sequence[QueuedAnnouncement], quiet: Collection[str], awaiting_end: Collection[str]
) -> list[QueuedAnnouncement]:
    """Of one group's news those to tell: nothing of what is quiet, and an end to those who know of a beginning."""
    begun = {one.alert_id for one in waiting if one.kind != END and one.alert_id not in quiet} | set(awaiting_end)
    return [one for one in waiting if (one.alert_id in begun if one.kind == END else one.alert_id not in quiet)]


def sent_about(connection: sa.Connection, alert_ids: Collection[str]) -> set[tuple[str, str]]:
    """Channel and target of whoever was told of these alerts, or still will be; not of what was given up."""
    delivery = tables.alert_delivery.c
    found: set[tuple[str, str]] = set()
    for part in in_parts(sorted(alert_ids)):
        query = (
            sa.select(delivery.channel_id, delivery.target)
            .join(tables.notification_queue, _queue.notice_id == delivery.notice_id)
            .where(_queue.alert_id.in_(part), delivery.state != "dead")
            .distinct()
        )
        found.update((row.channel_id, row.target) for row in connection.execute(query))
    return found

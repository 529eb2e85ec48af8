"""Let go of what the outbox did long ago; what was said and who did what stays in notices and events.

Alerts are never let go of, not even those withdrawn before anybody was told: their history is append-only, held so by
triggers, and refers to them. Not here: landed facts and raw bytes (`ingest.land.retention`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from core.store import tables

DELIVERIES_KEPT = timedelta(days=180)
AT_ONCE, A_CHORE = 500, 20_000  # deletions in one transaction, and in one upkeep


def forget_deliveries(engine: sa.Engine, now: datetime) -> int:
    """Delete deliveries of notices that were sent or given up half a year ago, not all at once; gives how many.

    Those of feeds' notifications stay: a notification without one would be told again.
    """
    d = tables.alert_delivery.c
    old = sa.select(d.delivery_id).where(
        d.state.in_(("sent", "dead")), d.created_at < now - DELIVERIES_KEPT, d.notice_id.is_not(None)
    )
    forgotten = 0
    while forgotten < A_CHORE:
        with engine.begin() as connection:
            ids: Sequence[str] = connection.scalars(old.limit(AT_ONCE)).all()
            connection.execute(sa.delete(tables.alert_delivery).where(d.delivery_id.in_(ids)))
        forgotten += len(ids)
        if len(ids) < AT_ONCE:
            break
    return forgotten

"""Landed files that the ledger calls live: where they are, and in which order they landed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa

from core.settings import Home
from core.store import tables


def live_files(
    engine: sa.Engine, home: Home, feed_id: str, days: Sequence[str] | None = None, *, but_held: bool = False
) -> list[Path]:
    """Absolute paths of a feed's live files in landing order, of given Beijing days or of all.

    `but_held` leaves out those of batches that wait for a person, who may take them back.
    """
    query = (
        sa.select(tables.file.c.path)
        .join(tables.batch, tables.batch.c.batch_id == tables.file.c.batch_id)
        .where(tables.file.c.feed_id == feed_id, tables.file.c.state == "live")
        .order_by(tables.batch.c.received_at, tables.file.c.path)
    )
    if days is not None:
        query = query.where(tables.file.c.landed_on.in_(days))
    if but_held:
        query = query.where(tables.batch.c.state != "held")
    with engine.connect() as connection:
        return [home.landing / str(path) for (path,) in connection.execute(query)]

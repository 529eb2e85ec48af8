"""Batches of pulled and pushed feeds on their way to LIVE: landing leaves their ids, intake publishes them in order.

So a pull needs no broker, and one that is away only delays them. Batches received before the home's stream was first
opened are history and never enter LIVE. Not here: rows of streams, which LIVE has before they land.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl
import sqlalchemy as sa

from core.contract import Contract
from core.settings import Home
from core.store import tables
from core.stream.publish import LiveMessage, batch_messages

log = logging.getLogger(__name__)

BATCHES_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class WaitingBatch:
    """One landed batch that LIVE has not seen."""

    id: int
    batch_id: str
    feed_id: str
    received_at: datetime


def waiting_batches(engine: sa.Engine) -> list[WaitingBatch]:
    """The batches that wait, in the order in which they landed, not all at once."""
    w, b = tables.live_waiting.c, tables.batch.c
    query = sa.select(w.id, w.batch_id, b.feed_id, b.received_at).join(tables.batch, b.batch_id == w.batch_id)
    with engine.connect() as connection:
        rows = connection.execute(query.order_by(w.id).limit(BATCHES_AT_ONCE)).all()
    return [WaitingBatch(int(row.id), str(row.batch_id), str(row.feed_id), row.received_at) for row in rows]


def messages_of(
    home: Home,
    engine: sa.Engine,
    contracts: Mapping[str, Contract],
    batch: WaitingBatch,
    at: datetime,
    most_bytes: int,
) -> list[LiveMessage]:
    """The messages of a batch; none for a feed that has no contract any more."""
    if batch.feed_id not in contracts:
        return []
    frame = read_batch(home, engine, batch.batch_id)
    return [] if frame.is_empty() else batch_messages(batch.feed_id, batch.batch_id, frame, at, most_bytes)


def left_over(messages: list[LiveMessage], last_id: str) -> list[LiveMessage]:
    """Those behind the one that LIVE has last: a crash came between publishing and forgetting."""
    ids = [message.message_id for message in messages]
    return messages[ids.index(last_id) + 1 :] if last_id in ids else messages


def forget(engine: sa.Engine, batch: WaitingBatch) -> None:
    """LIVE has the batch."""
    with engine.begin() as connection:
        connection.execute(sa.delete(tables.live_waiting).where(tables.live_waiting.c.id == batch.id))


def read_batch(home: Home, engine: sa.Engine, batch_id: str) -> pl.DataFrame:
    """The rows of a batch, from its own files or, when those were merged and deleted, from the merged ones."""
    f = tables.file.c
    with engine.connect() as connection:
        rows = connection.execute(
            sa.select(f.path, f.replaced_by).where(f.batch_id == batch_id, f.state != "expired").order_by(f.path)
        ).all()
    parts = []
    for path, merged in rows:
        own = home.landing / str(path)
        if own.exists():
            parts.append(pl.read_parquet(own))
        elif merged and (home.landing / str(merged)).exists():
            parts.append(pl.read_parquet(home.landing / str(merged)).filter(pl.col("_batch_id") == batch_id))
        else:
            log.error(
                "batch %s: %s is not on disk; LIVE does not get its rows, restore the landing folder", batch_id, own
            )
    return pl.concat(parts, how="diagonal_relaxed") if parts else pl.DataFrame()

"""How far intake has come in a stream, and when this home's streams were first opened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from core.store import tables


@dataclass(frozen=True, slots=True)
class OpenedStream:
    """A stream of this home: everything up to `sequence` is landed; what landed before `opened_at` is history."""

    sequence: int
    opened_at: datetime


def open_stream(engine: sa.Engine, stream: str, now: datetime) -> OpenedStream:
    """The stream as it stands; a new one is opened now, by whichever process comes first.

    Batches that landed before that are forgotten as news: what they say last is judged when alerting begins
    (`alerting.last_values`). What is received or lands from now on waits for the stream, so each batch is judged.
    """
    p = tables.stream_position.c
    found = sa.select(p.sequence, p.opened_at).where(p.stream == stream)
    try:
        with engine.begin() as connection:
            row = connection.execute(found).first()
            if row is None:
                connection.execute(
                    sa.insert(tables.stream_position).values(stream=stream, sequence=0, opened_at=now, moved_at=now)
                )
                before = sa.select(tables.batch.c.batch_id).where(tables.batch.c.received_at < now)
                connection.execute(sa.delete(tables.live_waiting).where(tables.live_waiting.c.batch_id.in_(before)))
                return OpenedStream(0, now)
    except sa.exc.IntegrityError:  # another process opened it between the look and the row
        with engine.connect() as connection:
            row = connection.execute(found).one()
    return OpenedStream(int(row.sequence), row.opened_at)

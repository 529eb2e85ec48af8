"""The ledger: batches that were looked at, files that are live, where the next pull of a feed starts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text

from core.store.database import UtcText, metadata
from core.store.records import Records

BUNDLE = "raw-"  # how the medium of a batch begins whose archived bytes are a stream's messages

# One pulled or pushed payload that was looked at; its id is a hash of feed, content and source.
batch = Table(
    "ledger_batch",
    metadata,
    Column("batch_id", String(32), primary_key=True),
    Column("feed_id", String(80), nullable=False),
    Column("contract_version", String(20), nullable=False),
    Column("source_ref", Text, nullable=False),
    Column("media", String(12), nullable=False),
    Column("archive_sha256", String(64), nullable=False),
    Column("received_at", UtcText, nullable=False),
    Column("rows_in", Integer, nullable=False),
    Column("rows_landed", Integer, nullable=False),
    Column("rows_quarantined", Integer, nullable=False),
    Column("rows_ignored", Integer, nullable=False),
    # landed: waits for its checks; admitted: the warehouse reads it; held: a blocking check failed;
    # rejected: nothing of it landed; withdrawn: a person took it back; relanded: another batch has its bytes now
    Column("state", String(12), nullable=False),
    Column("run_id", String(40), nullable=False),
    Column("judged_on", String(64)),  # hash of all that its last verdicts stood on: the same again says the same
    Index("ix_batch_feed", "feed_id", "state"),
)

# The manifest: the files that are live are the landing zone, whatever else lies in the folder.
file = Table(
    "ledger_file",
    metadata,
    Column("path", String(300), primary_key=True),
    Column("batch_id", String(32), ForeignKey("ledger_batch.batch_id"), nullable=False),
    Column("feed_id", String(80), nullable=False),
    Column("landed_on", String(10), nullable=False),  # Beijing day of the rows
    Column("rows", Integer, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("state", String(10), nullable=False),  # live, replaced (by compaction), expired, withdrawn
    Column("replaced_by", String(300)),  # the compacted file that holds these rows now
    Column("sha256", String(64)),  # of the file as it was written; null: from before digests were kept
    Column("built_at", UtcText),  # when a published build first read it; null: new to the warehouse
    Index("ix_file_feed", "feed_id", "state"),
)

cursor = Table(
    "feed_cursor",
    metadata,
    Column("feed_id", String(80), primary_key=True),
    Column("value", Text, nullable=False),
    Column("moved_at", UtcText, nullable=False),
)

# Batches of pulled and pushed feeds that LIVE has not seen, written where they land.
live_waiting = Table(
    "live_waiting",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("batch_id", String(32), nullable=False, unique=True),
)


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One batch of the ledger; the columns say more."""

    batch_id: str
    feed_id: str
    contract_version: str
    source_ref: str
    media: str
    archive_sha256: str
    received_at: datetime
    rows_in: int
    rows_landed: int
    rows_quarantined: int
    rows_ignored: int
    state: str
    run_id: str


@dataclass(frozen=True, slots=True)
class FileRow:
    """One landed file of the ledger."""

    path: str
    batch_id: str
    feed_id: str
    landed_on: str
    rows: int
    bytes: int
    state: str
    sha256: str | None
    built_at: datetime | None = None


BATCHES = Records(BatchRow, batch)
FILES = Records(FileRow, file)


def batch_id_of(feed_id: str, archive_sha256: str, variant: str = "") -> str:
    """The same bytes of the same feed are the same batch, whatever the file was called."""
    return hashlib.sha256(f"{feed_id}\0{archive_sha256}\0{variant}".encode()).hexdigest()[:32]


def batch_of(connection: sa.Connection, batch_id: str) -> BatchRow | None:
    """A batch by its id, None when the ledger has none."""
    return next(iter(BATCHES.found(connection, BATCHES.where(batch.c.batch_id == batch_id))), None)


def add_batch(connection: sa.Connection, row: BatchRow, files: Iterable[FileRow]) -> None:
    """A new batch with its files."""
    connection.execute(sa.insert(batch).values(BATCHES.row(row)))
    if rows := FILES.rows(files):
        connection.execute(sa.insert(file), rows)


def is_known(engine: sa.Engine, batch_id: str) -> bool:
    """Whether a batch with these bytes was already looked at."""
    with engine.connect() as connection:
        return connection.execute(sa.select(batch.c.batch_id).filter_by(batch_id=batch_id)).first() is not None


def newest_sha256(engine: sa.Engine, feed_id: str) -> str | None:
    """Content hash of the batch that came last, None when there is none."""
    query = sa.select(batch.c.archive_sha256).where(batch.c.feed_id == feed_id, batch.c.media != "compaction")
    with engine.connect() as connection:
        return connection.execute(query.order_by(batch.c.received_at.desc()).limit(1)).scalar()


def move_cursor(connection: sa.Connection, feed_id: str, value: str | None, at: datetime) -> None:
    """Set where the feed's next pull starts; None leaves it."""
    if value is None:
        return
    connection.execute(sa.delete(cursor).where(cursor.c.feed_id == feed_id))
    connection.execute(sa.insert(cursor).values(feed_id=feed_id, value=value, moved_at=at))


def read_cursor(engine: sa.Engine, feed_id: str) -> str | None:
    """Where the feed's next pull starts, None at the very first."""
    with engine.connect() as connection:
        return connection.execute(sa.select(cursor.c.value).where(cursor.c.feed_id == feed_id)).scalar()


def held_batches(engine: sa.Engine) -> Sequence[dict[str, Any]]:
    """Batches that a failed or raised check keeps out of the warehouse, in order of receipt."""
    b = batch.c
    query = sa.select(b.batch_id, b.feed_id, b.source_ref, b.rows_landed, b.received_at).where(b.state == "held")
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(query.order_by(b.received_at)).mappings()]

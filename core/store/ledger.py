"""The ledger: batches that were looked at, files that are live, where the next pull of a feed starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text

from core.store.database import UtcText, metadata

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


def held_batches(engine: sa.Engine) -> Sequence[dict[str, Any]]:
    """Batches that a failed or raised check keeps out of the warehouse, in order of receipt."""
    b = batch.c
    query = sa.select(b.batch_id, b.feed_id, b.source_ref, b.rows_landed, b.received_at).where(b.state == "held")
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(query.order_by(b.received_at)).mappings()]

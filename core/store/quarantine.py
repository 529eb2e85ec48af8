"""What was found in batches that was not clean, and a person's word on a value that a feed keeps sending wrong."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, Text

from core.store.database import UtcText, metadata

# Everything found that was not clean, whatever became of it; quarantined rows point to their raw bytes.
quarantine = Table(
    "quarantine",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("feed_id", String(80), nullable=False),
    Column("batch_id", String(32), nullable=False),
    Column("reason", String(40), nullable=False),
    Column("grain", String(8), nullable=False),
    Column("outcome", String(12), nullable=False),  # quarantined, flagged, corrected, ignored, withdrawn
    Column("source_ref", Text, nullable=False),  # payload source and row place
    Column("locator", Text, nullable=False),
    Column("column_name", String(80)),
    Column("found", Text),  # masked
    Column("expected", Text),
    Column("n_rows", Integer, nullable=False),
    Column("archive_sha256", String(64), nullable=False),
    Column("contract_version", String(20), nullable=False),
    Column("at", UtcText, nullable=False),
    Column("replayed_at", UtcText),
    Column("replayed_batch_id", String(32)),
    Index("ix_quarantine_feed", "feed_id", "reason"),
    Index("ix_quarantine_batch", "batch_id"),
)

# A person's word on a value that a feed keeps sending wrong; applied to the raw text before conform.
override = Table(
    "value_override",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("feed_id", String(80), nullable=False),
    Column("column_name", String(80), nullable=False),
    Column("found", Text, nullable=False),
    Column("use", Text, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", UtcText, nullable=False),
)

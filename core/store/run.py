"""Runs of the batch, fetches of feeds, and the generations that were published."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, Text

from core.store.database import UtcText, metadata

run = Table(
    "run",
    metadata,
    Column("run_id", String(40), primary_key=True),
    Column("started_at", UtcText, nullable=False),
    Column("ended_at", UtcText),
    Column("step", String(20), nullable=False),
    Column("result", String(20), nullable=False),  # running, done, failed
    Column("detail", Text, nullable=False),
)

fetch_outcome = Table(
    "fetch_outcome",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("feed_id", String(80), nullable=False),
    Column("run_id", String(40), nullable=False),
    Column("started_at", UtcText, nullable=False),
    Column("ended_at", UtcText, nullable=False),
    Column("result", String(20), nullable=False),  # landed, nothing_new, rejected, failed, or a Trouble
    Column("payloads", Integer, nullable=False),
    Column("rows_landed", Integer, nullable=False),
    Column("rows_quarantined", Integer, nullable=False),
    Column("detail", Text, nullable=False),
    Index("ix_outcome_feed", "feed_id", "started_at"),
)

generation = Table(
    "generation",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("run_id", String(40), nullable=False),
    Column("published_at", UtcText, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("checks_failed", Integer, nullable=False),
    Column("checks_raised", Integer, nullable=False),
)

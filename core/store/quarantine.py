"""What was found in batches that was not clean, and a person's word on a value that a feed keeps sending wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Index, Integer, String, Table, Text

from core.store.database import UtcText, metadata
from core.store.records import Records

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


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """One thing that was found, as it is kept; its number aside."""

    feed_id: str
    batch_id: str
    reason: str
    grain: str
    outcome: str
    source_ref: str
    locator: str
    column_name: str | None
    found: str | None
    expected: str | None
    n_rows: int
    archive_sha256: str
    contract_version: str
    at: datetime
    replayed_at: datetime | None = None
    replayed_batch_id: str | None = None


FOUND = Records(QuarantineRow, quarantine)

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

_LISTED = ("id", "feed_id", "reason", "outcome", "grain", "source_ref", "n_rows", "contract_version", "at")


def found_rows(
    engine: sa.Engine, feed_id: str | None, reason: str | None, *, only_waiting: bool, limit: int | None
) -> Sequence[dict[str, Any]]:
    """What was found, newest first; `only_waiting`: rows that were refused and not landed by a replay since."""
    q = quarantine.c
    query = sa.select(*(q[name] for name in _LISTED)).order_by(q.id.desc()).limit(limit)
    if only_waiting:
        query = query.where(q.outcome == "quarantined", q.replayed_at.is_(None))
    if feed_id:
        query = query.where(q.feed_id == feed_id)
    if reason:
        query = query.where(q.reason == reason)
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def found_row(engine: sa.Engine, row_id: int) -> dict[str, Any] | None:
    """All that is known of one row; None when there is none of that number."""
    with engine.connect() as connection:
        row = connection.execute(sa.select(quarantine).where(quarantine.c.id == row_id)).mappings().first()
    return None if row is None else dict(row)


def read_as(
    engine: sa.Engine, feed_id: str, column: str, found: str, use: str, actor: str, reason: str, now: datetime
) -> None:
    """From now on, and on replay, `found` in a column of a feed counts as `use`."""
    row = {"feed_id": feed_id, "column_name": column, "found": found, "use": use}
    with engine.begin() as connection:
        connection.execute(sa.insert(override).values(**row, actor=actor, reason=reason, at=now))

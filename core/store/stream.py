"""How far the streams are landed, and how each feed of a stream stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Column, String, Table

from core.store.database import UtcText, metadata
from core.store.records import Records

# How far intake has come in a stream: everything up to `sequence` is landed. One row a stream.
stream_position = Table(
    "stream_position",
    metadata,
    Column("stream", String(20), primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("opened_at", UtcText, nullable=False),  # what landed before is history: it never enters LIVE
    Column("moved_at", UtcText, nullable=False),
)

# How each feed of a stream stands, for pages and assets; counts since intake first saw the feed.
stream_progress = Table(
    "stream_progress",
    metadata,
    Column("feed_id", String(80), primary_key=True),
    Column("raw_sequence", BigInteger, nullable=False),
    Column("watermark_at", UtcText),  # the newest event time that landed
    Column("lag", BigInteger, nullable=False),  # messages of the whole stream that wait for intake
    Column("rows_in", BigInteger, nullable=False),
    Column("rows_landed", BigInteger, nullable=False),
    Column("rows_quarantined", BigInteger, nullable=False),
    Column("rows_ignored", BigInteger, nullable=False),
    Column("late", BigInteger, nullable=False),  # rows that came longer after their event than the feed's agreement
    Column("updated_at", UtcText, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamProgress:
    """How one feed of a stream stands; counts run since intake first saw it."""

    feed_id: str
    raw_sequence: int
    watermark_at: datetime | None
    lag: int
    rows_in: int
    rows_landed: int
    rows_quarantined: int
    rows_ignored: int
    late: int
    updated_at: datetime


PROGRESS = Records(StreamProgress, stream_progress)

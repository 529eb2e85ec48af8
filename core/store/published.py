"""What readers were shown, part by part: of each published table and day the versions, and from when to when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table

from core.store.database import UtcText, metadata
from core.store.records import Records

# One row a version of a part. A part is the rows of one day, or all of a table whose rows belong to no day.
published_part = Table(
    "published_part",
    metadata,
    Column("part_id", BigInteger, primary_key=True, autoincrement=False),
    Column("table_name", String(60), nullable=False),
    Column("day", String(10), nullable=False),  # '' for a whole table, and for the rows that have no day
    Column("known_at", UtcText, nullable=False),  # when the generation was published that showed it first
    Column("known_to", UtcText),  # when one was that no longer showed it; null: the newest does
    Column("n_rows", Integer, nullable=False),
    Column("digest", String(120), nullable=False),
    Column("file", String(120), nullable=False),  # in the folder of published parts
    Column("thinned_from", UtcText),  # versions shown from then until this one were not retained; null: all were
    Index("ix_published_part", "table_name", "day", "known_at"),
    Index("ix_published_part_in_force", "known_to"),
)


@dataclass(frozen=True, slots=True)
class PublishedPart:
    """One version of a part; the columns say more."""

    part_id: int
    table_name: str
    day: str
    known_at: datetime
    known_to: datetime | None
    n_rows: int
    digest: str
    file: str
    thinned_from: datetime | None = None


PARTS = Records(PublishedPart, published_part)

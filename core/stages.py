"""What each step of a pull hands to the next: Payload → RawTable → Batch → Landed.

Each stage is a type of its own, so no step can be given the wrong stage of a thing. Pure records, no behaviour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl

from core.contract import Contract, LogicalType

# Columns that every landed file has beside the contract's own.
META_COLUMNS: Mapping[str, pl.DataType] = {
    "_batch_id": pl.String(),
    "_row": pl.String(),  # place in the source: file line, feature number or key
    "_received_at": pl.Datetime("us", "UTC"),
    "_flags": pl.String(),  # marks, comma-separated, '' when clean; one about a value names its column after a colon
    "_event_time_sent": pl.String(),  # the event time as it was sent, where receipt stands for it (clock_wrong)
    "_extra": pl.String(),  # JSON of columns the contract does not know (drift mode evolve), null when none
    "_area_code": pl.String(),  # county by point in polygon (or by code), null when the feed has no place
    "_lon": pl.Float64(),  # WGS 84 place of the row, degrees, null when the feed has no place
    "_lat": pl.Float64(),
}


LANDED_TYPES: Mapping[LogicalType, pl.DataType] = {
    "string": pl.String(),
    "number": pl.Float64(),
    "integer": pl.Int64(),
    "boolean": pl.Boolean(),
    "date": pl.Date(),
    "timestamp": pl.Datetime("us", "UTC"),
}


def landed_schema(contract: Contract) -> dict[str, pl.DataType]:
    """Names and types of every column of a landed frame, `_batch_id` aside."""
    columns = {c.landed_name: LANDED_TYPES[c.logical_type] for c in contract.landed_columns}
    hashed = {c.landed_name: pl.String() for c in contract.landed_columns if c.mask == "hash"}
    return {**columns, **hashed, **{name: kind for name, kind in META_COLUMNS.items() if name != "_batch_id"}}


def value_schema(contract: Contract) -> dict[str, pl.DataType]:
    """Names and types of the columns that make a row what it is, provenance aside."""
    schema = landed_schema(contract)
    return {column.landed_name: schema[column.landed_name] for column in contract.landed_columns}


@dataclass(frozen=True, slots=True)
class Payload:
    """Raw bytes as a department sent them, before anyone looked inside."""

    feed_id: str
    body: bytes
    media: str  # json, ndjson, csv, xlsx, geojson, gpkg
    source_ref: str  # file name, URL path with page, or table with cursor range
    received_at: datetime
    cursor: str | None = None  # where the next pull starts when this payload has landed; None leaves it unchanged


@dataclass(frozen=True, slots=True)
class UnreadAlarm:
    """An alarm in something that could not become a row: a person must hear of it all the same."""

    sender: str  # who passed the door
    says: str  # as far as it can be read
    received_us: int


@dataclass(frozen=True, slots=True)
class Note:
    """Something found in a payload: a row, a batch group or a file, with what was done about it."""

    reason: str
    grain: str  # row, batch, file
    outcome: str  # quarantined, flagged, corrected, ignored
    locator: str  # row place within the payload, '' for a whole file
    column: str | None = None
    found: str | None = None  # masked where the column is personal
    expected: str | None = None
    n_rows: int = 1
    alarm: UnreadAlarm | None = None


@dataclass(frozen=True, slots=True)
class RawTable:
    """A parsed payload: every value still text under the department's own column names, plus `_row`.

    What devices sent has the receipt of each row at the first door (microseconds since 1970 UTC), and whether the row
    came as history: its protocol says so, or something newer of the same device came with it; `senders` are who passed
    the door, by topic or session ('' where nobody is named). `is_plain` says that every text is printable ASCII, for
    certain where True: nobody need look for more.
    """

    frame: pl.DataFrame
    notes: tuple[Note, ...] = ()
    received_us: pl.Series | None = None
    is_history: pl.Series | None = None
    senders: pl.Series | None = None
    is_plain: bool = False

    def where(self, kept: pl.Series) -> RawTable:
        """The rows for which `kept` is true, with all notes."""
        columns = (self.received_us, self.is_history, self.senders)
        received, history, senders = (None if column is None else column.filter(kept) for column in columns)
        return RawTable(self.frame.filter(kept), self.notes, received, history, senders, self.is_plain)


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows in contract shape (our names, units, UTC, WGS 84, masked) and everything that was found on the way."""

    batch_id: str
    feed_id: str
    frame: pl.DataFrame
    notes: tuple[Note, ...]
    rows_in: int
    secrets: Mapping[str, str] = field(default_factory=dict)  # hash → clear value, for the vault only
    n_tables: int = 1  # conformed one by one: of several each may have its own word on a key


@dataclass(frozen=True, slots=True)
class LandedFile:
    """One Parquet file of one batch and one Beijing day."""

    path: Path  # relative to the landing folder
    landed_on: str  # Beijing civil date, ISO
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Landed:
    """A batch that is in the ledger."""

    batch_id: str
    feed_id: str
    files: tuple[LandedFile, ...]
    rows_in: int
    rows_landed: int
    rows_quarantined: int
    rows_ignored: int

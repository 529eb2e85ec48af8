"""The LIVE stream's message: one conformed batch of one feed, by column, as alerting folds it.

Columnar JSON: orjson reads it at millions of values a second, and anyone may look at it with a broker's own tool.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import polars as pl

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PROVENANCE = frozenset({"_batch_id", "_row", "_event_time_sent"})
CLOCK_FEED = "clock"  # a message without rows: time passes although nobody speaks


@dataclass(frozen=True, slots=True)
class LiveBatch:
    """Conformed rows of one feed in arrival order.

    `columns` holds every landed column and `_lon`, `_lat`, `_area_code`, `_flags`, `_received_at` (each row's receipt
    at the first door), all of equal length; instants are microseconds since 1970 UTC. `sequence` is the position in
    LIVE (0 for a batch that never stood there), `source` says where the rows came from: `raw:<first>-<last>` or
    `batch:<batch_id>`.
    """

    feed_id: str
    received_at: datetime
    source: str
    columns: Mapping[str, list[Any]]
    sequence: int = 0

    @property
    def height(self) -> int:
        """Rows in the batch."""
        return len(next(iter(self.columns.values()), ()))


def of_frame(feed_id: str, frame: pl.DataFrame, received_at: datetime, source: str) -> LiveBatch:
    """A conformed frame (contract's landed columns and META_COLUMNS) as a batch; provenance columns stay behind."""
    kept = frame.select(_plain(name, kind) for name, kind in frame.schema.items() if name not in _PROVENANCE)
    return LiveBatch(feed_id, received_at, source, kept.to_dict(as_series=False))


def pack(batch: LiveBatch) -> bytes:
    """The message body of a batch."""
    return orjson.dumps(
        {
            "feed": batch.feed_id,
            "received_at": micros(batch.received_at),
            "source": batch.source,
            "columns": batch.columns,
        }
    )


def unpack(body: bytes, sequence: int) -> LiveBatch:
    """A batch from a message. Raises ValueError or KeyError for a body that is none: a fault of ours."""
    document = orjson.loads(body)
    received_at = instant(document["received_at"])
    return LiveBatch(document["feed"], received_at, document["source"], document["columns"], sequence)


def micros(at: datetime) -> int:
    """Microseconds since 1970 UTC."""
    return (at - EPOCH) // timedelta(microseconds=1)


def instant(at_us: int) -> datetime:
    """The aware UTC instant of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=at_us)


def chunks(batch: LiveBatch, rows: int) -> Iterator[LiveBatch]:
    """The batch in pieces of at most `rows` rows, in order."""
    if batch.height <= rows:
        yield batch
        return
    for start in range(0, batch.height, rows):
        columns = {name: values[start : start + rows] for name, values in batch.columns.items()}
        yield LiveBatch(batch.feed_id, batch.received_at, batch.source, columns, batch.sequence)


def _plain(name: str, kind: pl.DataType) -> pl.Expr:
    """Instants as microseconds and dates as ISO text, so that a column is JSON."""
    if isinstance(kind, pl.Datetime):
        return pl.col(name).dt.epoch("us")
    return pl.col(name).cast(pl.String) if kind == pl.Date else pl.col(name)

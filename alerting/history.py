"""Landed rows as the LIVE batches that they once were: by the instant they came in, feed by feed, in row order.

Not here: folding them (`alerting.replay`). A landed row keeps the instant of its tick, so history needs no tick of its
own; a row that landed once is read once, although LIVE may have carried it twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import sqlalchemy as sa

from alerting import tables
from ingest import ops
from ingest.landing import CIVIL_ZONE, live_files
from ingest.settings import Home
from ingest.stream.live import LiveBatch, of_frame
from ingest.stream.streams import RAW

STEP = timedelta(hours=6)  # so much of the stream is in memory at once
LATE_DAYS = 31  # a row may land this long after the day that it speaks of
_PLACE = ("_sequence", "_entry", "_record")


@dataclass(frozen=True, slots=True)
class Heard:
    """What alerting has heard: from when on (None: it never ran), and up to when anybody listened (None: never)."""

    since: datetime | None
    until: datetime | None


def heard(engine: sa.Engine) -> Heard:
    """The stretch that history can tell of. Behind its end nothing is known, which is no silence of devices."""
    batch, position = ops.batch.c, ops.stream_position.c
    with engine.connect() as connection:
        since = connection.scalar(sa.select(position.opened_at).where(position.stream == RAW))
        landed_at = connection.scalar(sa.select(sa.func.max(batch.received_at)).where(batch.media != "compaction"))
        folded_at = connection.scalar(sa.select(sa.func.max(tables.alert_position.c.stream_at)))
    return Heard(since, max((at for at in (landed_at, folded_at) if at), default=None))


def landed_batches(
    home: Home,
    engine: sa.Engine,
    columns: Mapping[str, Collection[str]],
    start: datetime,
    end: datetime,
    happened: Mapping[str, str] | None = None,
) -> Iterator[LiveBatch]:
    """Batches of the named feeds and columns with `start <= received_at < end`, in the order of the stream.

    `happened` names each feed's column of event times: rows then come in as they happened, whenever they were fetched.
    """  # fmt: skip
    days = _days(start - timedelta(days=LATE_DAYS), end)
    files = {feed_id: live_files(engine, home, feed_id, days) for feed_id in sorted(columns)}
    at = start
    while at < end:
        until = min(at + STEP, end)
        frames = {
            feed_id: _rows(paths, columns[feed_id], at, until, (happened or {}).get(feed_id, "_received_at"))
            for feed_id, paths in files.items()
            if paths
        }
        yield from in_order({feed_id: frame for feed_id, frame in frames.items() if frame.height})
        at = until


def in_order(frames: Mapping[str, pl.DataFrame]) -> Iterator[LiveBatch]:
    """Frames that are sorted by `_received_at` as one stream of batches."""
    places: list[tuple[datetime, str, int, int]] = []
    whole: dict[str, LiveBatch] = {}
    for feed_id, frame in frames.items():
        instants = frame["_received_at"]
        whole[feed_id] = of_frame(feed_id, frame, instants[0], "landed")
        starts = [0, *instants.rle().struct.field("len").cum_sum().to_list()]
        places += [(instants[first], feed_id, first, last) for first, last in pairwise(starts)]
    for received_at, feed_id, first, last in sorted(places):
        columns = {name: values[first:last] for name, values in whole[feed_id].columns.items()}
        yield LiveBatch(feed_id, received_at, "landed", columns)


def _rows(
    paths: Sequence[Path], columns: Collection[str], start: datetime, end: datetime, by: str
) -> pl.DataFrame:  # fmt: skip
    """Rows between two instants. Of one instant, a stream's rows stand as they stood in RAW, others as they landed.

    A tick that brings rows of several days is several files, and merging files changes their order.
    """
    by_day = sorted(paths, key=lambda path: path.parent.name)
    scan = pl.scan_parquet(by_day, missing_columns="insert", extra_columns="ignore")
    known = set(scan.collect_schema().names())
    wanted = sorted({name for name in columns if name in known})
    here = (pl.col(by) >= start) & (pl.col(by) < end)
    found = scan.filter(here).select(*wanted, pl.col(by).alias("_received_at"), "_row").collect()
    place = found.select(pl.col("_row").str.split_exact(".", 2).struct.rename_fields(_PLACE)).unnest("_row")
    # Rows of files and services have one number or a key there, and keep the order in which they landed.
    numbers = place.select(pl.when(pl.col("_entry").is_not_null()).then(pl.all().cast(pl.Int64, strict=False)))
    return found.drop("_row").hstack(numbers).sort("_received_at", *_PLACE, maintain_order=True).drop(_PLACE)


def _days(start: datetime, end: datetime) -> list[str]:
    zone = ZoneInfo(CIVIL_ZONE)
    first, last = start.astimezone(zone).date(), end.astimezone(zone).date()
    return [str(first + timedelta(days=n)) for n in range((last - first).days + 2)]

"""Landed rows as the LIVE batches that they once were: by the instant they came in, feed by feed, in row order.

Not here: folding them (`alerting.replay`). A landed row keeps the instant of its tick, so history needs no tick of its
own; a row that landed once is read once, although LIVE may have carried it twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import sqlalchemy as sa

from ingest.landing import CIVIL_ZONE, live_files
from ingest.settings import Home
from ingest.stream.live import LiveBatch, of_frame

STEP = timedelta(hours=6)  # so much of the stream is in memory at once
LATE_DAYS = 31  # a row may land this long after the day that it speaks of


def landed_batches(
    home: Home, engine: sa.Engine, columns: Mapping[str, Collection[str]], start: datetime, end: datetime
) -> Iterator[LiveBatch]:
    """Batches of the named feeds and columns with `start <= received_at < end`, in the order of the stream."""
    days = _days(start - timedelta(days=LATE_DAYS), end)
    files = {feed_id: live_files(engine, home, feed_id, days) for feed_id in sorted(columns)}
    at = start
    while at < end:
        until = min(at + STEP, end)
        frames = {feed_id: _rows(paths, columns[feed_id], at, until) for feed_id, paths in files.items() if paths}
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


def _rows(paths: Sequence[Path], columns: Collection[str], start: datetime, end: datetime) -> pl.DataFrame:
    """Rows that came in between two instants; ties keep the order in which they landed."""
    scan = pl.scan_parquet(list(paths), missing_columns="insert", extra_columns="ignore")
    known = set(scan.collect_schema().names())
    wanted = sorted({name for name in columns if name in known} | {"_received_at"})
    here = (pl.col("_received_at") >= start) & (pl.col("_received_at") < end)
    return scan.filter(here).select(wanted).collect().sort("_received_at", maintain_order=True)


def _days(start: datetime, end: datetime) -> list[str]:
    zone = ZoneInfo(CIVIL_ZONE)
    first, last = start.astimezone(zone).date(), end.astimezone(zone).date()
    return [str(first + timedelta(days=n)) for n in range((last - first).days + 2)]

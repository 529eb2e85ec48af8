"""Landed rows as the LIVE batches that they once were: by the instant they came in, feed by feed, in row order.

A landed row keeps the instant of its tick, so history needs no tick of its own; a row that landed once is read once,
although LIVE may have carried it twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
import sqlalchemy as sa

from core.civil_time import CIVIL_ZONE
from core.settings import Home
from core.store import tables
from core.store.landed import live_files
from core.stream.live import LiveBatch, of_frame
from core.stream.streams import RAW

STEP = timedelta(hours=6)
MOST_ROWS = 500_000  # in memory at once, unless one instant has more
_SHORTEST = timedelta(seconds=1)
LATE_DAYS = 31  # a row may land this long after the day that it speaks of
_PLACE = ("_sequence", "_entry", "_record")


@dataclass(frozen=True, slots=True)
class History:
    """What alerting has heard: from when on (None: it never ran), and up to when anybody listened (None: never)."""

    since: datetime | None
    until: datetime | None


def history(engine: sa.Engine) -> History:
    """The stretch that history can tell of. Behind its end nothing is known, which is no silence of devices."""
    batch, position = tables.batch.c, tables.stream_position.c
    with engine.connect() as connection:
        since = connection.scalar(sa.select(position.opened_at).where(position.stream == RAW))
        landed_at = connection.scalar(sa.select(sa.func.max(batch.received_at)).where(batch.media != "compaction"))
        folded_at = connection.scalar(sa.select(sa.func.max(tables.alert_position.c.stream_at)))
    return History(since, max((at for at in (landed_at, folded_at) if at), default=None))


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
    """
    days = _days(start - timedelta(days=LATE_DAYS), end)
    landed = {
        feed_id: _landed(paths, columns[feed_id], (happened or {}).get(feed_id, "_received_at"))
        for feed_id in sorted(columns)
        if (paths := live_files(engine, home, feed_id, days))
    }
    at = start
    while at < end:
        for since, until in _stretches(list(landed.values()), at, min(at + STEP, end)):
            frames = {feed_id: _rows(rows, since, until) for feed_id, rows in landed.items()}
            yield from in_order({feed_id: frame for feed_id, frame in frames.items() if frame.height})
        at += STEP


def _landed(paths: Sequence[Path], columns: Collection[str], by: str) -> pl.LazyFrame:
    """Rows of a feed's files in landing order, `_received_at` being the column `by`."""
    by_day = sorted(paths, key=lambda path: path.parent.name)  # merging one day's files makes that file the youngest
    scan = pl.scan_parquet(by_day, missing_columns="insert", extra_columns="ignore")
    known = set(scan.collect_schema().names())
    return scan.select(*sorted(known & set(columns)), pl.col(by).alias("_received_at"), "_row")


def _stretches(landed: Sequence[pl.LazyFrame], start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Spans with rows in them, few enough to be in memory together."""
    counted = pl.collect_all([_between(rows, start, end).select(pl.len()) for rows in landed])
    n = sum(frame.item() for frame in counted)
    if n > MOST_ROWS and end - start > _SHORTEST:
        middle = start + (end - start) / 2
        yield from _stretches(landed, start, middle)
        yield from _stretches(landed, middle, end)
    elif n:
        yield start, end


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


def _rows(landed: pl.LazyFrame, start: datetime, end: datetime) -> pl.DataFrame:
    """Rows between two instants; of one instant, a stream's rows stand as they stood in RAW, others as they landed.

    A tick that brings rows of several days is several files.
    """
    found = _between(landed, start, end).collect()
    place = found.select(pl.col("_row").str.split_exact(".", 2).struct.rename_fields(_PLACE)).unnest("_row")
    # Rows of files and services have one number or a key there, and keep the order in which they landed.
    numbers = place.select(pl.when(pl.col("_entry").is_not_null()).then(pl.all().cast(pl.Int64, strict=False)))
    return found.drop("_row").hstack(numbers).sort("_received_at", *_PLACE, maintain_order=True).drop(_PLACE)


def _between(landed: pl.LazyFrame, start: datetime, end: datetime) -> pl.LazyFrame:
    return landed.filter(pl.col("_received_at") >= start, pl.col("_received_at") < end)


def _days(start: datetime, end: datetime) -> list[str]:
    first, last = start.astimezone(CIVIL_ZONE).date(), end.astimezone(CIVIL_ZONE).date()
    return [str(first + timedelta(days=n)) for n in range((last - first).days + 2)]

"""Merge the many small files of one feed and day into one, without a moment in which rows are missing or double.

The ledger is the manifest: one transaction makes the merged file live and the parts replaced. Parts stay on disk
until a later upkeep, so that a reader with an older file list can finish. A file that has grown large is left alone, so
what a busy stream lands in an hour costs that hour and not its whole day, in time and in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import polars as pl
import sqlalchemy as sa

from core.contract import Contract
from core.settings import Home
from core.stages import LandedFile
from core.store import ledger, tables
from core.store.ledger import FileRow
from core.store.parts import in_parts
from ingest.land.accept import live_file
from ingest.land.files import write_files, writing

FILES_WORTH_MERGING = 8
LARGE_ROWS = 1_000_000
MERGED_ROWS = 2_000_000


def compact(home: Home, engine: sa.Engine, contracts: Mapping[str, Contract], now: datetime) -> int:
    """Merge every (feed, day) with at least `FILES_WORTH_MERGING` built files that are not large; returns how many."""
    groups = [(feed_id, day) for feed_id, day in _crowded(engine) if feed_id in contracts]
    for feed_id, day in groups:
        for parts in _portions(_parts(engine, feed_id, day)):
            _merge(home, engine, contracts[feed_id], day, parts, now)
    return len(groups)


def delete_replaced(home: Home, engine: sa.Engine, before: datetime) -> int:
    """Delete parts whose merged file was written before an instant; their ledger rows stay as history."""
    f, merged = tables.file, tables.file.alias("merged")
    query = (
        sa.select(f.c.path)
        .join(merged, merged.c.path == f.c.replaced_by)
        .join(tables.batch, tables.batch.c.batch_id == merged.c.batch_id)
        .where(f.c.state == "replaced", tables.batch.c.received_at < before)
    )
    with engine.connect() as connection:
        paths = [home.landing / str(path) for (path,) in connection.execute(query)]
    present = [path for path in paths if path.exists()]
    for path in present:
        path.unlink()
    return len(present)


def _crowded(engine: sa.Engine) -> list[tuple[str, str]]:
    f = tables.file.c
    query = (
        sa.select(f.feed_id, f.landed_on)
        .join(tables.batch, tables.batch.c.batch_id == f.batch_id)
        .where(f.state == "live", f.built_at.is_not(None), f.rows < LARGE_ROWS, tables.batch.c.state == "admitted")
        .group_by(f.feed_id, f.landed_on)
        .having(sa.func.count() >= FILES_WORTH_MERGING)
    )
    with engine.connect() as connection:
        return [(str(feed_id), str(day)) for feed_id, day in connection.execute(query)]


def _parts(engine: sa.Engine, feed_id: str, day: str) -> Sequence[FileRow]:
    """The files to merge, in landing order."""
    f = tables.file.c
    query = (
        ledger.FILES.where(
            f.feed_id == feed_id,
            f.landed_on == day,
            f.state == "live",
            f.built_at.is_not(None),
            f.rows < LARGE_ROWS,
            tables.batch.c.state == "admitted",
        )
        .join(tables.batch, tables.batch.c.batch_id == f.batch_id)
        .order_by(tables.batch.c.received_at, f.path)
    )
    with engine.connect() as connection:
        return ledger.FILES.found(connection, query)


def _portions(parts: Sequence[FileRow]) -> Iterator[list[FileRow]]:
    """Neighbours that make one file of at most `MERGED_ROWS`; a file that has none stays as it is."""
    portion: list[FileRow] = []
    rows = 0
    for part in parts:
        if portion and rows + part.rows > MERGED_ROWS:
            if len(portion) > 1:
                yield portion
            portion, rows = [], 0
        portion.append(part)
        rows += part.rows
    if len(portion) > 1:
        yield portion


def _merge(
    home: Home, engine: sa.Engine, contract: Contract, day: str, parts: Sequence[FileRow], now: datetime
) -> None:
    parents = " ".join(dict.fromkeys(part.batch_id for part in parts))
    batch_id = ledger.batch_id_of(contract.id, "", f"compaction {day} {parents}")
    frame = pl.concat([pl.read_parquet(home.landing / part.path) for part in parts], how="diagonal_relaxed")
    with writing(home):
        (written,) = write_files(home, contract, batch_id, frame)
        _record(engine, contract, batch_id, parents, written, parts, now)


def _record(
    engine: sa.Engine,
    contract: Contract,
    batch_id: str,
    parents: str,
    written: LandedFile,
    parts: Sequence[FileRow],
    now: datetime,
) -> None:
    """In one transaction the merged file is live and its parts are replaced."""
    paths = [part.path for part in parts]
    merged = ledger.BatchRow(
        batch_id=batch_id,
        feed_id=contract.id,
        contract_version=contract.version,
        source_ref=parents,
        media="compaction",
        archive_sha256="",
        received_at=now,
        rows_in=written.rows,
        rows_landed=written.rows,
        rows_quarantined=0,
        rows_ignored=0,
        state="admitted",
        run_id="upkeep",
    )
    with engine.begin() as connection:
        ledger.add_batch(connection, merged, [replace(live_file(batch_id, contract, written), built_at=now)])
        for part in in_parts(paths):
            connection.execute(
                sa.update(tables.file)
                .where(tables.file.c.path.in_(part))
                .values(state="replaced", replaced_by=str(written.path), built_at=None)
            )

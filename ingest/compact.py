"""Merge the many small files of one feed and day into one, without a moment in which rows are missing or double.

The ledger is the manifest: one transaction makes the merged file live and the parts replaced. Parts stay on disk
until a later upkeep, so that a reader with an older file list can finish.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import polars as pl
import sqlalchemy as sa

from ingest import landing, ops
from ingest.contract import Contract
from ingest.settings import Home

FILES_WORTH_MERGING = 8


def compact(home: Home, engine: sa.Engine, contracts: Mapping[str, Contract], now: datetime) -> int:
    """Merge every (feed, day) with at least `FILES_WORTH_MERGING` built files; returns how many were merged."""
    groups = _crowded(engine)
    for feed_id, day in groups:
        if feed_id in contracts:
            _merge(home, engine, contracts[feed_id], day, now)
    return len(groups)


def delete_replaced(home: Home, engine: sa.Engine, before: datetime) -> int:
    """Delete parts whose merged file was written before an instant; their ledger rows stay as history."""
    f, merged = ops.file, ops.file.alias("merged")
    query = (
        sa.select(f.c.path)
        .join(merged, merged.c.path == f.c.replaced_by)
        .join(ops.batch, ops.batch.c.batch_id == merged.c.batch_id)
        .where(f.c.state == "replaced", ops.batch.c.received_at < before)
    )
    with engine.connect() as connection:
        paths = [home.landing / str(path) for (path,) in connection.execute(query)]
    present = [path for path in paths if path.exists()]
    for path in present:
        path.unlink()
    return len(present)


def _crowded(engine: sa.Engine) -> list[tuple[str, str]]:
    f = ops.file.c
    query = (
        sa.select(f.feed_id, f.landed_on)
        .join(ops.batch, ops.batch.c.batch_id == f.batch_id)
        .where(f.state == "live", f.built_at.is_not(None), ops.batch.c.state == "admitted")
        .group_by(f.feed_id, f.landed_on)
        .having(sa.func.count() >= FILES_WORTH_MERGING)
    )
    with engine.connect() as connection:
        return [(str(feed_id), str(day)) for feed_id, day in connection.execute(query)]


def _merge(home: Home, engine: sa.Engine, contract: Contract, day: str, now: datetime) -> None:
    f = ops.file.c
    query = (
        sa.select(ops.file)
        .join(ops.batch, ops.batch.c.batch_id == f.batch_id)
        .where(
            f.feed_id == contract.id, f.landed_on == day, f.state == "live", f.built_at.is_not(None),
            ops.batch.c.state == "admitted",
        )
        .order_by(ops.batch.c.received_at, f.path)
    )  # fmt: skip
    with engine.connect() as connection:
        parts = connection.execute(query).all()
    parents = " ".join(dict.fromkeys(part.batch_id for part in parts))
    batch_id = landing.batch_id_of(contract.id, "", f"compaction {day} {parents}")
    frame = pl.concat([pl.read_parquet(home.landing / part.path) for part in parts], how="diagonal_relaxed")
    (written,) = landing.write_files(home, contract, batch_id, frame)
    with engine.begin() as connection:
        connection.execute(
            sa.insert(ops.batch).values(
                batch_id=batch_id, feed_id=contract.id, contract_version=contract.version, source_ref=parents,
                media="compaction", archive_sha256="", received_at=now, rows_in=frame.height,
                rows_landed=frame.height, rows_quarantined=0, rows_ignored=0, state="admitted", run_id="upkeep",
            )
        )  # fmt: skip
        connection.execute(
            sa.insert(ops.file).values(
                path=str(written.path), batch_id=batch_id, feed_id=contract.id, landed_on=day, rows=written.rows,
                bytes=written.bytes, state="live", built_at=now,
            )
        )  # fmt: skip
        connection.execute(
            sa.update(ops.file)
            .where(f.path.in_([part.path for part in parts]))
            .values(state="replaced", replaced_by=str(written.path), built_at=None)
        )

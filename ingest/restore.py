"""Put landed files back from the encrypted archive, offline, when they are gone from disk.

The ledger remembers which rows of a batch did not land, so a restored file holds what the lost one held.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
import sqlalchemy as sa

from ingest import landing, ops
from ingest.conform import DeviceClocks
from ingest.contract import Contract
from ingest.pull import Intake, apply_overrides, read, read_overrides
from ingest.stages import Payload


class RestoreError(RuntimeError):
    """A live file is lost and cannot be made again; names the file, the batch and what to do."""


def missing_batches(intake: Intake) -> list[str]:
    """Batches of which the ledger calls a file live that is not on disk, oldest first."""
    query = (
        sa.select(ops.file.c.batch_id, ops.file.c.path)
        .join(ops.batch, ops.batch.c.batch_id == ops.file.c.batch_id)
        .where(ops.file.c.state == "live")
        .order_by(ops.batch.c.received_at, ops.file.c.path)
    )
    with intake.engine.connect() as connection:
        rows = connection.execute(query).all()
    return list(dict.fromkeys(str(b) for b, path in rows if not (intake.home.landing / str(path)).exists()))


def restore(intake: Intake, contracts: Mapping[str, Contract]) -> int:
    """Restore every missing batch; returns how many. Raises RestoreError for one that cannot come back."""
    batches = missing_batches(intake)
    for batch_id in batches:
        row = _batch_row(intake.engine, batch_id)
        if row.feed_id not in contracts:
            raise RestoreError(
                f"{row.feed_id}: batch {batch_id} is lost and the feed has no contract; restore a backup"
            )
        contract, expected = contracts[row.feed_id], _live_rows(intake.engine, batch_id)
        stamped = landing.with_landed_on(frame_of(intake, contract, row), contract)
        frame = stamped.filter(pl.col("landed_on").is_in(list(expected))).drop("landed_on")
        if frame.height != sum(expected.values()):
            raise RestoreError(
                f"{row.feed_id}: batch {batch_id}: {frame.height} rows came back from the archive, the ledger has "
                f"{sum(expected.values())}; the contract changed since {row.contract_version}: restore a backup of "
                f"the landing folder, or withdraw the batch"
            )
        landing.write_files(intake.home, contract, batch_id, frame)
    return len(batches)


def frame_of(intake: Intake, contract: Contract, row: sa.Row[Any]) -> pl.DataFrame:
    """The rows of one ledger batch as they landed, from the archive (or from its parts for a compacted one)."""
    if row.media == "compaction":
        parts = [frame_of(intake, contract, _batch_row(intake.engine, part)) for part in row.source_ref.split()]
        return pl.concat(parts, how="diagonal_relaxed")
    payload = Payload(contract.id, intake.archive.get(row.archive_sha256), row.media, row.source_ref, row.received_at)
    overrides = read_overrides(intake.engine, contract)
    clocks = DeviceClocks()
    frame = pl.concat(
        intake.conform(contract, apply_overrides(raw, overrides), at, None, clocks).frame
        for raw, at in read(payload, contract)
    )
    repeats, refused, replayed = _places(intake.engine, row)
    frame = frame.filter(~pl.col("_row").is_in(repeats)) if repeats else frame
    if replayed:
        frame = frame.filter(pl.col("_row").is_in(replayed))
    elif frame.height > row.rows_landed and refused:  # a newer contract accepts what was refused then
        frame = frame.filter(~pl.col("_row").is_in(refused))
    return frame.with_columns(pl.lit(row.batch_id).alias("_batch_id"))


def _places(engine: sa.Engine, batch: sa.Row[Any]) -> tuple[list[str], list[str], list[str]]:
    """Row places that landing left out as repeats, that were refused, and that a replay batch holds alone.

    A replay batch of frames has bytes of its own, all of which are its rows.
    """
    q = ops.quarantine.c
    batch_id = batch.batch_id
    is_replay = sa.and_(q.replayed_batch_id == batch_id, q.archive_sha256 == batch.archive_sha256)
    with engine.connect() as connection:
        rows = connection.execute(
            sa.select(q.locator, q.grain, q.outcome, q.expected, q.replayed_batch_id).where(
                sa.or_(q.batch_id == batch_id, is_replay)
            )
        ).all()
    repeats = [r.locator for r in rows if r.expected == landing.NOT_LANDED_BEFORE and r.grain == "row"]
    repeats += [place for r in rows if landing.is_listing(r.grain, r.expected) for place in r.locator.split()]
    refused = [r.locator for r in rows if r.outcome == "quarantined" and r.grain == "row"]
    replayed = [r for r in rows if r.replayed_batch_id == batch_id]
    whole = any(r.grain != "row" for r in replayed)
    return repeats, refused, [] if whole else [r.locator for r in replayed]


def _live_rows(engine: sa.Engine, batch_id: str) -> dict[str, int]:
    """Rows by Beijing day of the batch's live files."""
    query = sa.select(ops.file.c.landed_on, ops.file.c.rows).where(
        ops.file.c.batch_id == batch_id, ops.file.c.state == "live"
    )
    with engine.connect() as connection:
        return {str(row.landed_on): int(row.rows) for row in connection.execute(query)}


def _batch_row(engine: sa.Engine, batch_id: str) -> sa.Row[Any]:
    with engine.connect() as connection:
        return connection.execute(sa.select(ops.batch).where(ops.batch.c.batch_id == batch_id)).one()

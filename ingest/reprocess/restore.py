"""Put landed files back from the encrypted archive, offline, when they are gone from disk or damaged.

The ledger remembers which rows of a batch did not land, so a restored file holds what the lost one held.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import polars as pl
import sqlalchemy as sa

from core.contract import Contract
from core.stages import Payload
from core.store import tables
from core.store.archive import ArchiveError
from core.store.ledger import BatchRow, batch_of
from ingest.conform import DeviceClocks
from ingest.land.files import Damaged, verify_landed, with_landed_on, write_files, writing
from ingest.land.notes import NOT_LANDED_BEFORE, ROWS, is_listing, places_of
from ingest.pull import Intake, apply_overrides, read, read_overrides

log = logging.getLogger(__name__)


class RestoreError(RuntimeError):
    """A live file is lost and cannot be made again; names the file, the batch and what to do."""


@dataclass(frozen=True, slots=True)
class Restored:
    """Batches that were put back, and those that could not be: feed id → why and what to do, and their paths."""

    batches: int
    lost: Mapping[str, str]
    lost_paths: tuple[str, ...]


def restore(intake: Intake, contracts: Mapping[str, Contract], *, only_new: bool = False) -> Restored:
    """Put back every live file that is gone; of those that are there, every one whose digest does not hold.

    `only_new` compares the digests of files alone that no build has read. A feed that cannot come back stops no other.
    """
    damaged = verify_landed(intake.home, intake.engine, only_new=only_new)
    if only_new:
        damaged += _missing(intake, {one.path for one in damaged})
    lost: dict[str, str] = {}
    lost_paths: list[str] = []
    batches = 0
    for batch_id in dict.fromkeys(one.batch_id for one in damaged):
        paths = [one for one in damaged if one.batch_id == batch_id]
        for one in paths:
            log.warning("%s: %s is %s; it is made again from the archive", one.feed_id, one.path, one.found)
        try:
            _restore_batch(intake, contracts, batch_id)
            batches += 1
        except (RestoreError, ArchiveError) as error:
            log.error("%s", error)
            lost[paths[0].feed_id] = str(error)
            lost_paths += [one.path for one in paths]
    return Restored(batches, lost, tuple(lost_paths))


def _missing(intake: Intake, known: Collection[str]) -> list[Damaged]:
    """Files that a build has read and that are gone since: looking for them costs next to nothing."""
    f = tables.file.c
    query = sa.select(f.path, f.batch_id, f.feed_id).where(f.state == "live", f.built_at.is_not(None)).order_by(f.path)
    with intake.engine.connect() as connection:
        rows = connection.execute(query).all()
    return [
        Damaged(row.path, row.batch_id, row.feed_id, "not on disk")
        for row in rows
        if row.path not in known and not (intake.home.landing / str(row.path)).exists()
    ]


def _restore_batch(intake: Intake, contracts: Mapping[str, Contract], batch_id: str) -> None:
    """Write a batch's live files again; the ledger keeps the digests of what was written now."""
    row = _batch_row(intake.engine, batch_id)
    if row.feed_id not in contracts:
        raise RestoreError(f"{row.feed_id}: batch {batch_id} is lost and the feed has no contract; restore a backup")
    contract, expected = contracts[row.feed_id], _live_rows(intake.engine, batch_id)
    stamped = with_landed_on(frame_of(intake, contract, row), contract)
    frame = stamped.filter(pl.col("landed_on").is_in(list(expected))).drop("landed_on")
    if frame.height != sum(expected.values()):
        raise RestoreError(
            f"{row.feed_id}: batch {batch_id}: {frame.height} rows came back from the archive, the ledger has "
            f"{sum(expected.values())}; the contract changed since {row.contract_version}: "
            f"`cityrisk reland {row.feed_id}`, or `cityrisk withdraw {batch_id}`"
        )
    with writing(intake.home):
        written = write_files(intake.home, contract, batch_id, frame)
        with intake.engine.begin() as connection:
            for file in written:
                again = sa.update(tables.file).where(tables.file.c.path == str(file.path))
                connection.execute(again.values(bytes=file.bytes, sha256=file.sha256))


def frame_of(intake: Intake, contract: Contract, row: BatchRow) -> pl.DataFrame:
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


def _places(engine: sa.Engine, batch: BatchRow) -> tuple[list[str], list[str], list[str]]:
    """Row places that landing left out as repeats, that were refused, and that a replay batch holds alone.

    A replay batch of frames has bytes of its own, all of which are its rows.
    """
    q = tables.quarantine.c
    batch_id = batch.batch_id
    is_replay = sa.and_(q.replayed_batch_id == batch_id, q.archive_sha256 == batch.archive_sha256)
    with engine.connect() as connection:
        rows = connection.execute(
            sa.select(q.locator, q.grain, q.outcome, q.expected, q.replayed_batch_id).where(
                sa.or_(q.batch_id == batch_id, is_replay)
            )
        ).all()
    told = [(r, places_of(r.grain, r.locator)) for r in rows]
    repeats = [place for r, places in told if r.expected == NOT_LANDED_BEFORE for place in places]
    repeats += [place for r in rows if is_listing(r.grain, r.expected) for place in r.locator.split()]
    refused = [place for r, places in told if r.outcome == "quarantined" for place in places]
    replayed = [(r, places) for r, places in told if r.replayed_batch_id == batch_id]
    whole = any(r.grain not in ("row", ROWS) for r, _ in replayed)
    return repeats, refused, [] if whole else [place for _, places in replayed for place in places]


def _live_rows(engine: sa.Engine, batch_id: str) -> dict[str, int]:
    """Rows by Beijing day of the batch's live files."""
    query = sa.select(tables.file.c.landed_on, tables.file.c.rows).where(
        tables.file.c.batch_id == batch_id, tables.file.c.state == "live"
    )
    with engine.connect() as connection:
        return {str(row.landed_on): int(row.rows) for row in connection.execute(query)}


def _batch_row(engine: sa.Engine, batch_id: str) -> BatchRow:
    with engine.connect() as connection:
        row = batch_of(connection, batch_id)
    if row is None:
        raise RestoreError(f"batch {batch_id} is not in the ledger, though files or a merge name it; restore a backup")
    return row

"""Landed files: Parquet by Beijing day, digests, and what a crash left.

A file means nothing until a ledger row names it. A crash in between leaves orphans, which `sweep_orphans` removes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import sqlalchemy as sa

from core.civil_time import CIVIL_ZONE_NAME
from core.contract import Contract
from core.settings import Home
from core.stages import LandedFile
from core.store import tables

WITHDRAWN_FILE = "withdrawn"


@dataclass(frozen=True, slots=True)
class Damaged:
    """A live file that cannot be read as it was written."""

    path: str
    batch_id: str
    feed_id: str
    found: str


@contextmanager
def writing(home: Home, *, alone: bool = False) -> Iterator[None]:
    """Hold the landing folder from a file's writing to its ledger row; `alone` waits until nobody writes.

    Several processes land at the same time (a batch, intake, the push door), and one of them sweeps.
    """
    home.root.mkdir(parents=True, exist_ok=True)
    with (home.root / "landing.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


def with_landed_on(frame: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """Add `landed_on`: the Beijing day of the event, or of receipt for registers."""
    column = contract.event_time.landed_name if contract.event_time else "_received_at"
    day = pl.col(column).dt.convert_time_zone(CIVIL_ZONE_NAME).dt.date().cast(pl.String)
    return frame.with_columns(day.alias("landed_on"))


def write_files(home: Home, contract: Contract, batch_id: str, frame: pl.DataFrame) -> tuple[LandedFile, ...]:
    """Write one Parquet file per Beijing day under a name that only this batch uses.

    Rows that already carry a `_batch_id` (of the batches that a compaction merges) keep it.
    """
    files = []
    if "_batch_id" not in frame.columns:
        frame = frame.with_columns(pl.lit(batch_id).alias("_batch_id"))
    stamped = with_landed_on(frame, contract)
    for (day,), part in sorted(stamped.partition_by("landed_on", as_dict=True, include_key=False).items()):
        relative = Path(contract.department_code) / contract.feed / str(day) / f"{batch_id}.parquet"
        path = home.landing / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        part.write_parquet(partial, compression="zstd", compression_level=1)
        os.replace(partial, path)
        files.append(LandedFile(relative, str(day), part.height, path.stat().st_size, digest_of(path)))
    return tuple(files)


def digest_of(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify_landed(home: Home, engine: sa.Engine, *, only_new: bool = False) -> list[Damaged]:
    """Live files that are not on disk, or are not what was written; `only_new`: those that no build has read yet.

    Of 400 single flipped bits in a Parquet file 37 read silently as other values, so that a digest has to tell.
    """
    f = tables.file.c
    query = sa.select(f.path, f.batch_id, f.feed_id, f.sha256).where(f.state == "live").order_by(f.path)
    if only_new:
        query = query.where(f.built_at.is_(None))
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    found = []
    for row in rows:
        path = home.landing / str(row.path)
        if not path.exists():
            found.append(Damaged(row.path, row.batch_id, row.feed_id, "not on disk"))
        elif row.sha256 is not None and digest_of(path) != row.sha256:
            found.append(Damaged(row.path, row.batch_id, row.feed_id, "not what was written: its digest differs"))
    return found


def sweep_orphans(home: Home, engine: sa.Engine) -> list[Path]:
    """Remove files that no ledger row names, which a crash before committing left, and those of withdrawn batches."""
    with writing(home, alone=True):
        with engine.connect() as connection:
            counted = sa.select(tables.file.c.path).where(tables.file.c.state != WITHDRAWN_FILE)
            known = {path for (path,) in connection.execute(counted)}
        orphans = [p for p in home.landing.rglob("*") if p.is_file() and str(p.relative_to(home.landing)) not in known]
        for path in orphans:
            path.unlink()
    return orphans

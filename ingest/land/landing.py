"""Land conformed rows: Parquet files by Beijing day, and one ledger transaction that makes them live.

Files are written first and mean nothing until the transaction commits; a crash in between leaves orphans, which
`sweep_orphans` removes. Not here: fetching (`ingest.pull`), admission (`quality.admit`), compaction
(`ingest.land.compact`).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import polars as pl
import sqlalchemy as sa

from core.civil_time import CIVIL_ZONE_NAME
from core.contract import Contract
from core.settings import Home
from core.stages import Batch, Landed, LandedFile, Note, Payload
from core.store import tables
from core.store.landed import live_files
from ingest.places import pack_places, unpack_places

WITHDRAWN_FILE = "withdrawn"
NOT_LANDED_BEFORE = "a row that has not landed before"
LAST_WORD = "the last word on its key"
ROWS = "rows"  # the grain of a note on many rows, whose locator is their packed places
NOTES_A_REASON = 1_000  # rows of a batch that get a note of their own for one reason and column


@dataclass(frozen=True, slots=True)
class Damaged:
    """A live file that cannot be read as it was written."""

    path: str
    batch_id: str
    feed_id: str
    found: str


def batch_id_of(feed_id: str, archive_sha256: str, variant: str = "") -> str:
    """The same bytes of the same feed are the same batch, whatever the file was called."""
    return hashlib.sha256(f"{feed_id}\0{archive_sha256}\0{variant}".encode()).hexdigest()[:32]


@contextmanager
def writing(home: Home, *, alone: bool = False) -> Iterator[None]:
    """Hold the landing folder from a file's writing to its ledger row; `alone` waits until nobody writes.

    Several processes land at the same time (a batch, intake, the push door), and one of them sweeps.
    """
    home.root.mkdir(parents=True, exist_ok=True)
    with (home.root / "landing.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


def source_ref_of(payload_ref: str, locator: str, is_file: bool) -> str:
    """Where a person looks: `file:line` for files, the key itself for rows of services and databases."""
    name = payload_ref.rsplit("/", 1)[-1] if is_file else payload_ref
    if not locator:
        return name
    return f"{name}:{locator}" if is_file else locator


def with_landed_on(frame: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """Add `landed_on`: the Beijing day of the event, or of receipt for registers."""
    column = contract.event_time.landed_name if contract.event_time else "_received_at"
    day = pl.col(column).dt.convert_time_zone(CIVIL_ZONE_NAME).dt.date().cast(pl.String)
    return frame.with_columns(day.alias("landed_on"))


def split_duplicates(
    frame: pl.DataFrame, contract: Contract, landed: Sequence[Path]
) -> tuple[pl.DataFrame, list[Note]]:
    """Take out rows that already stand in `landed` files with the same key and the same values.

    A row with a known key and other values is a correction and stays: the newest wins in staging.
    """
    if not landed or frame.is_empty():
        return frame, []
    names = [c.landed_name for c in contract.landed_columns]
    key = list(contract.key)
    known = (
        pl.scan_parquet(list(landed), missing_columns="insert", extra_columns="ignore")
        .select(names)
        .join(frame.lazy().select(key).unique(), on=key, how="semi")
        .collect()
    )
    again = frame.join(known.unique(), on=names, how="semi", nulls_equal=True).select("_row")
    notes = [
        Note("duplicate", "row", "ignored", place, expected=NOT_LANDED_BEFORE) for place in again["_row"].to_list()
    ]
    return frame.join(again, on="_row", how="anti"), notes


def split_superseded(frame: pl.DataFrame, contract: Contract) -> tuple[pl.DataFrame, list[str]]:
    """Take out rows whose key a later row of the frame has, and say their places: one batch says a key once."""
    key = [contract.column(name).landed_name for name in contract.key]
    is_last = frame.select(last=pl.struct(key).is_last_distinct())["last"]
    if is_last.all():
        return frame, []
    return frame.filter(is_last), frame.filter(~is_last)["_row"].to_list()


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


def land(
    home: Home,
    engine: sa.Engine,
    contract: Contract,
    batch: Batch,
    payload: Payload,
    archive_sha256: str,
    run_id: str,
    *,
    is_new: bool = False,
) -> Landed:
    """Write a batch's files and make them live, with its notes and the feed's cursor, in one transaction.

    `is_new` says that rows which landed before are already out, so that no landed file is read.
    """
    frame, notes = batch.frame, list(batch.notes)
    if contract.snapshot == "incremental" and not frame.is_empty() and not is_new:
        days = None if contract.is_register else with_landed_on(frame, contract)["landed_on"].unique().to_list()
        frame, repeats = split_duplicates(frame, contract, live_files(engine, home, contract.id, days))
        notes += repeats
    with writing(home):
        files = write_files(home, contract, batch.batch_id, frame) if not frame.is_empty() else ()
        landed = landed_of(replace(batch, frame=frame, notes=tuple(notes)), files)
        with engine.begin() as connection:
            record(connection, contract, landed, notes, payload, archive_sha256, run_id)
            move_cursor(connection, contract.id, payload.cursor, payload.received_at)
    return landed


def landed_of(batch: Batch, files: tuple[LandedFile, ...]) -> Landed:
    """What the ledger says of a batch whose files are written."""
    return Landed(
        batch_id=batch.batch_id,
        feed_id=batch.feed_id,
        files=files,
        rows_in=batch.rows_in,
        rows_landed=batch.frame.height,
        rows_quarantined=_rows(batch.notes, "quarantined"),
        rows_ignored=_rows(batch.notes, "ignored"),
    )


def record(
    connection: sa.Connection,
    contract: Contract,
    landed: Landed,
    notes: Sequence[Note],
    payload: Payload,
    archive_sha256: str,
    run_id: str,
    *,
    state: str | None = None,
    is_told: bool = True,
) -> None:
    """Make a written batch live with its notes; `state` when checks have judged it, `is_told`: LIVE hears of it."""
    _record_batch(connection, contract, landed, payload, archive_sha256, run_id, state)
    _record_notes(connection, contract, landed.batch_id, notes, payload, archive_sha256)
    if is_told and landed.files and not contract.is_stream and not contract.is_register:
        connection.execute(sa.insert(tables.live_waiting).values(batch_id=landed.batch_id))


def record_resent(engine: sa.Engine, contract: Contract, payload: Payload, batch_id: str, sha256: str) -> None:
    """Note that the same bytes came again, and move on. Only files are worth a note: services repeat by nature."""
    notes = [Note("resent_file", "file", "ignored", "")] if contract.server.kind == "files" else []
    with engine.begin() as connection:
        _record_notes(connection, contract, batch_id, notes, payload, sha256)
        move_cursor(connection, contract.id, payload.cursor, payload.received_at)


def is_known(engine: sa.Engine, batch_id: str) -> bool:
    """Whether a batch with these bytes was already looked at."""
    with engine.connect() as connection:
        return connection.execute(sa.select(tables.batch.c.batch_id).filter_by(batch_id=batch_id)).first() is not None


def newest_sha256(engine: sa.Engine, feed_id: str) -> str | None:
    """Content hash of the batch that came last, None when there is none."""
    b = tables.batch.c
    query = sa.select(b.archive_sha256).where(b.feed_id == feed_id, b.media != "compaction")
    with engine.connect() as connection:
        return connection.execute(query.order_by(b.received_at.desc()).limit(1)).scalar()


def move_cursor(connection: sa.Connection, feed_id: str, value: str | None, at: datetime) -> None:
    """Set where the feed's next pull starts; None leaves it."""
    if value is None:
        return
    connection.execute(sa.delete(tables.cursor).where(tables.cursor.c.feed_id == feed_id))
    connection.execute(sa.insert(tables.cursor).values(feed_id=feed_id, value=value, moved_at=at))


def read_cursor(engine: sa.Engine, feed_id: str) -> str | None:
    """Where the feed's next pull starts, None at the very first."""
    with engine.connect() as connection:
        return connection.execute(sa.select(tables.cursor.c.value).where(tables.cursor.c.feed_id == feed_id)).scalar()


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


def is_listing(grain: str, expected: str | None) -> bool:
    """Whether such a note's locator lists row places, separated by blanks: those that a stream's batch left out."""
    return grain == "batch" and expected in (NOT_LANDED_BEFORE, LAST_WORD)


def listing(reason: str, expected: str, places: Sequence[str]) -> list[Note]:
    """One note for all rows that a stream's batch left out for a reason; none when there are none."""
    return [Note(reason, "batch", "ignored", " ".join(places), None, None, expected, len(places))] if places else []


def places_of(grain: str, locator: str) -> list[str]:
    """The row places that a note of the ledger stands for: one, or many; none of a batch or a file."""
    if grain == ROWS:
        return list(unpack_places(locator))
    return [locator] if grain == "row" else []


def drawn_together(notes: Sequence[Note]) -> list[Note]:
    """Notes for the ledger: of rows with one reason and column the first thousand, and one note for all the others.

    What was found in the others is in the archived bytes; their places are kept, so that restore and replay know them.
    """
    kept: list[Note] = []
    more: dict[tuple[object, ...], list[Note]] = {}
    seen: Counter[tuple[object, ...]] = Counter()
    for note in notes:
        kind = (note.reason, note.outcome, note.column, note.expected)
        seen[kind] += note.grain == "row"
        if note.grain == "row" and seen[kind] > NOTES_A_REASON:
            more.setdefault(kind, []).append(note)
        else:
            kept.append(note)
    for rest in more.values():
        packed = pack_places(note.locator for note in rest)
        kept.append(replace(rest[0], grain=ROWS, locator=packed, found=None, n_rows=len(rest), alarm=None))
    return kept


def _rows(notes: Iterable[Note], outcome: str) -> int:
    return sum(note.n_rows for note in notes if note.outcome == outcome)


def _record_batch(
    connection: sa.Connection,
    contract: Contract,
    landed: Landed,
    payload: Payload,
    sha256: str,
    run_id: str,
    state: str | None,
) -> None:
    connection.execute(
        sa.insert(tables.batch).values(
            batch_id=landed.batch_id,
            feed_id=contract.id,
            contract_version=contract.version,
            source_ref=payload.source_ref,
            media=payload.media,
            archive_sha256=sha256,
            received_at=payload.received_at,
            rows_in=landed.rows_in,
            rows_landed=landed.rows_landed,
            rows_quarantined=landed.rows_quarantined,
            rows_ignored=landed.rows_ignored,
            state=state or ("landed" if landed.files else "rejected"),
            run_id=run_id,
        )
    )
    if landed.files:
        connection.execute(
            sa.insert(tables.file),
            [
                {
                    "path": str(f.path),
                    "batch_id": landed.batch_id,
                    "feed_id": contract.id,
                    "landed_on": f.landed_on,
                    "rows": f.rows,
                    "bytes": f.bytes,
                    "state": "live",
                    "sha256": f.sha256,
                }
                for f in landed.files
            ],
        )


def _record_notes(
    connection: sa.Connection,
    contract: Contract,
    batch_id: str,
    notes: Sequence[Note],
    payload: Payload,
    archive_sha256: str,
) -> None:
    if not notes:
        return
    # Of RAW a sequence says enough; what never came there is named by the door that it came to.
    is_named = contract.server.kind == "files" or (contract.is_stream and not payload.source_ref.startswith("raw:"))
    connection.execute(
        sa.insert(tables.quarantine),
        [
            {
                "feed_id": contract.id,
                "batch_id": batch_id,
                "reason": note.reason,
                "grain": note.grain,
                "outcome": note.outcome,
                "source_ref": source_ref_of(
                    payload.source_ref,
                    "" if note.grain == ROWS or is_listing(note.grain, note.expected) else note.locator,
                    is_named,
                ),
                "locator": note.locator,
                "column_name": note.column,
                "found": note.found,
                "expected": note.expected,
                "n_rows": note.n_rows,
                "archive_sha256": archive_sha256,
                "contract_version": contract.version,
                "at": payload.received_at,
            }
            for note in (notes if contract.is_stream else drawn_together(notes))  # intake bounds its own
        ],
    )

"""The one way into the landing zone: `accept` keeps personal values, leaves out repeats, writes files, makes them live.

Files are written first and mean nothing until one ledger transaction commits: the batch, its files, what was found in
it, the feed's cursor, the place in the queue for LIVE, and whatever the caller must have done together with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import sqlalchemy as sa

from core.contract import Contract
from core.settings import Home
from core.stages import Batch, Landed, LandedFile, Note, Payload
from core.store import ledger, tables
from core.store.landed import live_files
from core.store.vault import Vault
from ingest.conform.rows import LAST_WORD
from ingest.land.files import with_landed_on, write_files, writing
from ingest.land.notes import NOT_LANDED_BEFORE, left_out, record_notes
from ingest.land.repeats import split_duplicates, split_superseded


@dataclass(frozen=True, slots=True)
class LandingZone:
    """Where batches land. `vault` keeps clear personal values; without it no batch may have any."""

    home: Home
    engine: sa.Engine
    vault: Vault | None = None


@dataclass(frozen=True, slots=True)
class Recognized:
    """Repeats that whoever remembers a feed's rows has taken out already; only of `unknown_days` nothing is known."""

    places: Sequence[str] = ()
    unknown_days: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class LandingRequest:
    """A conformed batch, where it came from, and what belongs into the same transaction.

    `payload` names the source and moves the cursor; `state` is that of a batch with files, of which LIVE hears unless
    `is_history`; `together` is done in the transaction, also when the batch had landed before.
    """

    contract: Contract
    batch: Batch
    payload: Payload
    archive_sha256: str
    run_id: str
    recognized: Recognized | None = None
    state: str = "landed"
    is_history: bool = False
    together: Callable[[sa.Connection], None] | None = None


def accept(zone: LandingZone, request: LandingRequest) -> Landed | None:
    """Land a batch once. None when the ledger has it already: then only its cursor moves and `together` is done.

    Raises what disk and ledger raise; then nothing of the batch is live.
    """
    if not ledger.is_known(zone.engine, request.batch.batch_id):
        return accept_all(zone, [request])[0]
    with zone.engine.begin() as connection:
        _finish(connection, request)
    return None


def accept_all(
    zone: LandingZone,
    requests: Iterable[LandingRequest],
    *,
    replacing: bool = False,
    together: Callable[[sa.Connection], None] | None = None,
) -> list[Landed]:
    """Land new batches of one feed in one transaction, each compared with those before it; all of them or none.

    `replacing`: `together` takes back what is live, so that nothing of it makes a row a repeat. Requests are taken one
    by one, so that a feed's whole history need not be in memory.
    """
    earlier: list[LandedFile] = []
    written: list[tuple[LandingRequest, Landed]] = []
    with writing(zone.home):
        for request in requests:
            batch = _without_repeats(zone, request, earlier, replacing=replacing)
            _keep_secrets(zone, batch)
            files = (
                () if batch.frame.is_empty() else write_files(zone.home, request.contract, batch.batch_id, batch.frame)
            )
            earlier += files
            written.append((_without_rows(request, batch), _landed(batch, files)))
        with zone.engine.begin() as connection:
            for request, landed in written:
                _record(connection, request, landed)
                _finish(connection, request)
            if together is not None:
                together(connection)
    return [landed for _, landed in written]


def record_resent(zone: LandingZone, contract: Contract, payload: Payload, batch_id: str, sha256: str) -> None:
    """Note that the same bytes came again, and move on. Only files are worth a note: services repeat by nature."""
    notes = [Note("resent_file", "file", "ignored", "")] if contract.server.kind == "files" else []
    with zone.engine.begin() as connection:
        record_notes(connection, contract, batch_id, notes, payload, sha256)
        ledger.move_cursor(connection, contract.id, payload.cursor, payload.received_at)


def _without_repeats(
    zone: LandingZone, request: LandingRequest, earlier: Sequence[LandedFile], *, replacing: bool
) -> Batch:
    """The batch with one row a key, none of which has landed, and notes on those that were left out.

    The last word of the batch is found first: a value that returns to what landed is no correction of it.
    """
    contract, batch, known = request.contract, request.batch, request.recognized
    frame, repeats, superseded = batch.frame, list(known.places if known else ()), list[str]()
    if batch.n_tables > 1 and not frame.is_empty():
        frame, superseded = split_superseded(frame, contract)
    if contract.snapshot == "incremental" and not frame.is_empty() and (known is None or known.unknown_days):
        landed = _landed_before(zone, contract, frame, known, earlier, replacing=replacing)
        frame, more = split_duplicates(frame, contract, landed)
        repeats += more
    notes = (
        *batch.notes,
        *left_out(contract, "duplicate", NOT_LANDED_BEFORE, repeats),
        *left_out(contract, "superseded", LAST_WORD, superseded),
    )
    return replace(batch, frame=frame, notes=notes)


def _landed_before(
    zone: LandingZone,
    contract: Contract,
    frame: pl.DataFrame,
    known: Recognized | None,
    earlier: Sequence[LandedFile],
    *,
    replacing: bool,
) -> list[Path]:
    """The files in which a batch's rows may stand already: of registers all, else those of its days.

    A held batch may be taken back, and must not take with it the same rows of the delivery that replaces it.
    """
    days: set[str] | None = None
    if not contract.is_register:
        days = set(with_landed_on(frame, contract)["landed_on"].unique())
        days &= known.unknown_days if known else days
    live: list[Path] = []
    if not replacing:
        wanted = None if days is None else sorted(days)
        live = live_files(zone.engine, zone.home, contract.id, wanted, but_held=True)
    return live + [zone.home.landing / one.path for one in earlier if days is None or one.landed_on in days]


def _keep_secrets(zone: LandingZone, batch: Batch) -> None:
    if not batch.secrets:
        return
    if zone.vault is None:
        raise ValueError(f"{batch.feed_id}: batch {batch.batch_id} has personal values and the zone has no vault")
    zone.vault.keep(batch.secrets)


def _without_rows(request: LandingRequest, batch: Batch) -> LandingRequest:
    """What the ledger needs of a request whose files are written."""
    batch = replace(batch, frame=pl.DataFrame(), secrets={})
    return replace(request, batch=batch, payload=replace(request.payload, body=b""))


def _landed(batch: Batch, files: tuple[LandedFile, ...]) -> Landed:
    """What the ledger says of a batch whose files are written."""
    return Landed(
        batch_id=batch.batch_id,
        feed_id=batch.feed_id,
        files=files,
        rows_in=batch.rows_in,
        rows_landed=batch.frame.height,
        rows_quarantined=sum(note.n_rows for note in batch.notes if note.outcome == "quarantined"),
        rows_ignored=sum(note.n_rows for note in batch.notes if note.outcome == "ignored"),
    )


def _record(connection: sa.Connection, request: LandingRequest, landed: Landed) -> None:
    """The batch, its files and what was found in it; LIVE is to hear of rows that it has not had."""
    contract, payload = request.contract, request.payload
    row = ledger.BatchRow(
        batch_id=landed.batch_id,
        feed_id=contract.id,
        contract_version=contract.version,
        source_ref=payload.source_ref,
        media=payload.media,
        archive_sha256=request.archive_sha256,
        received_at=payload.received_at,
        rows_in=landed.rows_in,
        rows_landed=landed.rows_landed,
        rows_quarantined=landed.rows_quarantined,
        rows_ignored=landed.rows_ignored,
        state=request.state if landed.files else "rejected",
        run_id=request.run_id,
    )
    ledger.add_batch(connection, row, [live_file(landed.batch_id, contract, one) for one in landed.files])
    record_notes(connection, contract, landed.batch_id, request.batch.notes, payload, request.archive_sha256)
    if landed.files and not (request.is_history or contract.is_stream or contract.is_register):
        connection.execute(sa.insert(tables.live_waiting).values(batch_id=landed.batch_id))


def live_file(batch_id: str, contract: Contract, file: LandedFile) -> ledger.FileRow:
    """The ledger row that makes a written file live."""
    return ledger.FileRow(
        path=str(file.path),
        batch_id=batch_id,
        feed_id=contract.id,
        landed_on=file.landed_on,
        rows=file.rows,
        bytes=file.bytes,
        state="live",
        sha256=file.sha256,
    )


def _finish(connection: sa.Connection, request: LandingRequest) -> None:
    """What a landing has done for others: the next pull starts behind it, and the caller's own part."""
    ledger.move_cursor(connection, request.contract.id, request.payload.cursor, request.payload.received_at)
    if request.together is not None:
        request.together(connection)

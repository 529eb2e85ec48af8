"""Walk one feed from its department to the ledger: connect → archive → parse → conform → land.

A failed feed never stops another: every pull ends as one `fetch_outcome` row that says what happened.
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import polars as pl
import sqlalchemy as sa

from core.boundaries import load_areas
from core.contract import Contract
from core.geo import AreaIndex
from core.settings import ARCHIVE_KEY, HASH_KEY, Home, SettingsError
from core.stages import Batch, Landed, Note, Payload, RawTable
from core.store import ledger, tables
from core.store.archive import Archive
from core.store.keys import checked_key
from core.store.landed import live_files
from core.store.refusal import why_refused
from core.store.vault import Vault
from core.stream.bundle import ticks
from core.stream.live import instant
from ingest.conform import ConformContext, Conformed, DeviceClocks, conform
from ingest.connect import TROUBLES, ConnectError, cursor_at, pull
from ingest.connect.ahead import ahead
from ingest.connect.hosts import UnansweringHosts
from ingest.land.accept import LandingRequest, LandingZone, accept, record_resent
from ingest.parse import FileFault, parse
from ingest.parse.apart import parse_apart
from ingest.parse.frames import is_bundle

log = logging.getLogger(__name__)

DETAIL_LENGTH = 2000
LANDINGS = 2  # payloads of one run that are parsed and landed at a time: each may take many times its bytes


# Results of a pull that did not come through: our own crash, and what a department's trouble may be.
FAILURES: tuple[str, ...] = ("failed", "not_configured", *TROUBLES)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one pull of one feed ended."""

    feed_id: str
    result: str  # landed, nothing_new, rejected, failed, or a Trouble; would_land, would_reject of a dry pull
    payloads: int
    rows_landed: int
    rows_quarantined: int
    detail: str


@dataclass(frozen=True, slots=True)
class Intake:
    """What every pull of one run shares: stores, keys and areas."""

    home: Home
    engine: sa.Engine
    archive: Archive
    vault: Vault
    hash_key: bytes
    areas: AreaIndex
    run_id: str
    now: Callable[[], datetime]
    hosts: UnansweringHosts = field(default_factory=UnansweringHosts)
    landings: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(LANDINGS))

    def take(self, contract: Contract, payload: Payload) -> Landed | None:
        """Archive, parse, conform and land one payload. None when the same bytes were landed before."""
        sha256 = self.archive.put(payload.body)
        batch_id = ledger.batch_id_of(contract.id, sha256)
        if contract.snapshot == "full" and ledger.newest_sha256(self.engine, contract.id) != sha256:
            # the present state of all objects: what was said before last may be true again, by a file as by a service
            batch_id = ledger.batch_id_of(contract.id, sha256, payload.received_at.isoformat())
        elif contract.snapshot == "full" or ledger.is_known(self.engine, batch_id):
            record_resent(self.zone, contract, payload, batch_id, sha256)
            return None
        batch = self.shape(contract, payload, batch_id)
        return accept(self.zone, LandingRequest(contract, batch, payload, sha256, self.run_id))

    @property
    def zone(self) -> LandingZone:
        """Where it lands."""
        return LandingZone(self.home, self.engine, self.vault)

    def shape(self, contract: Contract, payload: Payload, batch_id: str) -> Batch:
        """Parse and conform a payload; a file that is lost as a whole becomes an empty batch with its reason."""
        try:
            parsed = read(payload, contract)
        except FileFault as fault:
            note = Note(fault.reason, "file", "quarantined", "", found=fault.detail)
            return Batch(batch_id, contract.id, pl.DataFrame(), (note,), rows_in=0)
        overrides, places = read_overrides(self.engine, contract), known_places(self, contract)
        clocks = DeviceClocks()
        shaped = [self.conform(contract, apply_overrides(raw, overrides), at, places, clocks) for raw, at in parsed]
        return Batch(
            batch_id,
            contract.id,
            pl.concat([one.frame for one in shaped]),
            tuple(note for one in shaped for note in one.notes),
            sum(raw.frame.height for raw, _ in parsed),
            {hash_: clear for one in shaped for hash_, clear in one.secrets.items()},
            n_tables=len(shaped),
        )

    def conform(
        self,
        contract: Contract,
        raw: RawTable,
        received_at: datetime,
        places: pl.DataFrame | None,
        clocks: DeviceClocks,
    ) -> Conformed:
        """Conform with the places that the feed's objects are known to have; None asks for no comparison."""
        context = ConformContext(received_at, self.hash_key, self.areas, places, clocks)
        shaped = conform(raw, contract, context)
        return replace(shaped, notes=(*raw.notes, *shaped.notes))


def open_intake(home: Home, engine: sa.Engine, run_id: str, now: Callable[[], datetime]) -> Intake:
    """Everything a pull needs, opened once. Raises SettingsError when a key is missing or not this home's."""
    key = checked_key(home, engine, ARCHIVE_KEY)
    archive, vault = Archive(home.archive, key), Vault(engine, key)
    return Intake(home, engine, archive, vault, checked_key(home, engine, HASH_KEY), load_areas(), run_id, now)


def pull_feed(
    intake: Intake, contract: Contract, payloads: Iterable[Payload] | None = None, since: datetime | None = None
) -> Outcome:
    """Pull one feed to the end of what is new, and record how it went. Never raises for a feed's own trouble.

    `payloads` replaces the connector: a single file given by hand. `since` asks the department again from that
    instant on and leaves the cursor where it is; rows that landed before are recognised.
    """
    started = intake.now()
    seen, landed, quarantined = 0, 0, 0
    result, detail = "nothing_new", ""
    try:
        if payloads is None:
            payloads = ahead(_from_department(intake, contract, since))
        for payload in payloads:
            seen += 1
            with intake.landings:
                done = intake.take(contract, payload)
            if done is not None:
                landed += done.rows_landed
                quarantined += done.rows_quarantined
                result, said = _judged(intake, payload, done, result)
                detail = "; ".join(filter(None, (detail, said)))[:DETAIL_LENGTH]
    except ConnectError as error:
        result, detail = error.trouble, str(error)
    except SettingsError as error:
        result, detail = "not_configured", str(error)
    except Exception as error:  # recorded as our fault: one feed's crash must not stop the other departments
        result, detail = "failed", "".join(traceback.format_exception_only(error)).strip()
        log.exception("%s: pull failed", contract.id)
    outcome = Outcome(contract.id, result, seen, landed, quarantined, detail)
    _record(intake, outcome, started)
    return outcome


def _judged(intake: Intake, payload: Payload, done: Landed, result: str) -> tuple[str, str]:
    """How a pull stands after one more payload: what was delivered last counts, a refused one is named.

    Repeats alone are nothing new and no refusal.
    """
    if done.files:
        return "landed", ""
    if not done.rows_quarantined:
        return ("landed" if result == "landed" else "nothing_new"), ""
    return "rejected", f"{payload.source_ref} refused: {why_refused(intake.engine, done.batch_id)}"


@dataclass(frozen=True, slots=True)
class DryPull:
    """What a pull would do, and everything that it found in the rows."""

    outcome: Outcome
    notes: tuple[Note, ...]


def dry_pull(
    intake: Intake, contract: Contract, payloads: Iterable[Payload] | None = None, since: datetime | None = None
) -> DryPull:
    """Fetch and conform a feed, land and remember nothing: what a pull would do. Never raises for the feed's trouble.

    The outcome's result is `would_land`, `would_reject` when no row would land of those that came, `nothing_new`, or
    what the connector failed with.
    """
    seen, good, notes = 0, 0, list[Note]()
    result, detail = "nothing_new", ""
    try:
        for payload in payloads if payloads is not None else _from_department(intake, contract, since):
            seen += 1
            batch = intake.shape(contract, payload, "dry")
            good += batch.frame.height
            notes += batch.notes
    except ConnectError as error:
        result, detail = error.trouble, str(error)
    except SettingsError as error:
        result, detail = "not_configured", str(error)
    else:
        detail = f"{seen} payloads read, nothing written"
    bad = sum(note.n_rows for note in notes if note.outcome == "quarantined")
    if result == "nothing_new" and (good or bad):
        result = "would_land" if good else "would_reject"
    return DryPull(Outcome(contract.id, result, seen, good, bad, detail), tuple(notes))


def _from_department(intake: Intake, contract: Contract, since: datetime | None) -> Generator[Payload]:
    """What the connector gives from the stored cursor on, or again from an instant for feeds that can go back."""
    cursor = ledger.read_cursor(intake.engine, contract.id)
    if since is None or contract.snapshot == "full" or contract.server.kind == "files":
        yield from pull(contract, intake.home, cursor, intake.now, intake.hosts)
        return
    for payload in pull(contract, intake.home, cursor_at(contract, since), intake.now, intake.hosts):
        yield replace(payload, cursor=None)


def read(payload: Payload, contract: Contract) -> list[tuple[RawTable, datetime]]:
    """A payload's tables with their instants of receipt: one, but for a stream's bundle, which has one a tick.

    Raises FileFault for a payload that is lost as a whole.
    """
    if not is_bundle(payload.media):
        return [(parse_apart(payload.body, payload.media, contract), payload.received_at)]
    try:
        parts = list(ticks(payload.body))
    except ValueError as error:
        raise FileFault("truncated_file", str(error)) from error
    return [(parse(body, payload.media, contract), instant(at_us)) for at_us, body in parts]


def known_places(intake: Intake, contract: Contract) -> pl.DataFrame | None:
    """Where a register's objects were last seen: columns id, lon, lat (WGS 84). None for feeds of facts."""
    identity = contract.by_concept("object_id") or contract.by_concept("device_id")
    if not contract.is_register or identity is None or contract.key[0] != identity.name:
        return None
    files = live_files(intake.engine, intake.home, contract.id)
    files = [path for path in files if path.exists()]
    if not files:
        return None
    return (
        pl.scan_parquet(files, missing_columns="insert", extra_columns="ignore")
        .select(pl.col(identity.landed_name).alias("id"), pl.col("_lon").alias("lon"), pl.col("_lat").alias("lat"))
        .drop_nulls()
        .unique("id", keep="last", maintain_order=True)
        .collect()
    )


def read_overrides(engine: sa.Engine, contract: Contract) -> list[tuple[str, str, str]]:
    """A person's replacements for this feed: (department's column, found text, text to use), oldest first."""
    o = tables.override.c
    with engine.connect() as connection:
        rows = connection.execute(
            sa.select(o.column_name, o.found, o.use).where(o.feed_id == contract.id).order_by(o.id)
        ).all()
    physical = {c.name: c.physical_name for c in contract.columns}
    return [(physical[str(name)], str(found), str(use)) for name, found, use in rows if name in physical]


def apply_overrides(raw: RawTable, overrides: list[tuple[str, str, str]]) -> RawTable:
    """Replace whole values before conform, as a person decided."""
    frame = raw.frame
    for column, found, use in overrides:
        if column in frame.columns:
            frame = frame.with_columns(
                pl.when(pl.col(column) == found).then(pl.lit(use)).otherwise(column).alias(column)
            )
    return replace(raw, frame=frame)


def file_payload(contract: Contract, path: Path, now: datetime) -> Payload:
    """One file given by hand (`cityrisk fetch F --file PATH`); leaves the cursor alone."""
    media = contract.server.file_format or path.suffix.removeprefix(".").lower()
    return Payload(contract.id, path.read_bytes(), media, path.name, now)


def _record(intake: Intake, outcome: Outcome, started: datetime) -> None:
    with intake.engine.begin() as connection:
        connection.execute(
            sa.insert(tables.fetch_outcome).values(
                feed_id=outcome.feed_id,
                run_id=intake.run_id,
                started_at=started,
                ended_at=intake.now(),
                result=outcome.result,
                payloads=outcome.payloads,
                rows_landed=outcome.rows_landed,
                rows_quarantined=outcome.rows_quarantined,
                detail=outcome.detail,
            )
        )

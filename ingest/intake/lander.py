"""Land what ticks gathered: archive the raw bytes, write files, one ledger transaction a feed, then the position.

A crash between two feeds' transactions is harmless: each feed knows its own cursor, and the position, from which RAW is
read again, moves last. Runs in a thread beside the ticks and shares nothing with them but what it was handed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl
import sqlalchemy as sa

from core.civil_time import civil_date
from core.contract import Contract
from core.stages import Batch, Landed, Payload
from core.store import tables
from core.store.landed import live_files
from core.stream.bundle import StoredMessage, bundle
from core.stream.streams import RAW
from ingest.intake.seen import value_schema
from ingest.intake.tick import PendingRows, Ticker
from ingest.land import landing
from ingest.parse.frames import medium_of
from ingest.pull import Intake

RUN = "stream"


@dataclass(frozen=True, slots=True)
class Load:
    """Everything up to a RAW sequence that has not landed; `reply` acknowledges it to the broker."""

    position: int
    reply: str
    waiting: Mapping[str, PendingRows]
    messages: Mapping[str, Sequence[StoredMessage]]

    @property
    def rows(self) -> int:
        """Rows in it."""
        return sum(waiting.rows for waiting in self.waiting.values())


def take_load(ticker: Ticker, position: int, reply: str) -> Load:
    """What waits, taken out of the ticker; the next ticks gather anew."""
    load = Load(position, reply, {i: f.waiting for i, f in ticker.feeds.items()}, dict(ticker.messages))
    for feed in ticker.feeds.values():
        feed.waiting = PendingRows()
    ticker.messages.clear()
    return load


class Lander:
    """Lands loads, one after the other. `cursors` say how far each feed has landed."""

    def __init__(self, intake: Intake, contracts: Mapping[str, Contract], cursors: dict[str, int]) -> None:
        self._intake = intake
        self._contracts = contracts
        self.cursors = cursors

    def land(self, load: Load, now: datetime, done: dict[str, Landed]) -> None:
        """Land a load, filling `done`; called again after a failure, it goes on with the feeds that have not landed.

        Raises what disk and ledger raise.
        """
        bundles: dict[tuple[str, int], tuple[str, str]] = {}
        for feed_id in sorted(load.waiting):
            waiting, contract = load.waiting[feed_id], self._contracts[feed_id]
            if waiting.is_empty or self.cursors[feed_id] >= load.position:
                continue
            fresh = [m for m in load.messages[contract.raw_feed] if m.sequence > self.cursors[feed_id]]
            key = (contract.raw_feed, fresh[0].sequence)
            if key not in bundles:
                source = f"raw:{fresh[0].sequence}-{fresh[-1].sequence}"
                bundles[key] = self._intake.archive.put(bundle(fresh)), source
            done[feed_id] = self._land_feed(contract, waiting, load.position, *bundles[key], now)
            self.cursors[feed_id] = load.position
        move_position(self._intake.engine, load.position, now)

    def _land_feed(
        self, contract: Contract, waiting: PendingRows, position: int, sha256: str, source: str, now: datetime
    ) -> Landed:
        intake, repeats, superseded = self._intake, waiting.repeats, list[str]()
        frame = pl.concat(waiting.frames) if waiting.frames else pl.DataFrame()
        if waiting.has_unknown:
            frame, more = _split_unknown(intake, contract, frame, now)
            repeats = repeats + more
        if not frame.is_empty():
            frame, superseded = landing.split_superseded(frame, contract)
        notes = [
            *waiting.all_notes(),
            *landing.listing("duplicate", landing.NOT_LANDED_BEFORE, repeats),
            *landing.listing("superseded", landing.LAST_WORD, superseded),
        ]
        if waiting.secrets:
            intake.vault.keep(waiting.secrets)
        batch_id = landing.batch_id_of(contract.id, sha256)
        batch = Batch(batch_id, contract.id, frame, tuple(notes), waiting.rows_in)
        payload = Payload(contract.id, b"", medium_of(str(contract.server.file_format)), source, now, str(position))
        return landing.land(intake.home, intake.engine, contract, batch, payload, sha256, run_of(now), is_new=True)


def run_of(now: datetime) -> str:
    """The run that batches of an hour belong to: what is held together is judged together again, no more than that."""
    return f"{RUN}-{now:%Y%m%dT%H}"


def read_position(engine: sa.Engine, now: datetime) -> tuple[int, datetime]:
    """How far RAW has landed, and when this home's stream was first opened: now, for a new one.

    A home that opens its stream forgets the batches that landed before: they are history, LIVE starts with today.
    """
    p = tables.stream_position.c
    with engine.begin() as connection:
        row = connection.execute(sa.select(p.sequence, p.opened_at).where(p.stream == RAW)).first()
        if row is not None:
            return int(row.sequence), row.opened_at
        connection.execute(
            sa.insert(tables.stream_position).values(stream=RAW, sequence=0, opened_at=now, moved_at=now)
        )
        connection.execute(sa.delete(tables.live_waiting))
    return 0, now


def move_position(engine: sa.Engine, sequence: int, now: datetime) -> None:
    """Say that everything up to a sequence has landed."""
    p = tables.stream_position.c
    with engine.begin() as connection:
        connection.execute(
            sa.update(tables.stream_position).where(p.stream == RAW).values(sequence=sequence, moved_at=now)
        )


def read_cursors(engine: sa.Engine, feed_ids: Sequence[str]) -> dict[str, int]:
    """How far each feed has landed, 0 for one that never did."""
    return {feed_id: int(landing.read_cursor(engine, feed_id) or 0) for feed_id in feed_ids}


def landed_rows(intake: Intake, contract: Contract, day: date | None) -> pl.DataFrame:
    """The values of what landed of a feed on a Beijing day; of all days when it is None."""
    schema = value_schema(contract)
    files = live_files(intake.engine, intake.home, contract.id, None if day is None else [day.isoformat()])
    files = [path for path in files if path.exists()]
    if not files:
        return pl.DataFrame(schema=schema)
    return (
        pl.scan_parquet(files, schema=schema, missing_columns="insert", extra_columns="ignore")
        .select(list(schema))
        .collect()
    )


def _split_unknown(
    intake: Intake, contract: Contract, frame: pl.DataFrame, now: datetime
) -> tuple[pl.DataFrame, list[str]]:
    """Take out rows of days that no hash is kept for, when they stand in landed files of those days."""
    today = civil_date(now)
    kept = {(today + timedelta(days=n)).isoformat() for n in (-1, 0, 1)}
    days = set(landing.with_landed_on(frame, contract)["landed_on"].unique().to_list()) - kept
    files = live_files(intake.engine, intake.home, contract.id, sorted(days))
    frame, notes = landing.split_duplicates(frame, contract, [path for path in files if path.exists()])
    return frame, [note.locator for note in notes]

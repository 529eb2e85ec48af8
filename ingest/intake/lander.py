"""Land what ticks gathered: archive the raw bytes, write files, one ledger transaction a feed, then the position.

A crash between two feeds' transactions is harmless: each feed knows its own cursor, and the position, from which RAW is
read again, moves last. Runs in a thread beside the ticks and shares nothing with them but what it was handed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl
import sqlalchemy as sa

from core.contract import Contract
from core.stages import Batch, Landed, Payload
from core.store import ledger, tables
from core.store.landed import live_files
from core.stream.bundle import StoredMessage, bundle
from core.stream.streams import RAW
from ingest.intake.tick import PendingRows, Ticker
from ingest.land.accept import LandingRequest, Recognized, accept
from ingest.land.repeats import landed_values
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
            landed = self._land_feed(contract, waiting, load.position, *bundles[key], now)
            if landed is not None:
                done[feed_id] = landed
            self.cursors[feed_id] = load.position
        move_position(self._intake.engine, load.position, now)

    def _land_feed(
        self, contract: Contract, waiting: PendingRows, position: int, sha256: str, source: str, now: datetime
    ) -> Landed | None:
        batch = Batch(
            ledger.batch_id_of(contract.id, sha256),
            contract.id,
            pl.concat(waiting.frames) if waiting.frames else pl.DataFrame(),
            tuple(waiting.all_notes()),
            waiting.rows_in,
            waiting.secrets,
            n_tables=len(waiting.frames),
        )
        payload = Payload(contract.id, b"", medium_of(str(contract.server.file_format)), source, now, str(position))
        recognized = Recognized(waiting.repeats, frozenset(waiting.unknown_days))
        request = LandingRequest(contract, batch, payload, sha256, run_of(now), recognized)
        return accept(self._intake.zone, request)


def run_of(now: datetime) -> str:
    """The run that batches of an hour belong to: what is held together is judged together again, no more than that."""
    return f"{RUN}-{now:%Y%m%dT%H}"


def move_position(engine: sa.Engine, sequence: int, now: datetime) -> None:
    """Say that everything up to a sequence has landed."""
    p = tables.stream_position.c
    with engine.begin() as connection:
        connection.execute(
            sa.update(tables.stream_position).where(p.stream == RAW).values(sequence=sequence, moved_at=now)
        )


def read_cursors(engine: sa.Engine, feed_ids: Sequence[str]) -> dict[str, int]:
    """How far each feed has landed, 0 for one that never did."""
    return {feed_id: int(ledger.read_cursor(engine, feed_id) or 0) for feed_id in feed_ids}


def landed_rows(intake: Intake, contract: Contract, day: date | None) -> pl.DataFrame:
    """The values of what landed of a feed on a Beijing day; of all days when it is None."""
    files = live_files(intake.engine, intake.home, contract.id, None if day is None else [day.isoformat()])
    return landed_values(contract, files).collect()

"""Read frames again that could not be read: a contract may tolerate by now what it did not when they came.

What can be read becomes a bundle of its own and lands in every feed that its stream carries, as if it had come through
RAW; LIVE is for the present and does not hear of it. Frames of devices that may not speak stay where they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl
import sqlalchemy as sa

from core.contract import Contract
from core.stages import Batch, Payload
from core.store import tables
from core.store.ledger import BatchRow, batch_id_of, is_known
from core.store.parts import in_parts
from core.stream.bundle import StoredMessage, bundle, unbundle
from core.stream.live import micros
from core.stream.raw import RawEntry, pack, unpack
from ingest.devices.known import KnownDevices
from ingest.land.accept import LandingRequest, accept
from ingest.parse.frames import BAD_FRAME, JSON, is_bundle
from ingest.protocols import BadFrame, codec
from ingest.pull import Intake

NO_FRAME = "no whole frame of a known device under this contract"
BYTES_GONE = "the bytes are past their retention"


@dataclass(frozen=True, slots=True)
class Replayed:
    """What replaying one batch gave; `why` says in a few words why nothing could land, '' where rows say it."""

    feed_id: str
    batch_id: str
    rows_asked: int
    rows_landed: int
    why: str = ""


def has_frames(source: BatchRow, contract: Contract) -> bool:
    """Whether bad frames of a batch may be read again: JSON that came through RAW never changes its meaning."""
    is_from_raw = source.source_ref.startswith("raw:")
    return is_bundle(source.media) and not (is_from_raw and contract.server.file_format == JSON)


def read_again(intake: Intake, contracts: Mapping[str, Contract], source: BatchRow) -> list[Replayed]:
    """Land what can be read now of a batch's bad frames; empty when it has none that wait."""
    contract = contracts[source.feed_id]
    places = _waiting(intake.engine, source.batch_id)
    if not places:
        return []
    known = KnownDevices(intake.home, intake.engine, contracts)
    known.refresh()
    body = intake.archive.get(source.archive_sha256)
    chosen = {place: entry for place, entry in _entries(body) if place in places and _may_land(contract, known, entry)}
    if not chosen:
        return [Replayed(contract.id, source.batch_id, len(places), 0, NO_FRAME)]
    at_us = micros(source.received_at)
    again = bundle([StoredMessage(at_us, pack(list(chosen.values())), at_us)])
    sha256 = intake.archive.put(again)
    payload = Payload(contract.id, again, source.media, f"{source.source_ref} (replay)", source.received_at)

    def mark(connection: sa.Connection) -> None:
        _mark(connection, source.batch_id, list(chosen), batch_id_of(contract.id, sha256), intake.now())

    done = {contract.id: 0}
    for one in contracts.values():  # a death among them leaves the frames waiting; what landed is known then
        if one.raw_feed == contract.raw_feed and one.id != contract.id:
            done[one.id] = _land(intake, one, replace(payload, feed_id=one.id), sha256)
    done[contract.id] = _land(intake, contract, payload, sha256, mark)
    return [
        Replayed(feed_id, source.batch_id, len(chosen), rows)
        for feed_id, rows in done.items()
        if feed_id == contract.id or rows
    ]


def _land(
    intake: Intake,
    contract: Contract,
    payload: Payload,
    sha256: str,
    together: Callable[[sa.Connection], None] | None = None,
) -> int:
    """Rows that landed, none the second time; `together` is done whatever became of them."""
    batch_id = batch_id_of(contract.id, sha256)
    batch = Batch(batch_id, contract.id, pl.DataFrame(), (), 0)
    if not is_known(intake.engine, batch_id):
        batch = intake.shape(contract, payload, batch_id)
        if batch.frame.is_empty() and not batch.notes:
            if together is not None:
                with intake.engine.begin() as connection:
                    together(connection)
            return 0
    request = LandingRequest(contract, batch, payload, sha256, intake.run_id, together=together)
    landed = accept(intake.zone, request)
    return 0 if landed is None else landed.rows_landed


def _entries(body: bytes) -> Iterator[tuple[str, RawEntry]]:
    for message in unbundle(body):
        for number, entry in enumerate(unpack(message.body)):
            yield f"{message.sequence}.{number}", entry


def _may_land(contract: Contract, known: KnownDevices, entry: RawEntry) -> bool:
    """Whether an entry can be read as a whole and comes from devices that may speak."""
    protocol = contract.server.file_format or JSON
    senders = [entry.device_id] if protocol == JSON else _senders(contract, protocol, entry)
    return bool(senders) and all(known.standing((contract.raw_feed,), sender)[1] == "known" for sender in senders)


def _senders(contract: Contract, protocol: str, entry: RawEntry) -> Sequence[str]:
    coded, lenient = codec(protocol), frozenset(contract.server.options.get("lenient", ()))
    splitter, senders = coded.splitter(lenient), []
    for piece in (*splitter.feed(entry.body), *splitter.close()):
        if isinstance(piece, BadFrame):
            return []
        try:
            message = coded.decode(piece, lenient)
        except BadFrame:
            return []
        if message.part is not None:  # the parts beside it are not here
            return []
        senders.append(message.device_id)
    return senders


def _frames(batch_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    q = tables.quarantine.c
    return (
        q.batch_id == batch_id,
        q.outcome == "quarantined",
        q.grain == "row",
        q.reason == BAD_FRAME,
        q.replayed_at.is_(None),
    )


def _waiting(engine: sa.Engine, batch_id: str) -> frozenset[str]:
    with engine.connect() as connection:
        return frozenset(connection.scalars(sa.select(tables.quarantine.c.locator).where(*_frames(batch_id))))


def _mark(connection: sa.Connection, batch_id: str, places: Sequence[str], replay_batch_id: str, now: datetime) -> None:
    done = sa.update(tables.quarantine).values(replayed_at=now, replayed_batch_id=replay_batch_id)
    for part in in_parts(places):
        connection.execute(done.where(*_frames(batch_id), tables.quarantine.c.locator.in_(part)))

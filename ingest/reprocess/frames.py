"""Read frames again that could not be read: a contract may tolerate by now what it did not when they came.

What can be read becomes a bundle of its own and lands in every feed that its stream carries, as if it had come through
RAW; LIVE is for the present and does not hear of it. Frames of devices that may not speak stay where they are.

Not here: rows that could be read and were refused (`ingest.reprocess.quarantine`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from core.contract import Contract
from core.stages import Payload
from core.store import tables
from core.stream.bundle import StoredMessage, bundle, unbundle
from core.stream.live import micros
from core.stream.raw import RawEntry, pack, unpack
from ingest.devices.known import KnownDevices
from ingest.land import landing
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


def has_frames(source: sa.Row[Any], contract: Contract) -> bool:
    """Whether bad frames of a batch may be read again: JSON that came through RAW never changes its meaning."""
    is_from_raw = str(source.source_ref).startswith("raw:")
    return is_bundle(source.media) and not (is_from_raw and contract.server.file_format == JSON)


def read_again(intake: Intake, contracts: Mapping[str, Contract], source: sa.Row[Any]) -> list[Replayed]:
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
    others = [one for one in contracts.values() if one.raw_feed == contract.raw_feed and one.id != contract.id]
    done = [
        Replayed(one.id, source.batch_id, len(chosen), _land(intake, one, replace(payload, feed_id=one.id), sha256))
        for one in (contract, *others)
    ]
    _mark(intake, source.batch_id, list(chosen), landing.batch_id_of(contract.id, sha256))
    return [one for one in done if one.feed_id == contract.id or one.rows_landed]


def _land(intake: Intake, contract: Contract, payload: Payload, sha256: str) -> int:
    """Rows that landed; none the second time."""
    batch_id = landing.batch_id_of(contract.id, sha256)
    if landing.is_known(intake.engine, batch_id):
        return 0
    shaped = intake.shape(contract, payload, batch_id)
    if shaped.frame.is_empty() and not shaped.notes:
        return 0
    frame, superseded = shaped.frame, list[str]()
    if not frame.is_empty():
        frame, superseded = landing.split_superseded(frame, contract)
    if shaped.secrets:
        intake.vault.keep(shaped.secrets)
    notes = (*shaped.notes, *landing.listing("superseded", landing.LAST_WORD, superseded))
    batch = replace(shaped, frame=frame, notes=notes)
    return landing.land(intake.home, intake.engine, contract, batch, payload, sha256, intake.run_id).rows_landed


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


def _mark(intake: Intake, batch_id: str, places: Sequence[str], replay_batch_id: str) -> None:
    done = sa.update(tables.quarantine).values(replayed_at=intake.now(), replayed_batch_id=replay_batch_id)
    with intake.engine.begin() as connection:
        connection.execute(done.where(*_frames(batch_id), tables.quarantine.c.locator.in_(places)))

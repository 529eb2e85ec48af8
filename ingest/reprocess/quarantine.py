"""Give quarantined rows another chance after a new contract version or an override row.

The raw bytes come from the archive, so nothing depends on the department still having them. Rows that pass land as
a batch of their own, with notes on those that turn out to be repeats; rows that fail again keep their place in
quarantine.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

import polars as pl
import sqlalchemy as sa

from core.contract import Contract
from core.stages import Note, Payload
from core.store import tables
from core.store.ledger import BATCHES, BatchRow, batch_id_of
from core.store.parts import in_parts
from core.store.quarantine import FOUND, QuarantineRow
from ingest.intake.identity import IDENTITY_REASONS
from ingest.land.accept import LandingRequest, accept
from ingest.land.notes import places_of
from ingest.parse.frames import BAD_FRAME
from ingest.places import pack_places
from ingest.pull import Intake
from ingest.reprocess.frames import BYTES_GONE, Replayed, has_frames, read_again

REFUSED = IDENTITY_REASONS  # their senders had no right to say them: a new contract does not give it


def replay(intake: Intake, contracts: Mapping[str, Contract], feed_id: str | None = None) -> list[Replayed]:
    """Replay every batch that has waiting rows or files, of one feed or of all. A replayed row lands once."""
    done = []
    for row in _waiting_batches(intake.engine, feed_id):
        if row.feed_id not in contracts:
            continue
        if row.archive_sha256 in intake.archive:
            frames = read_again(intake, contracts, row) if has_frames(row, contracts[row.feed_id]) else []
            done += frames
            if not frames or _waiting_places(intake.engine, row.batch_id, but=BAD_FRAME):
                done.append(replay_batch(intake, contracts[row.feed_id], row))
        else:
            places = _waiting_places(intake.engine, row.batch_id)
            done.append(Replayed(row.feed_id, row.batch_id, len(places), 0, BYTES_GONE))
    return done


def replay_batch(intake: Intake, contract: Contract, source: BatchRow) -> Replayed:
    """Conform one batch again and land the rows that were waiting and now pass."""
    body = intake.archive.get(source.archive_sha256)
    payload = Payload(contract.id, body, source.media, source.source_ref, source.received_at)
    waiting = _waiting_places(intake.engine, source.batch_id)
    shaped = intake.shape(contract, payload, source.batch_id)
    frame = _of_who_may_speak(intake, source, shaped.frame)
    repeats = [note for note in shaped.notes if note.grain == "row" and note.outcome == "ignored"]
    if waiting and "" not in waiting:  # a lost file or batch group waits as a whole and has no places
        frame = frame if frame.is_empty() else frame.filter(pl.col("_row").is_in(waiting))
        asked = frozenset(waiting)
        repeats = [note for note in repeats if note.locator in asked]
    if frame.is_empty() and not repeats:
        return Replayed(contract.id, source.batch_id, len(waiting), 0)
    places = [*([] if frame.is_empty() else frame["_row"]), *(note.locator for note in repeats)]
    variant = f"replay {contract.version} {sorted(places)!r}"
    batch_id = batch_id_of(contract.id, source.archive_sha256, variant)
    batch = replace(shaped, batch_id=batch_id, frame=frame, notes=tuple(repeats), rows_in=len(places))
    fresh = replace(payload, source_ref=f"{payload.source_ref} (replay)")

    def mark(connection: sa.Connection) -> None:
        _mark(connection, source.batch_id, places, shaped.notes, batch_id, intake.now())

    request = LandingRequest(contract, batch, fresh, source.archive_sha256, intake.run_id, together=mark)
    landed = accept(intake.zone, request)
    return Replayed(contract.id, source.batch_id, len(waiting), 0 if landed is None else landed.rows_landed)


def _waiting_batches(engine: sa.Engine, feed_id: str | None) -> list[BatchRow]:
    q = tables.quarantine.c
    waiting = sa.select(q.batch_id).where(q.outcome == "quarantined", q.replayed_at.is_(None), q.reason.not_in(REFUSED))
    if feed_id:
        waiting = waiting.where(q.feed_id == feed_id)
    query = BATCHES.where(tables.batch.c.batch_id.in_(waiting)).order_by(tables.batch.c.received_at)
    with engine.connect() as connection:
        return BATCHES.found(connection, query)


def _waiting_places(engine: sa.Engine, batch_id: str, but: str = "") -> list[str]:
    """Places of rows that wait, '' for a whole; `but` is a reason that is left out."""
    q = tables.quarantine.c
    waits = sa.and_(q.batch_id == batch_id, q.outcome == "quarantined", q.replayed_at.is_(None))
    query = sa.select(q.locator, q.grain).where(waits, q.reason.not_in((*REFUSED, but)))
    with engine.connect() as connection:
        notes = connection.execute(query).all()
    return [place for note in notes for place in places_of(note.grain, note.locator) or [""]]


def _of_who_may_speak(intake: Intake, source: BatchRow, frame: pl.DataFrame) -> pl.DataFrame:
    """The rows but those that were refused for their sender: a lost group has no places, and would bring them along."""
    q = tables.quarantine.c
    query = sa.select(q.locator, q.grain).where(q.batch_id == source.batch_id, q.reason.in_(REFUSED))
    with intake.engine.connect() as connection:
        refused = [place for note in connection.execute(query) for place in places_of(note.grain, note.locator)]
    return frame.filter(~pl.col("_row").is_in(refused)) if refused and not frame.is_empty() else frame


def _mark(
    connection: sa.Connection,
    batch_id: str,
    places: Collection[str],
    found: Collection[Note],
    replay_batch_id: str,
    now: datetime,
) -> None:
    """Rows that landed wait no longer; of a note on many rows a part may still wait.

    A lost file or group waits no longer unless the same was `found` of it again, or its senders may not speak.
    """
    q, landed, whole = tables.quarantine.c, frozenset(places), list[int]()
    again = {(one.reason, one.grain, one.column) for one in found if one.outcome == "quarantined"}
    waits = (q.batch_id == batch_id, q.outcome == "quarantined", q.replayed_at.is_(None))
    for row in connection.execute(sa.select(*FOUND.columns, q.id).where(*waits)).all():
        note = FOUND.record(row)
        waiting = places_of(note.grain, note.locator)
        if not waiting and (note.reason in REFUSED or (note.reason, note.grain, note.column_name) in again):
            continue
        left = [place for place in waiting if place not in landed]
        if not left:
            whole.append(row.id)
        elif len(left) < len(waiting):
            connection.execute(sa.update(tables.quarantine).where(q.id == row.id).values(_of(note, left)))
            done = replace(note, replayed_at=now, replayed_batch_id=replay_batch_id)
            gone = _of(done, [place for place in waiting if place in landed])
            connection.execute(sa.insert(tables.quarantine).values(gone))
    marked = sa.update(tables.quarantine).values(replayed_at=now, replayed_batch_id=replay_batch_id)
    for part in in_parts(whole):
        connection.execute(marked.where(q.id.in_(part)))


def _of(note: QuarantineRow, places: Collection[str]) -> dict[str, object]:
    """The row of a note on many rows as one on some of them."""
    return FOUND.row(replace(note, locator=pack_places(places), n_rows=len(places)))

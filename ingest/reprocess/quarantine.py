"""Give quarantined rows another chance after a new contract version or an override row.

The raw bytes come from the archive, so nothing depends on the department still having them. Rows that pass land as
a batch of their own; rows that fail again keep their place in quarantine. Not here: frames that could not be read
(`ingest.reprocess.frames`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import polars as pl
import sqlalchemy as sa

from core.contract import Contract
from core.stages import Batch, Payload
from core.store import tables
from core.store.parts import in_parts
from ingest.intake.identity import IDENTITY_REASONS
from ingest.land import landing
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


def replay_batch(intake: Intake, contract: Contract, source: sa.Row[Any]) -> Replayed:
    """Conform one batch again and land the rows that were waiting and now pass."""
    body = intake.archive.get(source.archive_sha256)
    payload = Payload(contract.id, body, source.media, source.source_ref, source.received_at)
    waiting = _waiting_places(intake.engine, source.batch_id)
    shaped = intake.shape(contract, payload, source.batch_id)
    frame = shaped.frame
    if waiting and not frame.is_empty():  # a lost file or batch group waits as a whole and has no places
        frame = frame.filter(pl.col("_row").is_in(waiting)) if "" not in waiting else frame
    if frame.is_empty():
        return Replayed(contract.id, source.batch_id, len(waiting), 0)
    frame, _ = landing.split_superseded(frame, contract)
    variant = f"replay {contract.version} {sorted(frame['_row'].to_list())!r}"
    batch_id = landing.batch_id_of(contract.id, source.archive_sha256, variant)
    if landing.is_known(intake.engine, batch_id):  # landed by a run that died before it could mark the rows
        _mark(intake, source.batch_id, frame["_row"].to_list(), batch_id)
        return Replayed(contract.id, source.batch_id, len(waiting), 0)
    if shaped.secrets:
        intake.vault.keep(shaped.secrets)
    batch = Batch(batch_id, contract.id, frame, (), rows_in=frame.height)
    fresh = replace(payload, source_ref=f"{payload.source_ref} (replay)")
    done = landing.land(intake.home, intake.engine, contract, batch, fresh, source.archive_sha256, intake.run_id)
    _mark(intake, source.batch_id, frame["_row"].to_list(), batch_id)
    return Replayed(contract.id, source.batch_id, len(waiting), done.rows_landed)


def _waiting_batches(engine: sa.Engine, feed_id: str | None) -> list[sa.Row[Any]]:
    q = tables.quarantine.c
    waiting = sa.select(q.batch_id).where(q.outcome == "quarantined", q.replayed_at.is_(None), q.reason.not_in(REFUSED))
    if feed_id:
        waiting = waiting.where(q.feed_id == feed_id)
    query = sa.select(tables.batch).where(tables.batch.c.batch_id.in_(waiting)).order_by(tables.batch.c.received_at)
    with engine.connect() as connection:
        return list(connection.execute(query))


def _waiting_places(engine: sa.Engine, batch_id: str, but: str = "") -> list[str]:
    """Places of rows that wait, '' for a whole; `but` is a reason that is left out."""
    q = tables.quarantine.c
    waits = sa.and_(q.batch_id == batch_id, q.outcome == "quarantined", q.replayed_at.is_(None))
    query = sa.select(q.locator, q.grain).where(waits, q.reason.not_in((*REFUSED, but)))
    with engine.connect() as connection:
        notes = connection.execute(query).all()
    return [place for note in notes for place in landing.places_of(note.grain, note.locator) or [""]]


def _mark(intake: Intake, batch_id: str, places: Collection[str], replay_batch_id: str) -> None:
    """Rows that landed wait no longer, nor does a lost file or group; of a note on many rows a part may still wait."""
    q, landed = tables.quarantine.c, frozenset(places)
    done = sa.update(tables.quarantine).values(replayed_at=intake.now(), replayed_batch_id=replay_batch_id)
    waits = sa.select(tables.quarantine).where(
        q.batch_id == batch_id, q.outcome == "quarantined", q.replayed_at.is_(None)
    )
    with intake.engine.begin() as connection:
        whole: list[int] = []
        for note in connection.execute(waits).all():
            waiting = landing.places_of(note.grain, note.locator)
            left = [place for place in waiting if place not in landed]
            if not left:
                whole.append(note.id)
            elif len(left) < len(waiting):
                _part(connection, note, left)
                gone = [place for place in waiting if place in landed]
                values = {
                    **note._mapping,
                    **_of_places(gone),
                    "replayed_at": intake.now(),
                    "replayed_batch_id": replay_batch_id,
                }
                connection.execute(sa.insert(tables.quarantine), [{k: v for k, v in values.items() if k != "id"}])
        for part in in_parts(whole):
            connection.execute(done.where(q.id.in_(part)))


def _part(connection: sa.Connection, note: sa.Row[Any], left: list[str]) -> None:
    connection.execute(sa.update(tables.quarantine).where(tables.quarantine.c.id == note.id).values(**_of_places(left)))


def _of_places(places: list[str]) -> dict[str, object]:
    return {"locator": pack_places(places), "n_rows": len(places)}

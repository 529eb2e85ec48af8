"""Take a landed batch back, and land a feed again from the archive under today's contract.

Both are one ledger transaction: killed before it, nothing has happened; killed after it, the next run sweeps the files
that no longer count (`ingest.land.files`). The days concerned are rebuilt by the next build, because the ledger
says that the warehouse holds files which are no longer live. Alerts stay: what rang has rung.

Not here: streams. A message of a stream lands in several feeds at once and its devices are judged at the door.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from core.contract import Contract
from core.stages import Payload
from core.store import tables
from core.store.ledger import BATCHES, FILES, BatchRow, batch_id_of, batch_of
from core.store.parts import in_parts
from core.store.refusal import RELANDED, WITHDRAW, WITHDRAWN
from ingest.land.accept import LandingRequest, accept_all
from ingest.land.files import WITHDRAWN_FILE
from ingest.pull import Intake


class RelandError(RuntimeError):
    """A batch or feed that cannot be taken back or landed again; says which, why and what to do."""


@dataclass(frozen=True, slots=True)
class Relanded:
    """What landing a feed again gave."""

    feed_id: str
    batches: int
    rows_before: int
    rows_landed: int
    rows_quarantined: int


def withdraw(intake: Intake, contract: Contract | None, batch_id: str, actor: str, reason: str) -> list[str]:
    """Take a batch back with what was replayed from it; gives the Beijing days to be rebuilt.

    `contract` is needed only where upkeep has merged the batch with others: its feed then lands again without it.
    Raises RelandError for a batch that is not there, is a merge, or was taken back before.
    """
    _reasoned(reason)
    with intake.engine.connect() as connection:
        row = batch_of(connection, batch_id)
        if row is None:
            raise RelandError(f"batch {batch_id} is not in the ledger; see `cityrisk sql` or the page Feed health")
        if row.media == "compaction" or row.state in (WITHDRAWN, RELANDED):
            found = "holds what upkeep merged" if row.media == "compaction" else f"is {row.state}"
            raise RelandError(f"{row.feed_id}: batch {batch_id} {found}; expected one that a department delivered")
        q = tables.quarantine.c
        replays = sa.select(q.replayed_batch_id).where(q.batch_id == batch_id, q.replayed_batch_id.is_not(None))
        replayed: list[str] = list(connection.scalars(replays.distinct()))
        batch_ids = [batch_id, *sorted(replayed)]
        files = FILES.found(connection, FILES.where(tables.file.c.batch_id.in_(batch_ids)))
    days = sorted({file.landed_on for file in files})
    if any(file.state == "replaced" for file in files):
        if contract is None:
            raise RelandError(f"{row.feed_id}: batch {batch_id} was merged and its feed has no contract")
        _land_again(intake, contract, actor, reason, without=batch_ids)
        return days
    with intake.engine.begin() as connection:
        _take_back(connection, batch_ids, WITHDRAWN)
        _audit(connection, intake, actor, WITHDRAW, f"{row.feed_id} {batch_id}", reason)
    return days


def reland(intake: Intake, contract: Contract, actor: str, reason: str, *, with_withdrawn: bool = False) -> Relanded:
    """Drop what a feed has landed and land all of it again from the archive. Nothing changes until all is read.

    Batches that were taken back stay so, unless `with_withdrawn`. Raises RelandError for a stream, and where bytes are
    past their retention: those rows could not come back.
    """
    _reasoned(reason)
    return _land_again(intake, contract, actor, reason, with_withdrawn=with_withdrawn)


def _land_again(
    intake: Intake,
    contract: Contract,
    actor: str,
    reason: str,
    *,
    without: Collection[str] = (),
    with_withdrawn: bool = False,
) -> Relanded:
    if contract.is_stream:
        raise RelandError(f"{contract.id}: a stream cannot be landed again; `cityrisk quarantine replay` reads frames")
    rows = _batches(intake.engine, contract.id)
    states = (RELANDED,) if with_withdrawn else (RELANDED, WITHDRAWN)
    sources = [r for r in rows if r.media != "compaction" and r.state not in states and r.batch_id not in without]
    sources = [row for row in sources if not _is_replay(row, sources)]
    gone = [row for row in sources if row.archive_sha256 not in intake.archive]
    if gone:
        raise RelandError(
            f"{contract.id}: the bytes of {len(gone)} batches are not in the archive (first: {gone[0].batch_id}, "
            f"{gone[0].source_ref}); restore a backup of archive/, or withdraw them first"
        )
    old = [row for row in rows if row.state != RELANDED and row.batch_id not in without]
    if not with_withdrawn:
        old = [row for row in old if row.state != WITHDRAWN]

    def take_back(connection: sa.Connection) -> None:
        _take_back(connection, [row.batch_id for row in old], RELANDED)
        _take_back(connection, list(without), WITHDRAWN)
        _audit(
            connection, intake, actor, "withdraw" if without else "reland", " ".join([contract.id, *without]), reason
        )

    done = accept_all(intake.zone, _requests(intake, contract, sources), replacing=True, together=take_back)
    return Relanded(
        contract.id,
        len(done),
        sum(row.rows_landed for row in sources),
        sum(one.rows_landed for one in done),
        sum(one.rows_quarantined for one in done),
    )


def _requests(intake: Intake, contract: Contract, sources: Sequence[BatchRow]) -> Iterator[LandingRequest]:
    """Every batch read and conformed again, in the order in which they came.

    What was admitted stays admitted: its rows were judged, and conform applies today's row rules to each again.
    """
    for row in sources:
        body = intake.archive.get(row.archive_sha256)
        payload = Payload(contract.id, body, row.media, row.source_ref, row.received_at)
        variant = f"reland {row.batch_id} {intake.run_id}"
        batch = intake.shape(contract, payload, batch_id_of(contract.id, row.archive_sha256, variant))
        state = "admitted" if row.state == "admitted" else "landed"
        yield LandingRequest(contract, batch, payload, row.archive_sha256, intake.run_id, state=state, is_history=True)


def _batches(engine: sa.Engine, feed_id: str) -> Sequence[BatchRow]:
    b = tables.batch.c
    with engine.connect() as connection:
        return BATCHES.found(connection, BATCHES.where(b.feed_id == feed_id).order_by(b.received_at, b.batch_id))


def _is_replay(row: BatchRow, among: Sequence[BatchRow]) -> bool:
    """Whether a batch holds rows of another one's bytes: landing that one again brings them."""
    if not row.source_ref.endswith("(replay)"):
        return False
    return any(o.archive_sha256 == row.archive_sha256 and o.batch_id != row.batch_id for o in among)


def _take_back(connection: sa.Connection, batch_ids: Sequence[str], state: str) -> None:
    """Batches, their files and what they have in quarantine no longer count; LIVE does not hear of them any more."""
    for chunk in in_parts(batch_ids):
        connection.execute(sa.update(tables.batch).where(tables.batch.c.batch_id.in_(chunk)).values(state=state))
        connection.execute(
            sa.update(tables.file)
            .where(tables.file.c.batch_id.in_(chunk), tables.file.c.state != "expired")
            .values(state=WITHDRAWN_FILE)
        )
        connection.execute(
            sa.update(tables.quarantine).where(tables.quarantine.c.batch_id.in_(chunk)).values(outcome=WITHDRAWN)
        )
        connection.execute(sa.delete(tables.live_waiting).where(tables.live_waiting.c.batch_id.in_(chunk)))


def _audit(connection: sa.Connection, intake: Intake, actor: str, action: str, target: str, reason: str) -> None:
    connection.execute(
        sa.insert(tables.operator_action).values(
            actor=actor, action=action, target=target, reason=reason, at=intake.now()
        )
    )


def _reasoned(reason: str) -> None:
    if not reason.strip():
        raise RelandError("no reason given; say why, it is kept with the action")

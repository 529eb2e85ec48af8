"""Decide what becomes of checked batches: admitted to the warehouse, or held until they pass or a person releases them.

A batch is held when an error-level check that speaks for it failed or raised, admitted when it was checked and none
did. Batches that no verdict speaks for stay as they are. Held batches are checked again by later runs
(`quality.run`), and a released one is admitted at once with the reason on record.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from core.store import tables
from core.store.parts import in_parts
from quality.verdict import Verdict

log = logging.getLogger(__name__)

Admission = Literal["admitted", "held"]


class ReleaseError(ValueError):
    """A batch that cannot be released; says what it is and what to do."""


def admit(engine: sa.Engine, verdicts_by_feed: Mapping[str, Sequence[Verdict]], now: datetime) -> dict[str, Admission]:
    """Move the batches that the verdicts speak for to `admitted` or `held`, one transaction per feed.

    Gives, for each feed that had such batches, `held` if any of them is held now.
    """
    admissions: dict[str, Admission] = {}
    for feed_id, verdicts in verdicts_by_feed.items():
        checked = {b for v in verdicts for b in v.batch_ids}
        if not checked:
            continue
        blocked = {b for v in verdicts if v.blocks for b in v.batch_ids}
        with engine.begin() as connection:
            _move(connection, feed_id, checked - blocked, "admitted")
            _move(connection, feed_id, blocked, "held")
        if blocked:
            why = ", ".join(sorted({v.check_id for v in verdicts if v.blocks}))
            log.warning("%s: %d batches held at %s because of %s", feed_id, len(blocked), now.isoformat(), why)
        admissions[feed_id] = "held" if blocked else "admitted"
    return admissions


def release(engine: sa.Engine, batch_id: str, actor: str, reason: str, now: datetime) -> None:
    """Admit a held batch on a person's word; the action is recorded in the same transaction.

    Raises ReleaseError without a reason, and for a batch that is not held.
    """
    if not reason.strip():
        raise ReleaseError(f"batch {batch_id}: no reason given; say why its failed checks may be passed over")
    b = tables.batch.c
    with engine.begin() as connection:
        moved = connection.execute(
            tables.batch.update().where(b.batch_id == batch_id, b.state == "held").values(state="admitted")
        )
        if moved.rowcount != 1:
            state = connection.execute(sa.select(b.state).where(b.batch_id == batch_id)).scalar()
            found = f"is {state}" if state else "is not in the ledger"
            raise ReleaseError(f"batch {batch_id} {found}, expected held; list the held batches of the feed first")
        connection.execute(
            tables.operator_action.insert().values(
                actor=actor, action="release", target=batch_id, reason=reason, at=now
            )
        )


def _move(connection: sa.Connection, feed_id: str, batch_ids: set[str], state: Admission) -> None:
    b = tables.batch.c
    for chunk in in_parts(sorted(batch_ids)):
        connection.execute(
            tables.batch.update()
            .where(b.feed_id == feed_id, b.batch_id.in_(chunk), b.state.in_(("landed", "held")))
            .values(state=state)
        )

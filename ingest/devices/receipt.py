"""What became of a pushed payload, as the department is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import sqlalchemy as sa

from core.contract import Contract
from core.stages import Payload
from core.store import tables
from core.store.ledger import batch_id_of
from ingest.pull import Intake


@dataclass(frozen=True, slots=True)
class Receipt:
    """The outcome of one push; `ignored` means that the same bytes had been taken before."""

    batch_id: str
    result: Literal["landed", "ignored", "rejected"]
    rows_landed: int = 0
    rows_quarantined: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)


def deliver_into(intake: Intake, contracts: Mapping[str, Contract]) -> Callable[[Payload], Receipt]:
    """The way from a door to the ledger: archive, parse, conform, land, as for a pulled payload."""

    def deliver(payload: Payload) -> Receipt:
        contract = contracts[payload.feed_id]
        landed = intake.take(contract, payload)
        if landed is None:
            return Receipt(batch_id_of(contract.id, intake.archive.put(payload.body)), "ignored")
        return Receipt(
            batch_id=landed.batch_id,
            result="landed" if landed.rows_landed else "rejected" if landed.rows_quarantined else "ignored",
            rows_landed=landed.rows_landed,
            rows_quarantined=landed.rows_quarantined,
            reasons=_reasons(intake.engine, landed.batch_id),
        )

    return deliver


def _reasons(engine: sa.Engine, batch_id: str) -> dict[str, int]:
    """Rows by reason of everything found in a batch."""
    q = tables.quarantine.c
    query = sa.select(q.reason, sa.func.sum(q.n_rows)).where(q.batch_id == batch_id).group_by(q.reason)
    with engine.connect() as connection:
        return {str(row[0]): int(row[1]) for row in connection.execute(query.order_by(q.reason))}

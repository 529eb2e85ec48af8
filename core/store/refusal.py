"""Feeds whose newest delivery was refused as a whole: why, since when, and what stands instead.

Read from the ledger and quarantine alone, so that the command line, pages, doctor and notices say the same. A stream
has no deliveries; how much of it is refused is a check (`quality.checks`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core.store import tables

WITHDRAWN = "withdrawn"  # taken back by a person
WITHDRAW = "withdraw"  # what the operator's action is called that does it
RELANDED = "relanded"  # landed again as another batch, under a newer contract
_NAMED = ("renamed_column", "missing_column", "extra_column")  # their notes name the department's own columns


@dataclass(frozen=True, slots=True)
class Refusal:
    """A delivery of which nothing landed, and the last one of which something did."""

    feed_id: str
    batch_id: str
    source_ref: str
    at: datetime
    why: str
    last_good_ref: str | None
    last_good_at: datetime | None


def standing(connection: sa.Connection) -> dict[str, Refusal]:
    """By feed id: the feeds whose newest delivery was refused as a whole and not replayed or withdrawn since."""
    b = tables.batch.c
    ranked = sa.select(
        b.batch_id,
        b.feed_id,
        b.state,
        b.source_ref,
        b.received_at,
        b.rows_quarantined,
        sa.func.row_number()
        .over(partition_by=b.feed_id, order_by=(b.received_at.desc(), b.batch_id.desc()))
        .label("age"),
    ).where(*_deliveries())
    newest = ranked.subquery()
    rows = connection.execute(
        sa.select(newest).where(newest.c.age == 1, newest.c.state == "rejected", newest.c.rows_quarantined > 0)
    ).all()
    found = {}
    for row in rows:
        notes = _notes(connection, row.batch_id)
        if any(note.waits for note in notes):
            good = _last_good(connection, row.feed_id)
            found[str(row.feed_id)] = Refusal(
                row.feed_id,
                row.batch_id,
                row.source_ref,
                row.received_at,
                _told(notes),
                good.source_ref if good else None,
                good.received_at if good else None,
            )
    return found


def why_refused(engine: sa.Engine, batch_id: str) -> str:
    """In one line why nothing of a batch landed: how many rows for which reason, lost and new columns by name."""
    with engine.connect() as connection:
        return _told(_notes(connection, batch_id))


def _deliveries() -> tuple[sa.ColumnElement[bool], ...]:
    """Batches that a department delivered: no merges, no frames of a stream, nothing that was taken back."""
    b = tables.batch.c
    return b.media != "compaction", b.media.not_like(f"{tables.BUNDLE}%"), b.state.not_in((WITHDRAWN, RELANDED))


def _last_good(connection: sa.Connection, feed_id: str) -> sa.Row[Any] | None:
    b = tables.batch.c
    return connection.execute(
        sa.select(b.source_ref, b.received_at)
        .where(*_deliveries(), b.feed_id == feed_id, b.rows_landed > 0)
        .order_by(b.received_at.desc())
        .limit(1)
    ).first()


@dataclass(frozen=True, slots=True)
class _Group:
    reason: str
    outcome: str
    rows: int
    waits: bool  # something of it was not replayed yet
    column: str | None
    found: str | None
    expected: str | None


def _notes(connection: sa.Connection, batch_id: str) -> Sequence[_Group]:
    """What was found in a batch, by reason and column, most rows first."""
    q = tables.quarantine.c
    replayed = sa.func.sum(sa.case((q.replayed_at.is_(None), 0), else_=1))
    rows = connection.execute(
        sa.select(
            q.reason,
            q.outcome,
            q.column_name,
            sa.func.sum(q.n_rows).label("rows"),
            sa.func.count().label("notes"),
            replayed.label("replayed"),
            sa.func.min(q.found).label("found"),
            sa.func.min(q.expected).label("expected"),
        )
        .where(q.batch_id == batch_id)
        .group_by(q.reason, q.outcome, q.column_name)
        .order_by(sa.func.sum(q.n_rows).desc(), q.reason)
    )
    return [
        _Group(
            r.reason,
            r.outcome,
            int(r.rows),
            r.outcome == "quarantined" and r.replayed < r.notes,
            r.column_name,
            r.found,
            r.expected,
        )
        for r in rows
    ]


def _told(notes: Sequence[_Group]) -> str:
    lost = [note for note in notes if note.outcome == "quarantined"]
    parts = [_reason(note) for note in lost[:3]]
    names: Mapping[str, str] = {"missing_column": "lost column", "extra_column": "new column"}
    parts += [f"{names[n.reason]}: {n.found or n.expected}" for n in notes if n.reason in names and n not in lost]
    return "; ".join(parts)


def _reason(note: _Group) -> str:
    found = f": {note.found}" if note.found and note.reason in (*_NAMED, "unreadable_file", "undeclared_datum") else ""
    where = f" in {note.column}" if note.column else ""
    return f"{note.rows} × {note.reason}{where}{found}"


@dataclass(frozen=True, slots=True)
class Withdrawals:
    """The number of the last action by which a person took a batch back (0: none), and the feeds of those asked for."""

    newest: int
    feed_ids: frozenset[str]


def withdrawals_since(engine: sa.Engine, number: int) -> Withdrawals:
    """Batches that people took back after an action."""
    a = tables.operator_action.c
    query = sa.select(a.id, a.target).where(a.action == WITHDRAW, a.id > number).order_by(a.id)
    with engine.connect() as connection:
        found = connection.execute(query).all()
    feed_ids = frozenset(str(row.target).partition(" ")[0] for row in found)
    return Withdrawals(int(found[-1].id) if found else number, feed_ids)

"""What one feed's checks look at: which files are new, which are history, as the ledger says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

import sqlalchemy as sa

from core.store import tables
from core.store.parts import in_parts
from core.store.refusal import RELANDED, WITHDRAWN

BLOCKING = ("failed", "raised")
LAST_DELIVERY = timedelta(hours=1)  # of a stream, whose process may run for weeks, the last hour
JUDGED_AS = 1  # how rows are judged: another number has every held batch judged again


@dataclass(frozen=True, slots=True)
class File:
    """One live Parquet file and its Beijing day (ISO date)."""

    path: Path
    landed_on: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """What came last: rows, those of them that wait in quarantine, and whether nothing of it landed at all."""

    rows: int
    refused: int
    is_lost: bool

    @property
    def refused_pct(self) -> float | None:
        """Share of rows that were refused; None when nothing came. A file that could not be read has no rows."""
        if self.is_lost:
            return 100.0
        rows = max(self.rows, self.refused)
        return 100.0 * self.refused / rows if rows else None


@dataclass(frozen=True, slots=True)
class Scope:
    """The batches that wait for a verdict, their files, and the admitted files they are compared with."""

    feed_id: str
    batch_ids: tuple[str, ...]
    new: tuple[File, ...]
    admitted: tuple[File, ...]
    arrived: tuple[File, ...]  # every live file whatever became of its batch: freshness is about arriving
    awaited_since: datetime | None  # the home's first run: before it nobody waited for the feed
    rows_resent: int  # rows the department sent again unchanged: they count for volume, they did not land twice
    delivered: Delivered
    judged_on: str | None = None  # what the last verdicts on these batches stood on, see `basis`

    def basis(self, checks: object, references: Mapping[str, Sequence[File]]) -> str:
        """A hash of all that verdicts on these batches stand on: promises, rows, what they are compared with, how."""
        others = sorted(str(file.path) for files in (self.admitted, *references.values()) for file in files)
        return sha256(repr((JUDGED_AS, checks, self.new, others)).encode()).hexdigest()

    @property
    def days(self) -> frozenset[str]:
        """Beijing days that the new files touch."""
        return frozenset(f.landed_on for f in self.new)

    def after(self, others: Sequence[File]) -> Scope:
        """The same scope with more files to be compared with: those that were found good just now."""
        return replace(self, admitted=self.admitted + tuple(others))

    @property
    def newest_day(self) -> tuple[File, ...]:
        """All files of the newest day: the newest event is in one of them, since files are split by event day."""
        last = max((f.landed_on for f in self.arrived), default="")
        return tuple(f for f in self.arrived if f.landed_on == last)


def waiting_scope(connection: sa.Connection, landing: Path, feed_id: str) -> Scope:
    """The feed's landed batches that no check has judged yet, against its admitted files. May be empty."""
    return _scope(connection, landing, feed_id, ("landed",), None)


def held_scopes(connection: sa.Connection, landing: Path, feed_id: str) -> list[Scope]:
    """The feed's held batches, one scope for each run that pulled them, oldest first.

    What was held together is judged together, and never drags a newer batch down with it.
    """
    b = tables.batch.c
    runs = connection.execute(
        sa.select(b.run_id)
        .where(b.feed_id == feed_id, b.state == "held")
        .group_by(b.run_id)
        .order_by(sa.func.min(b.received_at))
    )
    return [_scope(connection, landing, feed_id, ("held",), str(row.run_id)) for row in runs]


def live_files(connection: sa.Connection, landing: Path, feed_id: str, states: Iterable[str]) -> tuple[File, ...]:
    """Live files of a feed whose batches are in one of `states`."""
    f, b = tables.file.c, tables.batch.c
    rows = connection.execute(
        sa.select(f.path, f.landed_on)
        .join(tables.batch, b.batch_id == f.batch_id)
        .where(f.feed_id == feed_id, f.state == "live", b.state.in_(tuple(states)))
        .order_by(f.landed_on, f.path)
    )
    return tuple(File(landing / str(row.path), str(row.landed_on)) for row in rows)


def known_files(connection: sa.Connection, landing: Path, feed_id: str, run_id: str) -> tuple[File, ...]:
    """Files of a feed that others may refer to: admitted ones, and landed ones unless this run found them bad."""
    v = tables.check_verdict.c
    blocked = connection.execute(
        sa.select(sa.func.count()).where(
            v.feed_id == feed_id,
            v.run_id == run_id,
            v.severity == "error",
            v.kind != "refused",
            v.verdict.in_(BLOCKING),
        )
    ).scalar_one()
    return live_files(connection, landing, feed_id, ("admitted",) if blocked else ("admitted", "landed"))


def _scope(connection: sa.Connection, landing: Path, feed_id: str, states: Sequence[str], run_id: str | None) -> Scope:
    b, f = tables.batch.c, tables.file.c
    chosen = [b.feed_id == feed_id, b.state.in_(states), *([b.run_id == run_id] if run_id is not None else [])]
    batches = connection.execute(
        sa.select(b.batch_id, b.rows_ignored, b.judged_on).where(*chosen).order_by(b.received_at, b.batch_id)
    ).all()
    files = connection.execute(
        sa.select(f.path, f.landed_on)
        .join(tables.batch, b.batch_id == f.batch_id)
        .where(*chosen, f.state == "live")
        .order_by(f.landed_on, f.path)
    )
    return Scope(
        feed_id,
        tuple(str(row.batch_id) for row in batches),
        tuple(File(landing / str(row.path), str(row.landed_on)) for row in files),
        live_files(connection, landing, feed_id, ("admitted",)),
        live_files(connection, landing, feed_id, ("landed", "admitted", "held")),
        connection.scalar(sa.select(sa.func.min(tables.run.c.started_at))),
        sum(int(row.rows_ignored) for row in batches),
        _delivered(connection, feed_id),
        batches[0].judged_on if len({row.judged_on for row in batches}) == 1 else None,
    )


def write_basis(connection: sa.Connection, scope: Scope, basis: str | None) -> None:
    """Note what the batches of a scope were judged on."""
    b = tables.batch.c
    for chunk in in_parts(scope.batch_ids):
        connection.execute(tables.batch.update().where(b.batch_id.in_(chunk)).values(judged_on=basis))


def _delivered(connection: sa.Connection, feed_id: str) -> Delivered:
    """What the newest run brought of a feed; what was replayed or taken back since no longer counts."""
    b, q = tables.batch.c, tables.quarantine.c
    counted = [
        b.feed_id == feed_id,
        b.media != "compaction",
        b.state.not_in((WITHDRAWN, RELANDED)),
        b.source_ref.not_like("%(replay)"),
    ]
    newest = connection.execute(
        sa.select(b.batch_id, b.run_id, b.received_at, b.state, b.media)
        .where(*counted)
        .order_by(b.received_at.desc(), b.batch_id.desc())
        .limit(1)
    ).first()
    if newest is None:
        return Delivered(0, 0, is_lost=False)
    last = [*counted, b.run_id == newest.run_id, b.received_at >= newest.received_at - LAST_DELIVERY]
    refused = [q.outcome == "quarantined", q.replayed_at.is_(None)]
    rows = connection.execute(sa.select(sa.func.sum(b.rows_in)).where(*last)).scalar() or 0
    n_refused = sa.select(sa.func.sum(q.n_rows)).join(tables.batch, b.batch_id == q.batch_id).where(*last, *refused)
    waits = sa.select(sa.func.count()).where(q.batch_id == newest.batch_id, *refused)
    is_stream = newest.media.startswith(tables.BUNDLE)  # one bad frame of a stream is a batch of its own
    is_lost = not is_stream and newest.state == "rejected" and bool(connection.scalar(waits))
    return Delivered(int(rows), int(connection.scalar(n_refused) or 0), is_lost)

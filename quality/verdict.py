"""What a check found: one record per check, feed and run, and the two ways of not passing kept apart.

`failed` speaks about the department's data, `raised` about a fault of ours: the check itself could not be trusted.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from core.store import tables

Result = Literal["passed", "failed", "raised"]


@dataclass(frozen=True, slots=True)
class Measured:
    """The observed value of one check, over how many rows, and what a reader needs to act on it."""

    observed: float | None  # None: there was nothing to judge, `note` says why
    rows: int
    note: str = ""  # key into the sentences of the check's kind
    samples: tuple[str, ...] = ()  # a few of the values that broke the promise, personal ones masked


@dataclass(frozen=True, slots=True)
class Verdict:
    """One judged check. `batch_ids` are the batches it speaks for; none when nothing new had landed."""

    run_id: str
    feed_id: str
    check_id: str
    kind: str
    severity: str
    verdict: Result
    observed: float | None
    expected: str
    message_zh: str
    message_en: str
    rows_checked: int
    at: datetime
    batch_ids: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()

    @property
    def blocks(self) -> bool:
        """Whether the batches it speaks for must wait: an error-level check that failed, or could not be trusted.

        What was refused did not land, so that check holds nothing back of what did.
        """
        return self.severity == "error" and self.verdict != "passed" and self.kind != "refused"


def write_verdicts(connection: sa.Connection, verdicts: Sequence[Verdict]) -> None:
    """Append verdict rows inside the caller's transaction."""
    names = [c.name for c in tables.check_verdict.columns if c.name != "id"]
    if verdicts:
        rows = [{n: getattr(v, n) for n in names} | {"samples": _as_text(v.samples)} for v in verdicts]
        connection.execute(tables.check_verdict.insert(), rows)


def read_verdicts(connection: sa.Connection, query: sa.Select[Any]) -> list[Verdict]:
    """Verdicts from whole rows of their table."""
    rows = (dict(row) for row in connection.execute(query).mappings())
    return [
        Verdict(
            **{k: v for k, v in row.items() if k not in ("id", "samples")}, samples=tuple(json.loads(row["samples"]))
        )
        for row in rows
    ]


def _as_text(samples: Sequence[str]) -> str:
    return json.dumps(samples, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class LastVerdict:
    """The newest recorded word on one check."""

    verdict: Result
    message_en: str
    at: datetime


def last_verdicts(engine: sa.Engine, feed_id: str) -> dict[str, LastVerdict]:
    """By check id: the newest word on each check that a feed ever had."""
    v = tables.check_verdict.c
    newest = sa.select(sa.func.max(v.id)).where(v.feed_id == feed_id).group_by(v.check_id)
    query = sa.select(v.check_id, v.verdict, v.message_en, v.at).where(v.id.in_(newest))
    with engine.connect() as connection:
        return {str(r.check_id): LastVerdict(r.verdict, r.message_en, r.at) for r in connection.execute(query)}

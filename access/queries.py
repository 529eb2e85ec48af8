"""Foreign SQL and exports as people ask for them: each leaves a row with who, when, what, and how many rows it gave.

The row is there before anything is read, so that a question which kills its process is known too. Everybody comes
through here; `run_sql` and `export` themselves know no person.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa

from access.export import export
from access.rights import Reader
from access.sandbox import SqlResult, run_sql
from access.serving import Home
from core.store import database, tables

SQL, EXPORT = "sql", "export"
_UNDER_WAY = "under way"
T = TypeVar("T")


def ask_sql(
    home: Home,
    reader: Reader,
    text: str,
    now: datetime,
    limit: int | None = 1000,
    known_at: datetime | None = None,
) -> SqlResult:
    """`run_sql` with its audit row. Raises as it does."""
    return _audited(
        home,
        reader,
        SQL,
        text + _as_known(known_at),
        now,
        lambda: run_sql(home, text, limit=limit, known_at=known_at),
        lambda result: result.frame.height,
    )


def take_out(
    home: Home,
    reader: Reader,
    table: str,
    fmt: str,
    out: Path,
    now: datetime,
    where: str | None = None,
    known_at: datetime | None = None,
) -> int:
    """`export` with its audit row. Raises as it does."""
    target = f"{table} where {where or 'true'} to {out.absolute()}{_as_known(known_at)}"
    return _audited(
        home, reader, EXPORT, target, now, lambda: export(home, table, fmt, out, where, reader, known_at), int
    )


def _as_known(at: datetime | None) -> str:
    return f" as known at {at.isoformat()}" if at else ""


def _audited(
    home: Home, reader: Reader, action: str, target: str, now: datetime, read: Callable[[], T], size: Callable[[T], int]
) -> T:
    table = tables.operator_action
    with database.opened(home.ops_url) as engine:
        with engine.begin() as connection:
            values = {"actor": reader.name, "action": action, "target": target, "reason": _UNDER_WAY, "at": now}
            own = connection.execute(sa.insert(table).values(values)).inserted_primary_key
        said = "failed"
        try:
            found = read()
            said = f"{size(found)} rows"
        except Exception as error:
            said = f"failed: {type(error).__name__}: {error}"[:2000]
            raise
        finally:
            with engine.begin() as connection:
                connection.execute(sa.update(table).where(table.c.id == (own[0] if own else None)).values(reason=said))
    return found

"""Keep what readers were shown: at each publish the parts of the mart that changed, with the instant of that publish.

A part is the rows of one day, or a whole table where rows belong to no day; one that is as it was is not written again.
What is kept answers any question as it was known at an instant (`access.known_at`), whatever came later
(docs/adr/0023-what-was-known.md).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import sqlalchemy as sa

from access.known_at import path_literal
from core.settings import Home
from core.store.published import PARTS, PublishedPart
from core.store.tables import published_part

# By which column the rows of a table belong to a day, so that a day that is over is written once. The day of an instant
# is the one in UTC: any day does that does not change. Other tables are one part each.
DAY_COLUMNS: Mapping[str, str] = {
    "risk_index": "as_of_date",
    "risk_contribution": "as_of_date",
    "vital_sign": "as_of_date",
    "alarm_performance": "as_of_date",
    "reading_hourly": "landed_on",
    "alert": "starts_at",
    "alert_episode": "started_at",
    "alert_event": "known_at",
    "quarantine_sample": "found_at",
}
# Its rows of a day change with the landed files of that day alone, and they are too many to look at every time.
_BY_LANDED_DAY = "reading_hourly"
_ROWS_PER_GROUP = 8192  # a few parts: a reader of one of them passes the others over


@dataclass(frozen=True, slots=True)
class Changes:
    """Parts that a generation shows first, and the ids of those that it no longer shows."""

    fresh: tuple[PublishedPart, ...]
    ended: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Measured:
    """A part as it stands in the mart file."""

    day: str
    n_rows: int
    digest: str


def write_changes(home: Home, engine: sa.Engine, mart: Path, now: datetime, landed_since: str | None) -> Changes:
    """Write the parts of a mart file that are not as they were shown last; the caller notes them with its generation.

    `landed_since`: the first Beijing day whose landed files changed, None for any. Raises what disk and store raise.
    """
    with engine.connect() as connection:
        shown = PARTS.found(connection, PARTS.where(published_part.c.known_to.is_(None)))
        next_id = int(connection.scalar(sa.select(sa.func.max(published_part.c.part_id))) or 0) + 1
    by_table: dict[str, dict[str, PublishedPart]] = {}
    for part in shown:
        by_table.setdefault(part.table_name, {})[part.day] = part
    fresh: list[PublishedPart] = []
    ended: list[int] = []
    with duckdb.connect(str(mart), read_only=True) as source:
        for table in _tables(source):
            known = by_table.pop(table, {})
            since = landed_since if table == _BY_LANDED_DAY and known else None
            found = _measured(source, table, since)
            new = [
                PublishedPart(next_id + n, table, one.day, now, None, one.n_rows, one.digest, _file_name(table, now))
                for n, one in enumerate(m for m in found if m.day not in known or known[m.day].digest != m.digest)
            ]
            next_id += len(new)
            days = {one.day for one in found} if since is None else {one.day for one in found} | _days(source, table)
            ended += [part.part_id for day, part in known.items() if day not in days or day in {p.day for p in new}]
            if new:
                _write(source, home, new)
            fresh += new
    ended += [part.part_id for known in by_table.values() for part in known.values()]  # the table is gone
    return Changes(tuple(fresh), tuple(ended))


def note_changes(connection: sa.Connection, changes: Changes, now: datetime) -> None:
    """Say from when the fresh parts are shown, and that the others are no longer."""
    for start in range(0, len(changes.ended), 500):
        ids = changes.ended[start : start + 500]
        ending = sa.update(published_part).where(published_part.c.part_id.in_(ids))
        connection.execute(ending.values(known_to=now))
    if changes.fresh:
        connection.execute(sa.insert(published_part), PARTS.rows(changes.fresh))


def _tables(source: duckdb.DuckDBPyConnection) -> list[str]:
    found = source.execute(
        "select table_name from information_schema.tables where table_schema = 'mart' order by table_name"
    )
    return [str(name) for (name,) in found.fetchall()]


def _columns(source: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    """Names and types of a table's columns."""
    found = source.execute(
        "select column_name, data_type from information_schema.columns where table_schema = 'mart' and table_name = ?"
        " order by ordinal_position",
        [table],
    )
    return {str(name): str(kind) for name, kind in found.fetchall()}


def _measured(source: duckdb.DuckDBPyConnection, table: str, since: str | None) -> list[_Measured]:
    """The parts of a table with their digests; the one without a day is always there, for the table's columns."""
    columns = _columns(source, table)
    shape = hashlib.sha256(repr(columns).encode()).hexdigest()[:16]
    names = ", ".join(f'"{name}"' for name in columns)
    day = _day_of(source, table)
    kept = f"where {day} >= '{since}'" if since else ""
    rows = source.execute(
        f"select {day} as day, count(*), cast(sum(cast(hash({names}) as hugeint)) as varchar)"
        f" from mart.{table} {kept} group by day order by day"
    ).fetchall()
    found = [_Measured(day, n, f"{shape}:{n}:{total}") for day, n, total in rows]
    if since is None and not any(one.day == "" for one in found):
        found.insert(0, _Measured("", 0, f"{shape}:0:0"))
    return found


def _day_of(source: duckdb.DuckDBPyConnection, table: str) -> str:
    """SQL of the day that a row belongs to, as ISO text."""
    column = DAY_COLUMNS.get(table)
    if column is None or column not in _columns(source, table):
        return "''"
    if column.endswith("_at"):
        return f"coalesce(strftime(timezone('UTC', {column}), '%Y-%m-%d'), '')"
    return f"coalesce(strftime({column}, '%Y-%m-%d'), '')"


def _days(source: duckdb.DuckDBPyConnection, table: str) -> set[str]:
    found = source.execute(f"select distinct {DAY_COLUMNS[table]} from mart.{table}").fetchall()
    return {"", *(str(day) for (day,) in found if day is not None)}


def _file_name(table: str, now: datetime) -> str:
    return f"{table}/{now:%Y%m%dT%H%M%S%f}.parquet"


def _write(source: duckdb.DuckDBPyConnection, home: Home, parts: Sequence[PublishedPart]) -> None:
    """One file with the rows of some parts of a table, each row with the id of its part."""
    table, day = parts[0].table_name, _day_of(source, parts[0].table_name)
    chosen = ", ".join(f"('{part.day}', {part.part_id}::bigint)" for part in parts)
    rows = (
        f"select chosen.part_id as _part, shown.* from mart.{table} as shown"
        f" inner join (values {chosen}) as chosen(day, part_id) on chosen.day = {day}"
    )
    write_parts(source, rows, home.published / parts[0].file)


def write_parts(source: duckdb.DuckDBPyConnection, rows: str, target: Path) -> None:
    """Write the rows of a query, part by part, as one file that nobody changes any more; whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    source.execute(
        f"copy ({rows} order by _part) to {path_literal(partial)}"
        f" (format parquet, compression zstd, row_group_size {_ROWS_PER_GROUP})"
    )
    with partial.open("rb") as written:
        os.fsync(written.fileno())
    partial.chmod(0o444)
    os.replace(partial, target)

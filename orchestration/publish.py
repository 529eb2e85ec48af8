"""Audit the built mart file and serve it: a finished copy under a name never used before.

DuckDB caches files by path, so a generation is a new name; readers resolve the newest one at every open
(docs/adr/0002-stores-and-publish.md).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import sqlalchemy as sa

from access.serving import GenerationError, newest, readable
from core.settings import Home
from core.store import tables
from orchestration.published_parts import note_changes, write_changes

KEPT_GENERATIONS = 5

# Tables that others rely on; a build that lacks one is not published.
PUBLISHED_TABLES = (
    "feed_health",
    "risk_index",
    "risk_contribution",
    "risk_object",
    "device",
    "reading_hourly",
    "alert",
    "major_hazard",
    "vital_sign",
    "rule_quality",
    "alarm_performance",
    "work_order",
    "system_status",
    "data_dictionary",
)


class AuditError(RuntimeError):
    """The build must not be served; the last good generation stands. Says what is wrong with it."""


def audit(mart: Path) -> dict[str, int]:
    """Row counts of the published tables. Raises AuditError for what must never reach a page.

    Keys, relations and sums were tested by dbt in the same build; this looks at the file as its readers will.
    """
    if not mart.is_file():
        raise AuditError(f"{mart.name} does not exist; run the build first")
    with duckdb.connect(str(mart), read_only=True) as connection:
        found = {
            name
            for (name,) in connection.execute(
                "select table_name from information_schema.tables where table_schema = 'mart'"
            ).fetchall()
        }
        missing = [name for name in PUBLISHED_TABLES if name not in found]
        if missing:
            raise AuditError(f"tables missing from the build: {', '.join(missing)}")
        counts = {name: _count(connection, name) for name in PUBLISHED_TABLES}
    for name in ("feed_health", "risk_index", "data_dictionary"):
        if counts[name] == 0:
            raise AuditError(f"mart.{name} is empty; nothing to show is not a city without risk")
    return counts


def publish(
    home: Home,
    engine: sa.Engine,
    run_id: str,
    verdicts: Sequence[str],
    now: datetime,
    landed_since: str | None = None,
) -> Path:
    """Copy the audited mart file to a new generation and record it. `verdicts`: passed, failed, raised of this run.

    Readers see the new generation from the rename on; older ones stay until they are `KEPT_GENERATIONS` behind, and
    what changed is kept for questions of later (`orchestration.published_parts`). `landed_since`: the first Beijing
    day whose landed files changed, None for any.
    """
    home.serving.mkdir(parents=True, exist_ok=True)
    target = home.serving / f"{now.astimezone(UTC):%Y%m%dT%H%M%S%f}.duckdb"
    if target.exists():
        raise AuditError(f"generation {target.name} exists already; a name is never used twice")
    changes = write_changes(home, engine, home.mart, now, landed_since)
    partial = target.with_suffix(".partial")
    shutil.copyfile(home.mart, partial)
    with partial.open("rb") as copied:
        os.fsync(copied.fileno())
    partial.chmod(0o444)  # a shell that opens it must not write or lock it
    os.replace(partial, target)
    _point_current(home.serving, target)
    with engine.begin() as connection:
        connection.execute(
            sa.insert(tables.generation).values(
                name=target.name,
                run_id=run_id,
                published_at=now,
                bytes=target.stat().st_size,
                checks_failed=verdicts.count("failed"),
                checks_raised=verdicts.count("raised"),
            )
        )
        note_changes(connection, changes, now)
    _prune(home.serving, target)
    return target


def generations(serving: Path) -> list[Path]:
    """Served generations, oldest first."""
    return sorted(path for path in serving.glob("*.duckdb") if not path.is_symlink())


def is_newest_whole(home: Home, engine: sa.Engine) -> bool:
    """Whether readers are on the newest generation: it is as long as it was published, and it opens."""
    served = newest(home)
    if served is None:
        return False
    with engine.connect() as connection:
        written = connection.scalar(sa.select(tables.generation.c.bytes).where(tables.generation.c.name == served.name))
    try:
        opened = readable(home)
    except GenerationError:
        return False
    return opened == served and (written is None or written == opened.stat().st_size)


def _point_current(serving: Path, target: Path) -> None:
    """Move the `current` link, for outside tools that open one path."""
    link = serving / "current.tmp"
    link.unlink(missing_ok=True)
    link.symlink_to(target.name)
    os.replace(link, serving / "current")


def _prune(serving: Path, last: Path) -> None:
    """Delete old generations; a process that still reads one keeps it until it closes.

    One with a later name than the newest was made while the clock was ahead and would be read again some day.
    """
    for path in generations(serving):
        if path.name > last.name:
            path.unlink()
    for path in generations(serving)[:-KEPT_GENERATIONS]:
        path.unlink()
    for path in serving.glob("*.partial"):
        path.unlink()


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    row = connection.execute(f"select count(*) from mart.{table}").fetchone()
    return int(row[0]) if row else 0

"""Warehouse and mart files that are damaged: told, set aside, and made again from what has landed.

Both hold nothing that landing, archive and ops store do not hold, so the next build makes them anew.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from core.settings import Home

log = logging.getLogger(__name__)

ASIDE = ".damaged-"
_LOCKED = "Could not set lock"  # somebody has it open: no damage, the build says who


def damage_of(path: Path, *, deep: bool = False) -> str:
    """What is wrong with a DuckDB file, '' when it opens; `deep` reads every block of every table. Changes nothing."""
    if not path.exists():
        return ""
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            tables = connection.execute(
                "select schema_name, table_name from duckdb_tables() where database_name = current_database()"
            ).fetchall()
            for schema, table in tables if deep else ():
                connection.execute(f'select count(hash(t)) from "{schema}"."{table}" as t').fetchall()
    except duckdb.Error as error:
        said = str(error).splitlines()[0]
        return "" if isinstance(error, duckdb.OutOfMemoryException) or _LOCKED in said else said
    return ""


def set_aside_damaged(home: Home, now: datetime, *, deep: bool = False) -> list[str]:
    """Move damaged files out of the build's way; gives one text for each. Of one file the newest wreck is kept.

    The caller holds the run lock, so nobody else has the files open.
    """
    said = []
    for path in (home.warehouse, home.mart):
        damage = damage_of(path, deep=deep)
        if not damage:
            continue
        for older in path.parent.glob(f"{path.name}{ASIDE}*"):
            older.unlink()
        aside = path.with_name(f"{path.name}{ASIDE}{now.astimezone(UTC):%Y%m%dT%H%M%S}")
        path.rename(aside)
        path.with_name(f"{path.name}.wal").unlink(missing_ok=True)
        said.append(f"{path.name} is damaged ({damage}); it is set aside as {aside.name} and made again")
        log.error("%s", said[-1])
    return said


def wrecks(home: Home) -> list[Path]:
    """Files that were set aside, by name."""
    return sorted(home.warehouse.parent.glob(f"*{ASIDE}*"))

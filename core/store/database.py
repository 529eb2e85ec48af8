"""The ops store: how it is opened, and the list that its tables stand on.

SQLite (WAL) by default, PostgreSQL by URL. One list for all rooms; the warehouse gets a snapshot of the tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import MetaData, String, event, exc
from sqlalchemy.types import TypeDecorator

from core.errors import ExplainedError

REVISION = "0016"  # the newest step in migrations/versions; a change of a table needs a further one

metadata = MetaData()


class StoreMovedOnError(ExplainedError, RuntimeError):
    """The store was migrated by another release while this process had it open."""


class UtcText(TypeDecorator[Any]):
    """Instants as ISO 8601 text in UTC with microseconds, so that both engines sort and compare them alike."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        """Aware datetime → text. Raises ValueError for a naive one."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive datetime {value!r}; give an aware one")
        return str(value.astimezone(UTC).isoformat(timespec="microseconds"))

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> Any:
        """Text → aware datetime."""
        return datetime.fromisoformat(value) if value else None


def open_ops(url: str) -> sa.Engine:
    """An engine on the ops store, at the newest revision. SQLite runs in WAL mode with full synchronisation.

    Raises MigrationError for a store that this version cannot bring there.
    """
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_pragmas)
    if _revision(engine) != REVISION:
        from core.store.migrate import upgrade  # Alembic costs more to load than everything else here

        upgrade(engine.url, REVISION)
    return engine


def confirm_revision(engine: sa.Engine) -> None:
    """Ask, after a failure, whether the store is still of this release. A store that does not answer may be.

    Raises StoreMovedOnError.
    """
    found = _revision(engine)
    if found is not None and found != REVISION:
        raise StoreMovedOnError(
            f"ops store {engine.url.render_as_string()}: revision {found}, expected {REVISION}; another release "
            "migrated it while this process ran. Start the process of that release: `cityrisk up`"
        )


@contextmanager
def opened(url: str) -> Iterator[sa.Engine]:
    """The ops store for the length of a block: `open_ops`, and its connections closed afterwards."""
    engine = open_ops(url)
    try:
        yield engine
    finally:
        engine.dispose()


def _revision(engine: sa.Engine) -> str | None:
    """The revision that the store says it has, None for a new one."""
    stored = sa.table("alembic_version", sa.column("version_num"))
    try:
        with engine.connect() as connection:
            found: str | None = connection.scalar(sa.select(stored.c.version_num))
    except (exc.OperationalError, exc.ProgrammingError):  # no such table, or nobody there
        return None
    return found


def _set_pragmas(connection: Any, _record: Any) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")

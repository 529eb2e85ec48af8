"""Bring an ops store to the newest revision, once, whoever opens it first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import event

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 7_243_110_001  # any number that nothing else in the database locks


class MigrationError(RuntimeError):
    """An ops store that cannot be brought to the newest revision; says why and what to do."""


def upgrade(url: sa.URL, revision: str) -> None:
    """Run every step up to `revision` in one transaction; others wait, and find it done.

    Raises MigrationError for a store of a newer or an unknown version.
    """
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    if engine.dialect.name == "sqlite":
        # The driver would commit before each step; a crash must leave all tables or none.
        event.listen(engine, "connect", _leave_transactions_to_us)
        event.listen(engine, "begin", _begin_immediate)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
        found = MigrationContext.configure(connection).get_current_revision()
        if found == revision:
            return
        if found is None and sa.inspect(connection).has_table("ledger_batch"):
            raise MigrationError(
                f"ops store {url.render_as_string()}: tables without a revision; they were not made by this product's "
                "migrations. Move the store away and run again: landing and ledger come back from the departments"
            )
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, revision)
        except CommandError as error:
            raise MigrationError(
                f"ops store {url.render_as_string()}: revision {found}, expected {revision} or older ({error}); "
                "it was opened by a newer version of this product, so install that version"
            ) from error


def _leave_transactions_to_us(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA busy_timeout=30000")


def _begin_immediate(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")

"""DuckDB for SQLAlchemy with results that outlive their connection.

Out of the box every expectation on DuckDB fails without a number: Great Expectations closes its connection before it
fetches, and the dialect then has no rows. Here a result is buffered as soon as it is there. SQLAlchemy loads this
module by name when the first engine needs it (`quality.engine`).
"""

from __future__ import annotations

import duckdb_engine
from sqlalchemy.dialects.postgresql.psycopg2 import PGExecutionContext_psycopg2
from sqlalchemy.engine.cursor import FullyBufferedCursorFetchStrategy


class _BufferedExecution(PGExecutionContext_psycopg2):
    """Fetches everything before anyone can close the connection."""

    def post_exec(self) -> None:
        super().post_exec()  # type: ignore[no-untyped-call]
        if self.cursor.description:
            self.cursor_fetch_strategy = FullyBufferedCursorFetchStrategy(
                self.cursor, initial_buffer=self.cursor.fetchall()
            )


class BufferedDialect(duckdb_engine.Dialect):
    """DuckDB for SQLAlchemy with results that outlive their connection."""

    execution_ctx_cls = _BufferedExecution
    supports_statement_cache = False

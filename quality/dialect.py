"""DuckDB for SQLAlchemy with results that outlive their connection.

Great Expectations closes a connection before it fetches; the stock dialect then has no rows, and every expectation
fails without a number. Here a result is buffered as soon as it is there. Imports no other module of this package:
`cityrisk checks export` writes this file beside the suite.
"""

from __future__ import annotations

import duckdb_engine
from sqlalchemy.dialects.postgresql.psycopg2 import PGExecutionContext_psycopg2
from sqlalchemy.engine.cursor import FullyBufferedCursorFetchStrategy


class _BufferedExecution(PGExecutionContext_psycopg2):
    def post_exec(self) -> None:
        super().post_exec()  # type: ignore[no-untyped-call]
        if self.cursor.description:
            self.cursor_fetch_strategy = FullyBufferedCursorFetchStrategy(
                self.cursor, initial_buffer=self.cursor.fetchall()
            )


class BufferedDialect(duckdb_engine.Dialect):
    """DuckDB, every result fetched at once."""

    execution_ctx_cls = _BufferedExecution
    supports_statement_cache = False

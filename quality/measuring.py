"""An in-memory DuckDB over landed Parquet, asked in SQLAlchemy expressions.

Names and values are quoted by SQLAlchemy, so no SQL stands here as text. Not here: what is asked (`quality.measure`,
`quality.set_rules`), which files (`quality.scope`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.sql.elements import quoted_name

from quality.scope import File, Scope

MEMORY_LIMIT = "4GB"
# DuckDB speaks PostgreSQL's dialect; with another style of parameters every percent sign in a pattern would double.
_DIALECT = PGDialect(paramstyle="qmark")


class Measuring:
    """One in-memory DuckDB over the files of one scope. Use as a context manager."""

    def __init__(self, scope: Scope, references: Mapping[str, Sequence[File]], spill: Path) -> None:
        self.scope = scope
        self.references = references
        self._connection = duckdb.connect(
            ":memory:", config={"memory_limit": MEMORY_LIMIT, "temp_directory": str(spill)}
        )
        self._views: dict[str, tuple[str, ...]] = {}

    def __enter__(self) -> Measuring:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def view(self, name: str, files: Iterable[File]) -> tuple[str, ...]:
        """Make the files readable under a name, columns matched by name; gives the columns it has.

        Raises duckdb.Error for a file that cannot be opened, so that each check that needs it finds out by itself.
        """
        if name not in self._views:
            paths = [str(f.path) for f in files]
            if not paths:
                self._views[name] = ()
                return ()
            relation = self._connection.read_parquet(paths, union_by_name=True)
            relation.create_view(name)
            self._views[name] = tuple(relation.columns)
        return self._views[name]

    def show(self, name: str, frame: pl.DataFrame) -> tuple[str, ...]:
        """Make a frame readable under a name."""
        self._connection.register(name, frame.to_arrow())
        self._views[name] = tuple(frame.columns)
        return self._views[name]

    def columns_of(self, name: str) -> tuple[str, ...]:
        """The columns of a view, none when there was nothing to make it from."""
        return self._views[name]

    def rows(self, statement: sa.Select[*tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """All rows of a statement; the caller sees to it that they are few."""
        return self._connection.sql(render(statement)).fetchall()

    def row(self, statement: sa.Select[*tuple[Any, ...]]) -> tuple[Any, ...]:
        """The only row of an aggregate."""
        return self.rows(statement)[0]

    def hashes(self, view: str, columns: Sequence[str]) -> np.ndarray[Any, np.dtype[np.uint64]]:
        """The sorted 64-bit hash of the columns of every row."""
        statement = sa.select(hash_of(columns).label("h")).select_from(table(view))
        found = np.asarray(self._connection.sql(render(statement)).fetchnumpy()["h"], dtype=np.uint64)
        found.sort()
        return found


def render(statement: sa.Select[*tuple[Any, ...]]) -> str:
    """A statement as DuckDB text with its values in it."""
    return str(statement.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True}))


def table(name: str) -> sa.TableClause:
    """A view by its name, quoted whatever the name is."""
    return sa.table(quoted_name(name, quote=True))


def column(name: str) -> sa.ColumnClause[Any]:
    """A column by its name, quoted whatever the name is."""
    return sa.column(quoted_name(name, quote=True))


def hash_of(columns: Sequence[str]) -> sa.Function[Any]:
    """The 64-bit hash of several columns of a row; absent values have one too."""
    return sa.func.hash(*(column(name) for name in columns))

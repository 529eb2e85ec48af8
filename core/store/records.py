"""Rows of a table as frozen records of one type, and back.

That the fields of a record are columns of its table is checked when the pair is made. Fields that a reader looks up
elsewhere have a default and are named as `beside`; they are neither read nor written here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

Record = TypeVar("Record")


class Records(Generic[Record]):
    """The rows of one table as records of one type."""

    def __init__(
        self,
        kind: type[Record],
        table: sa.Table,
        computed: Mapping[str, sa.ColumnElement[Any]] | None = None,
        beside: Collection[str] = (),
    ):
        names = tuple(field.name for field in fields(kind) if field.name not in beside)  # type: ignore[arg-type]
        if unknown := set(names) - set(table.c.keys()):
            raise TypeError(f"{kind.__name__}: {sorted(unknown)} found, expected columns of {table.name}")
        self._kind, self._names, self._read = kind, names, attrgetter(*names)
        self.columns = [(computed or {}).get(name, table.c[name]) for name in names]

    def where(self, *conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
        """A query of whole records."""
        return sa.select(*self.columns).where(*conditions)

    def record(self, row: Sequence[Any]) -> Record:
        """The record at the beginning of a row that may have more columns."""
        return self._kind(**dict(zip(self._names, row, strict=False)))

    def found(self, connection: sa.Connection, query: sa.Select[Any]) -> list[Record]:
        """The records of such a query."""
        return [self._kind(**dict(zip(self._names, row, strict=True))) for row in connection.execute(query)]

    def row(self, record: Record) -> dict[str, Any]:
        """A record as the row to be written."""
        return dict(zip(self._names, self._read(record), strict=True))

    def rows(self, records: Iterable[Record]) -> list[dict[str, Any]]:
        """Records as rows to be written."""
        return [self.row(one) for one in records]

"""What each database needs so that one bad value costs itself: tolerant readers, and their own words for "nothing".

Drivers refuse a whole result for one value that Python has no type for (PostgreSQL's `infinity` and years of five
digits, text of another encoding in SQLite). Here such a value comes as the text that the database wrote, and conform
refuses it where it stands.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from operator import methodcaller
from typing import Any

import sqlalchemy as sa

CONNECT_S = 10
_BACKENDS_WITH_TIMEOUT = ("postgresql", "mysql")


def connect_args(backend: str) -> dict[str, Any]:
    """What the driver of a backend is told at each connection."""
    arguments: dict[str, Any] = {"connect_timeout": CONNECT_S} if backend in _BACKENDS_WITH_TIMEOUT else {}
    return {**arguments, "conv": _mysql_values()} if backend == "mysql" else arguments


def prepare(engine: sa.Engine) -> None:
    """Make every connection of an engine tolerant."""
    match engine.dialect.name:
        case "postgresql":
            sa.event.listen(engine, "connect", _postgres_loaders)
        case "sqlite":
            sa.event.listen(engine, "connect", _sqlite_text)


def as_json(value: Any) -> Any:
    """Text for what JSON has no form for: times and decimals as the database writes them, bytes in base64."""
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode("ascii")
    return str(value)


def finite(row: Sequence[Any]) -> Sequence[Any]:
    """A row whose numbers without end are words: JSON has no form for them, and null would say that nothing came."""
    if all(type(value) is not float or math.isfinite(value) for value in row):
        return row
    return [str(value) if type(value) is float and not math.isfinite(value) else value for value in row]


def _mysql_values() -> dict[Any, Any]:
    """PyMySQL's own readers, but for BIT as a number and 0000-00-00, which is these databases' own "no date"."""
    from pymysql.constants import FIELD_TYPE  # type: ignore[import-untyped]
    from pymysql.converters import conversions  # type: ignore[import-untyped]

    dates = {
        kind: _no_zero_date(conversions[kind]) for kind in (FIELD_TYPE.DATE, FIELD_TYPE.DATETIME, FIELD_TYPE.TIMESTAMP)
    }
    return {**conversions, **dates, FIELD_TYPE.BIT: lambda value: int.from_bytes(value, "big")}


def _no_zero_date(read: Any) -> Any:
    def or_nothing(text: Any) -> Any:
        return None if text.startswith("0000-00-00") else read(text)

    return or_nothing


def _postgres_loaders(connection: Any, _record: Any) -> None:
    from psycopg.types import datetime as types

    for name in ("date", "time", "timetz", "timestamp", "timestamptz", "interval"):
        connection.adapters.register_loader(name, _tolerant(getattr(types, f"{name.capitalize()}Loader")))


def _tolerant(loader: Any) -> Any:
    """A loader that gives the database's own text where Python has no value."""
    from psycopg import DataError

    class Tolerant(loader):  # type: ignore[misc]  # the driver's classes are looked up by name
        def load(self, data: Any) -> Any:
            try:
                return super().load(data)
            except DataError:
                return bytes(data).decode()

    return Tolerant


def _sqlite_text(connection: Any, _record: Any) -> None:
    connection.text_factory = methodcaller("decode", "utf-8", "replace")  # no frame of Python for each text

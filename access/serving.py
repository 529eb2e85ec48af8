"""Open the newest published generation, read-only and locked down.

A generation is a name that is never reused, so the newest one is looked up at every open: DuckDB remembers files by
path, and a reader that kept a name would see old data for ever.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import polars as pl

from access.known_at import known_tables, path_literal
from core.settings import Home, open_home

__all__ = [
    "GenerationError",
    "Home",
    "Mart",
    "NoGenerationError",
    "by_age",
    "connect",
    "newest",
    "open_home",
    "open_mart",
    "published_at",
    "readable",
    "stale_after",
]

_log = logging.getLogger(__name__)
_GENERATION = re.compile(r"(?P<second>\d{8}T\d{6})(?P<micro>\d{0,6})Z?\.duckdb")
_CLOCK_TOLERANCE = timedelta(minutes=5)
_OPEN_ATTEMPTS = 20
_DEFAULT_STALE_AFTER_H = 26.0

# Locked at the first statement and not to be unlocked: no file but this one, no network, no extension, no setting.
LOCKED_DOWN: Mapping[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "lock_configuration": "true",
    "threads": "2",
}


class NoGenerationError(RuntimeError):
    """Nothing has been published in this home yet; says what to run."""


class GenerationError(RuntimeError):
    """The newest generation is there but cannot be opened; says which and why."""


def newest(home: Home) -> Path | None:
    """The newest generation's file, or None before the first publish. Copies under way have other names."""
    return next(iter(by_age(home, datetime.now(UTC))), None)


def by_age(home: Home, now: datetime) -> list[Path]:
    """Generations, the newest first; those of a clock that was ahead come last, so that they hold no reader."""
    try:
        found = [path for path in home.serving.iterdir() if _GENERATION.fullmatch(path.name)]
    except FileNotFoundError:
        return []
    latest = now + _CLOCK_TOLERANCE
    return sorted(found, key=lambda path: (published_at(path) <= latest, path.name), reverse=True)


def readable(home: Home) -> Path:
    """The newest generation that opens. Raises as `connect`."""
    generation, connection = _open_newest(home)
    connection.close()
    return generation


def published_at(generation: Path) -> datetime:
    """When a generation was published, read from its name. Raises ValueError for any other file name."""
    match = _GENERATION.fullmatch(generation.name)
    if match is None:
        raise ValueError(f"{generation.name} is not the name of a generation; expected YYYYMMDDTHHMMSSffffff.duckdb")
    second = datetime.strptime(match["second"], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    return second + timedelta(microseconds=int(match["micro"].ljust(6, "0")))


def stale_after(home: Home) -> timedelta:
    """How old the newest generation may be before pages say so; `CITYRISK_STALE_AFTER_H`, 26 hours unless set."""
    return timedelta(hours=float(home.environment.get("CITYRISK_STALE_AFTER_H") or _DEFAULT_STALE_AFTER_H))


def connect(home: Home) -> duckdb.DuckDBPyConnection:
    """A read-only, locked-down connection to the newest generation; the caller closes it.

    Raises NoGenerationError before the first publish, GenerationError when the file cannot be read.
    """
    return _open_newest(home)[1]


def open_mart(home: Home, known_at: datetime | None = None) -> Mart:
    """The newest generation as one consistent view for several queries; with `known_at` what readers had then.

    Raises as `connect`, and NotKnownError for an instant of which nothing is kept.
    """
    if known_at is not None:
        known = known_tables(home, known_at)
        connection = duckdb.connect(":memory:", config={"threads": LOCKED_DOWN["threads"]})
        for statement in (*known.setup, *locked_to(known.files)):
            connection.execute(statement)
        return Mart(connection, known.generation, known.published_at)
    generation, connection = _open_newest(home)
    return Mart(connection, generation, published_at(generation))


def locked_to(files: Sequence[Path]) -> list[str]:
    """Statements after which a connection reads these files and nothing else, for good."""
    quoted = ", ".join(path_literal(path) for path in files)
    locks = [f"set {name} = {value}" for name, value in LOCKED_DOWN.items() if name != "threads"]
    return [f"set allowed_paths = [{quoted}]", *locks]


@dataclass(frozen=True, slots=True)
class Mart:
    """An open generation. All queries of one drawn page go through one Mart, so they show one moment."""

    connection: duckdb.DuckDBPyConnection
    generation: Path
    published_at: datetime

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()

    def frame(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> pl.DataFrame:
        """Rows of one query with bound parameters; instants come out in UTC."""
        frame: pl.DataFrame = self.connection.execute(sql, parameters).pl()
        return in_utc(frame)

    def row(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> dict[str, Any] | None:
        """The first row of a query by column name, or None when there is none."""
        frame = self.frame(sql, parameters)
        return frame.row(0, named=True) if frame.height else None


def in_utc(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with every zoned instant as UTC, whatever zone the engine's session had."""
    zoned = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Datetime) and kind.time_zone]
    return frame.with_columns(pl.col(zoned).dt.convert_time_zone("UTC")) if zoned else frame


def _open_newest(home: Home) -> tuple[Path, duckdb.DuckDBPyConnection]:
    """The newest generation that opens: one that is damaged, or locked by a shell, gives way to the one before."""
    for _ in range(_OPEN_ATTEMPTS):
        generations = by_age(home, datetime.now(UTC))
        if not generations:
            raise NoGenerationError(
                f"nothing is published in {home.serving} yet; `cityrisk run` builds and publishes it"
            )
        refused: list[str] = []
        for generation in generations:
            try:
                return generation, _opened(generation)
            except duckdb.Error as error:
                # Upkeep may delete an old generation between the listing and the open: then a newer one is there.
                if generation.exists():
                    _log.warning("generation %s cannot be opened, the one before serves: %s", generation.name, error)
                    refused.append(f"{generation.name} cannot be opened: {error}")
        if len(refused) == len(generations):
            raise GenerationError(f"{'; '.join(refused)}; run `cityrisk run` to publish a new one")
    raise NoGenerationError(
        f"every generation in {home.serving} vanished while it was opened; is upkeep misconfigured?"
    )


def _opened(generation: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(str(generation), read_only=True, config=dict(LOCKED_DOWN))
    try:
        connection.execute("select count(*) from duckdb_columns() where schema_name = 'mart'").fetchall()
    except duckdb.Error:
        connection.close()
        raise
    return connection

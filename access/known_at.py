"""The published tables as they were known at an instant: what readers were shown then, whatever came later."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from core.errors import ExplainedError
from core.settings import Home
from core.store import tables
from core.store.database import opened
from core.store.published import PARTS, PublishedPart


class NotKnownError(ExplainedError, LookupError):
    """What was known at an instant cannot be told; says why, and of when it can."""


@dataclass(frozen=True, slots=True)
class KnownTables:
    """The tables of one instant: the generation that readers had then, and SQL that makes `mart` of its parts."""

    generation: Path  # its name; the file itself went long ago
    published_at: datetime
    files: tuple[Path, ...]
    setup: tuple[str, ...]


def known_tables(home: Home, at: datetime, names: Collection[str] | None = None) -> KnownTables:
    """What readers were shown at an instant: all tables, or those that are named.

    Raises NotKnownError for an instant before anything was published or kept, and where a part is not retained.
    """
    with opened(home.ops_url) as engine, engine.connect() as connection:
        g, p = tables.generation.c, tables.published_part.c
        shown = connection.execute(
            sa.select(g.name, g.published_at).where(g.published_at <= at).order_by(g.published_at.desc()).limit(1)
        ).first()
        kept_from = connection.scalar(sa.select(sa.func.min(p.known_at)))
        if shown is None or kept_from is None or shown.published_at < kept_from:
            first = "nothing is kept yet" if kept_from is None else f"what was published is kept from {kept_from} on"
            raise NotKnownError(f"nothing that was published by {at} is kept; {first}")
        in_force = sa.or_(p.known_to.is_(None), p.known_to > at)
        wanted = sa.true() if names is None else p.table_name.in_(sorted(names))
        parts = PARTS.found(connection, PARTS.where(p.known_at <= at, in_force, wanted).order_by(p.part_id))
        gone = connection.execute(
            sa.select(p.table_name, p.day).where(p.thinned_from <= at, p.known_at > at, wanted).limit(1)
        ).first()
    if gone is not None:
        raise NotKnownError(
            f"mart.{gone.table_name}{f' of {gone.day}' if gone.day else ''} as known at {at} is not retained; "
            "of tables that are no index only what was in force when a Beijing day ended is kept longer than two days"
        )
    files = tuple(home.published / name for name in sorted({part.file for part in parts}))
    return KnownTables(home.serving / shown.name, shown.published_at, files, tuple(_setup(home, parts)))


def _setup(home: Home, parts: list[PublishedPart]) -> list[str]:
    by_table: dict[str, list[PublishedPart]] = {}
    for part in parts:
        by_table.setdefault(part.table_name, []).append(part)
    return ["create schema mart", *(_view(home, table, found) for table, found in sorted(by_table.items()))]


def _view(home: Home, table: str, parts: list[PublishedPart]) -> str:
    files = ", ".join(path_literal(home.published / name) for name in sorted({part.file for part in parts}))
    ids = ", ".join(str(part.part_id) for part in parts)
    return (
        f"create view mart.{table} as select * exclude (_part)"
        f" from read_parquet([{files}], union_by_name = true) where _part in ({ids})"
    )


def path_literal(path: Path) -> str:
    """A path as a literal of SQL."""
    return "'" + str(path).replace("'", "''") + "'"

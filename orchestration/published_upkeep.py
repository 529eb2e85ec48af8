"""Keep the parts that readers were shown few and in few files.

Every version of an index row stays for ever. Of other tables every version stays for two days, and then those that were
in force when a Beijing day ended; whoever asks for one that went is told so. Files of a day are merged when it is two
days over; those that nobody names any more go one upkeep later, when no reader has them open.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from itertools import pairwise
from pathlib import Path

import duckdb
import sqlalchemy as sa

from access.known_at import path_literal
from core.civil_time import CIVIL_ZONE, civil_date
from core.settings import Home
from core.store.published import PARTS, PublishedPart, published_part
from orchestration.published_parts import write_parts

KEPT_WHOLE = timedelta(days=2)
# "Published index rows are kept append-only by day, known_at and method."
EVERY_VERSION = frozenset({"risk_index", "risk_contribution"})
OF_ONE_PUBLISH = "%/________T%"  # names of files by the instant of a publish, not by a day


def thin_published(home: Home, engine: sa.Engine, now: datetime) -> int:
    """Let versions go that were not the last of their day, and merge files; gives how many versions went."""
    p = published_part.c
    over = datetime.combine(civil_date(now - KEPT_WHOLE), time(), CIVIL_ZONE)
    with engine.connect() as connection:
        named: set[str] = set(connection.scalars(sa.select(p.file).distinct()))
        single = PARTS.where(p.known_at < over, p.file.like(OF_ONE_PUBLISH))
        parts = PARTS.found(connection, single.order_by(p.table_name, p.day, p.part_id))
    _sweep(home, named, now)
    gone = _gone(parts)
    merged = _merged(home, [part for part in parts if part.part_id not in gone])
    with engine.begin() as connection:
        for part_id, since in _gaps(parts, gone).items():
            connection.execute(sa.update(published_part).where(p.part_id == part_id).values(thinned_from=since))
        for start in range(0, len(gone), 500):
            ids = sorted(gone)[start : start + 500]
            connection.execute(sa.delete(published_part).where(p.part_id.in_(ids)))
        for file, chosen in merged.items():
            for start in range(0, len(chosen), 500):
                some = p.part_id.in_(chosen[start : start + 500])
                connection.execute(sa.update(published_part).where(some).values(file=file))
    return len(gone)


def _gone(parts: Sequence[PublishedPart]) -> set[int]:
    """Versions that began on a Beijing day and gave way to another one on the same day."""
    return {
        part.part_id
        for part, after in pairwise(parts)
        if part.table_name not in EVERY_VERSION
        and (part.table_name, part.day, part.known_to) == (after.table_name, after.day, after.known_at)
        and civil_date(part.known_at) == civil_date(after.known_at)
    }


def _gaps(parts: Sequence[PublishedPart], gone: set[int]) -> dict[int, datetime]:
    """Versions that stay behind some that went, with the instant from which those were shown."""
    found: dict[int, datetime] = {}
    since: datetime | None = None
    for part in parts:
        if part.part_id in gone:
            since = since or part.known_at
        elif since is not None:
            found[part.part_id], since = since, None
    return found


def _merged(home: Home, kept: Sequence[PublishedPart]) -> dict[str, list[int]]:
    """One file for each table and Beijing day on which parts were first shown, and the parts in it."""
    by_day: dict[str, list[PublishedPart]] = {}
    for part in kept:
        by_day.setdefault(f"{part.table_name}/{civil_date(part.known_at):%Y%m%d}.parquet", []).append(part)
    found: dict[str, list[int]] = {}
    for target, parts in by_day.items():
        files = sorted({part.file for part in parts})
        if not all((home.published / file).is_file() for file in files):
            continue
        ids = sorted(part.part_id for part in parts)
        _merge(home, files, ids, home.published / target)
        found[target] = ids
    return found


def _merge(home: Home, files: Sequence[str], ids: Sequence[int], target: Path) -> None:
    sources = ", ".join(path_literal(home.published / file) for file in files)
    chosen = ", ".join(map(str, ids))
    with duckdb.connect(":memory:") as connection:
        rows = f"select * from read_parquet([{sources}], union_by_name = true) where _part in ({chosen})"
        write_parts(connection, rows, target)


def _sweep(home: Home, named: set[str], now: datetime) -> None:
    """Remove files that no part names. One of this hour may be of a publish that is not noted yet."""
    for path in home.published.glob("*/*"):
        is_old = now.timestamp() - path.stat().st_mtime > timedelta(hours=1).total_seconds()
        if is_old and path.relative_to(home.published).as_posix() not in named:
            path.unlink()

"""Planting known bad rows into a department's table, each decidable from the row by the reason's definition."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from city.naming import wrong_check_digit
from city.profiles import Profile
from city.table import SourceTable

Row = dict[str, Any]
# Changes a row in place; what it returns are cells that do not fit the column type.
Change = Callable[[Row, np.random.Generator], Row]


@dataclass(frozen=True)
class Planting:
    """`n` rows of one reason for one feed at scale 1; `extra` adds bad rows instead of spoiling good ones.

    `needs` names columns that must be filled in a row to be picked. Registers use `extra` for rows that will be turned
    away, so that the number of good objects stays exact.
    """

    feed_id: str
    reason: str
    n: int
    change: Change
    needs: tuple[str, ...] = ()
    extra: bool = False
    outcome: str | None = None


@dataclass(frozen=True)
class Planted:
    """One planted row defect, to be given its source reference when the row is served."""

    uid: int
    reason: str
    outcome: str | None
    object_id: str | None
    at: datetime | None


def plant(table: SourceTable, plan: list[Planting], scale: float, rng: np.random.Generator) -> list[Planted]:
    """Spoil `table` by the plan; returns what was planted where. A row carries at most one defect."""
    free = table.frame.filter(~pl.col("_uid").is_in(list(table.protected)))
    used: set[int] = set()
    next_uid = table.frame.height
    changed: list[Row] = []
    planted: list[Planted] = []
    for entry in plan:
        wanted = max(1, round(entry.n * min(scale, 1.0)))
        pool = free.filter(pl.all_horizontal(pl.col(c).is_not_null() for c in entry.needs)) if entry.needs else free
        if "_single" in pool.columns and entry.reason != "duplicate" and not entry.extra:
            pool = pool.filter(pl.col("_single"))
        uids = [uid for uid in rng.permutation(pool["_uid"].to_numpy()).tolist()[: wanted * 4 + 40] if uid not in used]
        for uid in uids[:wanted]:
            used.add(uid)
            row = table.frame.row(uid, named=True)
            if entry.extra:
                row["_uid"], row["_order"] = next_uid, row["_order"] + 0.5
                next_uid += 1
                if entry.reason != "duplicate":
                    row[table.key[0]] = f"{row[table.key[0]]}X{next_uid - table.frame.height}"
            loose = entry.change(row, rng)
            if loose:
                table.loose[row["_uid"]] = loose
            changed.append(row)
            at = row[table.event] if table.event else None
            planted.append(Planted(row["_uid"], entry.reason, entry.outcome, row[table.object_column], at))
    if changed:
        gone = [row["_uid"] for row in changed]
        spoilt = pl.DataFrame(changed, schema=table.frame.schema)
        table.frame = pl.concat([table.frame.filter(~pl.col("_uid").is_in(gone)), spoilt])
    table.sorted()
    return planted


def same(row: Row, rng: np.random.Generator) -> Row:
    """Nothing changes: an exact copy of the row."""
    return {}


def empty(column: str) -> Change:
    """The cell is left empty."""

    def change(row: Row, rng: np.random.Generator) -> Row:
        row[column] = None
        return {}

    return change


def value(column: str, *choices: Any) -> Change:
    """The cell gets one of the choices, which fit the column type."""

    def change(row: Row, rng: np.random.Generator) -> Row:
        row[column] = choices[int(rng.integers(len(choices)))]
        return {}

    return change


def text(column: str, *choices: str) -> Change:
    """The cell gets a text where a number or a time belongs."""

    def change(row: Row, rng: np.random.Generator) -> Row:
        return {column: choices[int(rng.integers(len(choices)))]}

    return change


def divided(column: str, by: float, decimals: int = 5) -> Change:
    """The cell is sent in a unit `by` times larger."""

    def change(row: Row, rng: np.random.Generator) -> Row:
        row[column] = round(row[column] / by, decimals)
        return {}

    return change


def check_digit(column: str) -> Change:
    """The last character of the identifier is wrong."""

    def change(row: Row, rng: np.random.Generator) -> Row:
        row[column] = wrong_check_digit(row[column])
        return {}

    return change


def swapped(lon: str, lat: str) -> Change:
    """Longitude and latitude stand in each other's column."""

    def change(row: Row, rng: np.random.Generator) -> Row:
        row[lon], row[lat] = row[lat], row[lon]
        return {}

    return change


def happened_earlier(event: str, sent: str) -> Change:
    """The event lies two to five days before it was sent, at an odd minute that no regular row has."""

    def change(row: Row, rng: np.random.Generator) -> Row:
        back = timedelta(days=int(rng.integers(2, 5)), hours=int(rng.integers(1, 20)), minutes=29)
        row[event] = row[sent].replace(second=0) - back
        return {}

    return change


def happens_later(event: str, days: int = 0) -> Change:
    """The event lies `days` (or 1 to 6) days and some hours in the future of its sending."""

    def change(row: Row, rng: np.random.Generator) -> Row:
        ahead = timedelta(days=days or int(rng.integers(1, 6)), hours=int(rng.integers(2, 7)), minutes=17)
        row[event] = row[event] + ahead
        return {}

    return change


def foreign_area(column: str, profile: Profile) -> Change:
    """An area code of the right form that no list has."""
    return value(column, f"{profile.code[:4]}99", "999999", f"{profile.code[:4]}98003")


def retired_area(column: str, profile: Profile) -> Change:
    """An area code that was abolished."""
    return value(column, profile.retired_area)

"""What a feed of a department repeats when the city goes on after the built days.

A feed of devices repeats, for each device and hour of the day, the last row that was calm; sums that only grow stand
where they stood. A feed of events repeats its last period under new numbers. Nothing is planted any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import polars as pl

from city.clock import Span
from city.declared import Declared, GoesOn
from city.table import SourceTable

AT = "_at"  # the instant at which a row is to be had, naive Beijing time
# A file without a time of sending is dropped so long after the hour that it tells of.
DROPPED = timedelta(minutes=10)
# A device that was not heard for so long before the end is dead, and stays so.
_DEAD = timedelta(hours=6)
_HELD_OVER = 12


def period_of(goes_on: GoesOn, days: int) -> timedelta:
    """What a feed repeats: its period, or all of a shorter history."""
    return min(timedelta(seconds=goes_on.period_s), timedelta(days=days))


def write_templates(root: Path, tables: Mapping[str, SourceTable], declared: Declared, span: Span) -> None:
    """Keep what the feeds that go on will repeat; to be called before anything is spoilt."""
    folder = root / "onward"
    folder.mkdir()
    for feed_id, department in declared.departments.items():
        if department.goes_on is not None and feed_id in tables:
            _template(tables[feed_id], department.goes_on, span).write_parquet(folder / f"{feed_id}.parquet")


def _template(table: SourceTable, goes_on: GoesOn, span: Span) -> pl.DataFrame:
    """Rows of the last period of the history, with the instant at which each is to be had."""
    frame, event, end = table.frame, str(table.event), span.end
    begin = end - period_of(goes_on, span.days)
    if goes_on.numbers:
        recent = frame.filter(pl.col(event) >= begin)
        return recent.with_columns(pl.col(table.sent or event).alias(AT), _total=pl.lit(frame.height))
    device = table.key[0]
    alive = frame.group_by(device).agg(pl.col(event).max()).filter(pl.col(event) >= end - _DEAD)
    rows = frame.join(alive.select(device), on=device, how="semi", maintain_order="left").sort(event)
    calm = rows.filter(~pl.col("_uid").is_in(list(table.protected)))
    restless = rows.join(calm.select(device).unique(), on=device, how="anti", maintain_order="left")
    slot = pl.col(event).dt.hour().alias("_hour")
    chosen = pl.concat([calm, restless]).group_by(device, slot, maintain_order=True).last()
    # To the same hour of the last day.
    days = (pl.lit(end) - pl.col(event) - pl.duration(microseconds=1)).dt.total_days()
    moved = [pl.col(name) + pl.duration(days=days) for name in (event, table.sent) if name]
    chosen = chosen.with_columns(moved).drop("_hour")
    held = rows.group_by(device).agg(pl.col(name).drop_nulls().tail(_HELD_OVER).median() for name in goes_on.holds)
    chosen = chosen.drop(goes_on.holds).join(held, on=device, how="left").select(frame.columns)
    at = pl.col(table.sent) if table.sent else pl.col(event) + DROPPED
    return chosen.with_columns(at.alias(AT)).sort(AT, device)

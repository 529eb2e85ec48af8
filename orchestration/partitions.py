"""From which Beijing day on the graph has partitions: where data may exist, not some year long past."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import dagster as dg
import sqlalchemy as sa

from core.civil_time import CIVIL_ZONE
from core.settings import Home, SettingsError
from core.store import database, tables

FIRST_DAY = "CITYRISK_FIRST_DAY"
# As far back as the index is computed at all (`history_days` of the method): where nothing has landed yet.
HISTORY = timedelta(days=400)


def first_day(home: Home, now: datetime) -> date:
    """The day of the setting; without it the first that has landed files; without these the first of the index.

    Raises SettingsError for a setting that is no day.
    """
    told = home.environment.get(FIRST_DAY)
    if told:
        try:
            return date.fromisoformat(told)
        except ValueError as error:
            raise SettingsError(f"{FIRST_DAY}={told!r}; expected a day like 2026-11-22") from error
    landed = _first_landed(home)
    return landed or now.astimezone(CIVIL_ZONE).date() - HISTORY


def daily_partitions(start: date) -> dg.DailyPartitionsDefinition:
    """Beijing days; today is a partition too, since feeds of facts arrive during the day."""
    return dg.DailyPartitionsDefinition(start_date=start.isoformat(), timezone=str(CIVIL_ZONE), end_offset=1)


def _first_landed(home: Home) -> date | None:
    """The first Beijing day of any live file; None where there is no store yet: looking makes none."""
    file = sa.make_url(home.ops_url).database
    if home.ops_url.startswith("sqlite") and not (file and Path(file).exists()):
        return None
    with database.opened(home.ops_url) as engine, engine.connect() as connection:
        first = connection.scalar(sa.select(sa.func.min(tables.file.c.landed_on)).where(tables.file.c.state == "live"))
    return date.fromisoformat(first) if first else None

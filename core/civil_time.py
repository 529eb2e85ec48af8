"""Civil time of the cities: one zone without summer time, and the day that an instant lies in."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

CIVIL_ZONE_NAME = "Asia/Shanghai"
CIVIL_ZONE = ZoneInfo(CIVIL_ZONE_NAME)
CIVIL_OFFSET = timedelta(hours=8)  # of every instant since 1992
CIVIL_OFFSET_US = CIVIL_OFFSET // timedelta(microseconds=1)
CIVIL_OFFSET_MINUTES = CIVIL_OFFSET // timedelta(minutes=1)
BEIJING = timezone(CIVIL_OFFSET)  # what device protocols send their clocks in


def civil_date(at: datetime) -> date:
    """The civil day of an instant.

    >>> from datetime import UTC
    >>> civil_date(datetime(2026, 11, 30, 16, 0, tzinfo=UTC))
    datetime.date(2026, 12, 1)
    """
    return at.astimezone(CIVIL_ZONE).date()

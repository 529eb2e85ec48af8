"""The hours and days that a simulated city lives through, in Beijing local time."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

BEIJING = ZoneInfo("Asia/Shanghai")


def beijing_midnight(now: datetime) -> datetime:
    """The last Beijing midnight at or before the aware instant `now`."""
    return now.astimezone(BEIJING).replace(hour=0, minute=0, second=0, microsecond=0)


@dataclass(frozen=True)
class Span:
    """History of `days` whole days before `as_of`; local times are naive Beijing wall-clock."""

    as_of: datetime
    days: int

    @property
    def end(self) -> datetime:
        """`as_of` as naive Beijing time."""
        return self.as_of.astimezone(BEIJING).replace(tzinfo=None)

    @property
    def start(self) -> datetime:
        """First hour of the history, naive Beijing time."""
        return self.end - timedelta(days=self.days)

    @property
    def hours(self) -> int:
        """Whole hours in the history."""
        return self.days * 24

    @property
    def times(self) -> npt.NDArray[np.datetime64]:
        """Each full hour, `start` … `end` − 1 h, shape (hours,), microsecond resolution."""
        return np.datetime64(self.start, "us") + np.arange(self.hours) * np.timedelta64(3600, "s")

    @property
    def dates(self) -> list[date]:
        """The Beijing days touched by the history."""
        return [(self.start + timedelta(days=d)).date() for d in range(self.days)]

    def day_before(self, days: int) -> date:
        """The civil date `days` before the end."""
        return (self.end - timedelta(days=days)).date()


def to_utc(local: datetime) -> datetime:
    """A naive Beijing time as an aware UTC instant."""
    return local.replace(tzinfo=BEIJING).astimezone(UTC)

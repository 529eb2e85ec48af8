"""The hours and days that a simulated city lives through, in Beijing local time."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt

from core.civil_time import CIVIL_ZONE

BEIJING = CIVIL_ZONE


def whole_hour(now: datetime) -> datetime:
    """The last full hour at or before the aware instant `now`, in Beijing time."""
    return now.astimezone(BEIJING).replace(minute=0, second=0, microsecond=0)


@dataclass(frozen=True)
class Span:
    """History of `days` times 24 hours before `as_of`; local times are naive Beijing wall-clock."""

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
    def dates(self) -> npt.NDArray[np.datetime64]:
        """The Beijing days that the history touches, the first and the last of them perhaps in part."""
        return np.arange(np.datetime64(self.start, "D"), np.datetime64(self.end, "D") + 1)

    def holds(self, begin: npt.NDArray[np.datetime64], finish: npt.NDArray[np.datetime64]) -> npt.NDArray[np.bool_]:
        """Which of the pairs of local times lie wholly inside the history."""
        inside: npt.NDArray[np.bool_] = (begin >= np.datetime64(self.start, "us")) & (
            finish < np.datetime64(self.end, "us")
        )
        return inside

    def day_before(self, days: int) -> date:
        """The civil date `days` before the end."""
        return (self.end - timedelta(days=days)).date()


def to_utc(local: datetime) -> datetime:
    """A naive Beijing time as an aware UTC instant."""
    return local.replace(tzinfo=BEIJING).astimezone(UTC)

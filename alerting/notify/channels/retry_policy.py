"""How long a channel is asked again: quickly at first, then every few minutes, for about an hour. Pure.

A red alert that a gateway lost for half an hour still goes out; one of last night does not wake anybody this morning.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Bounds of sending and of trying again."""

    timeout: timedelta = timedelta(seconds=10)  # one attempt
    lease: timedelta = timedelta(seconds=30)  # a claimed delivery belongs to its worker so long; longer than an attempt
    first: timedelta = timedelta(seconds=1)
    longest: timedelta = timedelta(minutes=5)
    most_attempts: int = 20
    set_up_within: timedelta = timedelta(hours=1)  # what a channel without an address is kept for
    poll: timedelta = timedelta(seconds=0.2)
    width: int = 4  # deliveries of one channel under way at a time

    def wait(self, attempts: int, chance: float) -> timedelta:
        """How long to wait after so many failed attempts; `chance` (0 to 1) spreads those that failed together.

        >>> RetryPolicy().wait(3, 0.0), RetryPolicy().wait(3, 1.0), RetryPolicy().wait(30, 0.0)
        (datetime.timedelta(seconds=4), datetime.timedelta(seconds=5), datetime.timedelta(seconds=300))
        """
        doubled: timedelta = self.first * 2 ** min(attempts - 1, 20)
        return min(doubled, self.longest) * (1 + chance / 4)

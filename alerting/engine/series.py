"""Rolling windows over fixed-width buckets, and runs of activity: what a rule remembers of readings.

A bucket is right-closed (an hourly sum stamped 10:00 is the hour before it) and aligned to Beijing days. Within a
bucket every event time counts once, so a reading that is sent again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from alerting.engine.rule import Aggregate, Condition
from core.civil_time import CIVIL_OFFSET_US

_MINUTE_US = 60_000_000
_MANY = 4  # entries a bucket keeps one by one after it was left; fuller ones are folded into their figures


FROM_START = ("drop", "rate")


class Bucket:
    """Entries of one bucket by event time; `folded` (sum, count, highest, lowest, last) once it is old and full."""

    __slots__ = ("_figures", "entries", "folded")

    def __init__(self) -> None:
        self.entries: dict[int, float] = {}
        self._figures: tuple[float, int, float, float, float] | None = None
        self.folded: tuple[float, int, float, float, float] | None = None

    def figures(self) -> tuple[float, int, float, float, float]:
        """Sum, count, highest, lowest and last entry."""
        if self.folded is not None:
            return self.folded
        if self._figures is None:
            in_order = [self.entries[at] for at in sorted(self.entries)]  # sums of floats depend on their order
            self._figures = sum(in_order), len(in_order), max(in_order), min(in_order), in_order[-1]
        return self._figures

    def put(self, at: int, value: float) -> None:
        """Enter a reading; another one of the same time is corrected."""
        self.entries[at], self._figures = value, None

    def fold(self) -> None:
        """Forget single entries; later ones for this bucket come too late."""
        self.folded, self.entries = self.figures(), {}


class Series:
    """The newest stretch of one metric of one device."""

    __slots__ = ("bucket_us", "buckets", "keep", "newest", "zero")

    def __init__(self, bucket_us: int, keep: int, *, zero: bool) -> None:
        self.bucket_us, self.keep = bucket_us, keep
        self.zero = zero  # whether a value of 0 needs no remembering: sums
        self.buckets: dict[int, Bucket] = {}
        self.newest = 0

    def add(self, at: int, value: float) -> None:
        """Put a reading where its event time says; older than the window it is left out."""
        self.advance(at)
        index = self._index(at)
        if index <= self._index(self.newest) - self.keep:
            return
        bucket = self.buckets.get(index)
        if bucket is None and not (self.zero and value == 0):
            bucket = self.buckets[index] = Bucket()
        if bucket is not None and bucket.folded is None:
            bucket.put(at, value)

    def mark(self, at: int) -> None:
        """Note activity somewhere in a bucket: once is enough."""
        self.advance(at)
        self.add(self._index(at) * self.bucket_us - CIVIL_OFFSET_US, 1.0)

    def advance(self, at: int) -> None:
        """Move the window to a reading's time; a new bucket lets old ones go and folds the full ones."""
        if at <= self.newest:
            return
        before, last = self._index(self.newest), self._index(at)
        self.newest = at
        if last == before:
            return
        for i in [i for i in self.buckets if i <= last - self.keep]:
            del self.buckets[i]
        for i, bucket in self.buckets.items():
            if i < last - 1 and len(bucket.entries) > _MANY:
                bucket.fold()

    def has(self, at: int) -> bool:
        """Whether a reading of this time is here already."""
        bucket = self.buckets.get(self._index(at))
        return bucket is not None and at in bucket.entries

    @property
    def is_empty(self) -> bool:
        """Whether the series needs no remembering: nothing in it, or zeros alone where they say nothing."""
        if not self.zero:
            return not self.buckets
        return all(not any(b.entries.values()) and not (b.folded and b.folded[0]) for b in self.buckets.values())

    def window(self, window_us: int) -> Iterator[tuple[int, Bucket]]:
        """Buckets of the window that ends with the newest reading, oldest first."""
        first = self._index(self.newest) - window_us // self.bucket_us
        return ((i, self.buckets[i]) for i in sorted(self.buckets) if i > first)

    def _index(self, at: int) -> int:
        return -((-at - CIVIL_OFFSET_US) // self.bucket_us)

    def pack(self) -> list[Any]:
        """Plain lists for a snapshot."""
        return [
            self.newest,
            [[i, sorted(b.entries.items()), b.folded] for i, b in sorted(self.buckets.items())],
        ]

    def unpack(self, packed: list[Any]) -> None:
        """Take over what `pack` gave."""
        self.newest = packed[0]
        for i, entries, folded in packed[1]:
            bucket = self.buckets[i] = Bucket()
            bucket.entries = dict(map(tuple, entries))
            bucket.folded = tuple(folded) if folded else None


class Run:
    """A stretch of activity: pauses shorter than the rest do not interrupt it, nor does hearing nothing.

    `minutes` from its start to its last activity. A pause counts once it is as long as the rest (20 minutes of
    driving's rest): a reading that shows it, or the first activity after it, ends the run.
    """

    __slots__ = ("last", "rest_us", "start")

    def __init__(self, rest_us: int) -> None:
        self.rest_us = rest_us
        self.start = self.last = 0

    def add(self, at: int, *, is_active: bool) -> None:
        """One reading; older than the newest activity it changes nothing."""
        if at < self.last:
            return
        if self.start and at - self.last >= self.rest_us:
            self.start = self.last = 0
        if is_active:
            self.start, self.last = self.start or at, at

    @property
    def is_empty(self) -> bool:
        """Whether nobody is active."""
        return not self.start

    @property
    def minutes(self) -> float:
        """Minutes of the run so far."""
        return (self.last - self.start) / _MINUTE_US

    def pack(self) -> list[int]:
        """Plain list for a snapshot."""
        return [self.start, self.last]

    def unpack(self, packed: list[int]) -> None:
        """Take over what `pack` gave."""
        self.start, self.last = packed


def value_of(series: Series, condition: Condition) -> float | None:
    """What a condition compares: the aggregate of its window, None while the window says too little."""
    window_us = condition.window_s * 1_000_000
    # what compares with the window's start needs the bucket that ends there
    buckets = list(series.window(window_us + series.bucket_us * (condition.aggregate in FROM_START)))
    if not buckets:
        return 0.0 if condition.aggregate in ("sum", "count", "minutes") else None
    found: float | None = _AGGREGATES[condition.aggregate](series, condition, buckets, window_us)
    return found


def _mean(_: Series, condition: Condition, buckets: list[tuple[int, Bucket]], __: int) -> float | None:
    figures = [b.figures() for _, b in buckets]
    count = sum(f[1] for f in figures)
    return sum(f[0] for f in figures) / count if count >= condition.least else None


def _sum(_: Series, condition: Condition, buckets: list[tuple[int, Bucket]], __: int) -> float | None:
    return round(sum(_of_bucket(b, condition) for _, b in buckets), 9)  # 0.1 + 0.2 mm is 0.3 mm


def _max(_: Series, condition: Condition, buckets: list[tuple[int, Bucket]], __: int) -> float | None:
    return max(_of_bucket(b, condition) for _, b in buckets) if len(buckets) >= condition.least else None


def _min(_: Series, condition: Condition, buckets: list[tuple[int, Bucket]], __: int) -> float | None:
    return min(_of_bucket(b, condition) for _, b in buckets) if len(buckets) >= condition.least else None


def _count(_: Series, __: Condition, buckets: list[tuple[int, Bucket]], ___: int) -> float | None:
    return float(sum(b.figures()[1] for _, b in buckets))


def _minutes(series: Series, _: Condition, buckets: list[tuple[int, Bucket]], __: int) -> float | None:
    return len(buckets) * series.bucket_us / _MINUTE_US


def _drop(_: Series, __: Condition, buckets: list[tuple[int, Bucket]], ___: int) -> float | None:
    """How far the newest reading lies below the highest of the window."""
    return max(b.figures()[2] for _, b in buckets) - buckets[-1][1].figures()[4]


def _rate(series: Series, _: Condition, buckets: list[tuple[int, Bucket]], window_us: int) -> float | None:
    """Change over one window, from the oldest bucket's last reading to the newest; None below half a window."""
    (first, old), (last, new) = buckets[0], buckets[-1]
    span_us = (last - first) * series.bucket_us
    if span_us * 2 < window_us:
        return None
    return (new.figures()[4] - old.figures()[4]) * window_us / span_us


def _of_bucket(bucket: Bucket, condition: Condition) -> float:
    place = {"sum": 0, "max": 2, "min": 3, "last": 4}[condition.bucket_aggregate]
    return bucket.figures()[place]


_AGGREGATES: dict[Aggregate, Any] = {
    "sum": _sum,
    "mean": _mean,
    "max": _max,
    "min": _min,
    "count": _count,
    "minutes": _minutes,
    "drop": _drop,
    "rate": _rate,
}

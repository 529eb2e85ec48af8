"""How a feed's cursor values stand to each other, and which of them say a time that receipt cannot have seen.

A cursor that believed a wrong clock would wait for it: one row of 2099 and nothing is new for decades. So every value
that is a time, in whatever form the contract names, is compared with receipt before a cursor may move to it.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from core.civil_time import CIVIL_ZONE_NAME
from core.contract import Contract
from ingest.connect.mark import Mark, Value
from ingest.values.times import EPOCH_FORMATS

CLOCK_SLACK = timedelta(minutes=10)  # as conform allows an event to be ahead of receipt
_STEP_BACK = timedelta(seconds=1)
_PLAIN_FORMATS = ("%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d", "%Y%m%d%H%M%S")
_LIKELY_EPOCH_S = (946_684_800.0, 253_402_300_800.0)  # 2000 to 9999: numbers of a time column outside are no instants
_END_OF_TIME = 253_402_300_800.0  # times that no clock shows stand behind all others
# What databases write for times beyond the year 9999, and for no end.
_BEYOND = re.compile(r"\d{5,}-\d{1,2}-\d{1,2}\b.*|-?infinity", re.IGNORECASE)

Rank = tuple[int, int | float | Decimal, str]


class Progress:
    """The cursor column of one feed, judged at one moment of receipt."""

    def __init__(self, contract: Contract, received_at: datetime) -> None:
        column = next((c for c in contract.columns if c.physical_name == contract.cursor_field), None)
        self._zone = column.source_time_zone if column else CIVIL_ZONE_NAME
        self._formats = column.source_formats if column else ()
        self._is_time = column is not None and column.logical_type in ("timestamp", "date")
        self._limit_s = (received_at + CLOCK_SLACK).timestamp()

    def rank(self, value: Any) -> Rank | None:
        """Where a value stands among others: numbers, then instants, then other text; None has no place."""
        if value is None or value == "" or isinstance(value, bool):
            return None
        instant = self.instant_s(value)
        if instant is not None:
            return (1, instant, "")
        return (0, value, "") if isinstance(value, int | float | Decimal) else (2, 0.0, str(value))

    def is_ahead(self, value: Any) -> bool:
        """Whether a value is a time beyond receipt: a wrong clock, which must not skip what follows."""
        instant = self.instant_s(value)
        return instant is not None and instant > self._limit_s

    def instant_s(self, value: Any) -> float | None:
        """A value as seconds since 1970, None when it is no time."""
        if isinstance(value, datetime):
            return _seconds(value, self._zone)
        if isinstance(value, date):
            return _seconds(datetime(value.year, value.month, value.day), self._zone)  # noqa: DTZ001 - zone follows
        if isinstance(value, str):
            return _text_seconds(value, self._zone, self._formats)
        if self._is_time and isinstance(value, int | float | Decimal):
            return _epoch_seconds(float(value), self._formats)
        return None

    def trusted(self, mark: Mark) -> Mark:
        """The mark, or the very beginning when a wrong clock moved it: rows that landed before are recognised."""
        return Mark(without=mark.without) if self.is_ahead(mark.since) else mark

    def floor(self, value: Value | None, overlap: timedelta | int) -> Value | None:
        """The lowest value of the rows that a read from `value` on looks at, in the form it was sent in."""
        if value is None or not overlap:
            return value
        if isinstance(overlap, timedelta):
            return self.earlier(value, overlap)
        return value - overlap if isinstance(value, int | float) else value

    def before(self, value: Value) -> str:
        """A value as text, a second (or one) earlier: services differ in whether their `since` includes its own."""
        return str(self.earlier(value, _STEP_BACK))

    def earlier(self, value: Value, by: timedelta) -> Value:
        """A value moved back in time, in the form it was sent in; one that is no time moves back by one or stays."""
        form = self._form_of(value)
        if form in EPOCH_FORMATS:
            moved = int(float(value)) - round(by.total_seconds() * 1_000_000 / EPOCH_FORMATS[form])
            return str(moved) if isinstance(value, str) else moved
        if not isinstance(value, str):
            return value - 1
        if form is not None:
            local = datetime.strptime(value.strip(), form)  # noqa: DTZ007 - the same clock before and after
            return (local - by).strftime(form)
        try:
            instant = datetime.fromisoformat(value.strip())
        except ValueError:
            return value
        return (instant - by).isoformat(sep="T" if "T" in value else " ")

    def _form_of(self, value: Value) -> str | None:
        """The format that reads a value, None for ISO text and for what is no time."""
        if not isinstance(value, str):
            return next((form for form in self._formats if form in EPOCH_FORMATS), None) if self._is_time else None
        return _form_of(value, self._formats)


def _seconds(moment: datetime, zone: str) -> float:
    return moment.replace(tzinfo=moment.tzinfo or ZoneInfo(zone)).timestamp()


def _epoch_seconds(number: float, formats: tuple[str, ...]) -> float | None:
    scale = next((EPOCH_FORMATS[form] for form in formats if form in EPOCH_FORMATS), None)
    seconds = number * (scale or 1_000_000) / 1_000_000
    if scale is None and number > _LIKELY_EPOCH_S[1]:
        seconds = number / 1000  # a number that would be beyond the year 9999 in seconds is in milliseconds
    return min(seconds, _END_OF_TIME) if scale is not None or seconds >= _LIKELY_EPOCH_S[0] else None


@lru_cache(maxsize=8192)
def _text_seconds(text: str, zone: str, formats: tuple[str, ...]) -> float | None:
    if _BEYOND.fullmatch(text.strip()):
        return _END_OF_TIME
    form = _form_of(text, formats)
    if form in EPOCH_FORMATS:
        return _epoch_seconds(float(text), formats)
    try:
        moment = _moment(text.strip(), form) if form else datetime.fromisoformat(text.strip())
        return None if moment is None else _seconds(moment, zone)
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=8192)
def _form_of(text: str, formats: tuple[str, ...]) -> str | None:
    """The format that reads a text; ISO 8601 comes before forms that the contract does not name."""
    plain = text.strip()
    for form in formats:
        if form in EPOCH_FORMATS:
            if plain.isdigit():
                return form
        elif _moment(plain, form) is not None:
            return form
    try:
        datetime.fromisoformat(plain)
    except ValueError:
        return next((form for form in _PLAIN_FORMATS if _moment(plain, form) is not None), None)
    return None


@lru_cache(maxsize=8192)
def _moment(text: str, form: str) -> datetime | None:
    """What a text says in a form, None when it has another; kept, for whoever finds the form asks next for the time."""
    try:
        return datetime.strptime(text, form)  # noqa: DTZ007 - the zone is the column's
    except ValueError:
        return None

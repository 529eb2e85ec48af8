"""Times as departments write them → UTC instants and civil dates.

Contract formats are tried in order over whole columns; what is left is read value by value: the same formats as
Python understands them, ISO 8601 in all its forms, Excel serial numbers where the source is a sheet. 24:00 is the end
of a day, as ISO 8601 and GB/T 7408 have it: the next day's 00:00.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import MAXYEAR, UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import polars as pl

from core.contract import Column
from ingest.values.text import is_missing, read_number

INSTANT = pl.Datetime("us", "UTC")
EPOCH_FORMATS = {"epoch_s": 1_000_000, "epoch_ms": 1_000}  # microseconds a unit
_EXCEL_DAY_0 = datetime(1899, 12, 30)  # noqa: DTZ001 - civil time, the zone is the column's
_EXCEL_DAYS = (366.0, 80_000.0)  # 1900-12-31 to 2119: other numbers are no dates
_DAYS_TO_1904 = 1462
_DAY = timedelta(days=1)
_ISO_DAY_END = re.compile(r"(\d{4}-?\d{2}-?\d{2}[T ])24(?=(:?00(:?00([.,]0+)?)?)?([+-]\d{2}:?(\d{2})?|Z)?$)")
_DIRECTIVES = {
    "%Y": r"\d{4}",
    "%m": r"\d{1,2}",
    "%d": r"\d{1,2}",
    "%H": "(?P<hour>24)",
    "%M": "0{1,2}",
    "%S": "0{1,2}",
    "%f": "0{1,6}",
    "%z": r"(?:[+-]\d{2}:?\d{2}|Z)",
}


def read_instants(text: pl.Series, column: Column, *, is_sheet: bool) -> pl.Series:
    """Instants in UTC, null where a text is none. Times without an offset are in the column's time zone.

    In the hour that clocks repeat the first pass is meant; a time that clocks skip is none.
    """
    found = pl.Series(text.name, [None] * len(text), dtype=INSTANT)
    for form in column.source_formats:
        if found.null_count() == text.null_count():
            break
        parsed = _by_format(text, form, column.source_time_zone)
        if parsed is not None:
            found = parsed if found.null_count() == len(found) else found.zip_with(found.is_not_null(), parsed)
    return _fill(text, found, lambda value: _one_instant(value, column, is_sheet))


def read_dates(text: pl.Series, column: Column, *, is_sheet: bool) -> pl.Series:
    """Civil dates, null where a text is none; a time of day is cut off."""
    found = pl.Series(text.name, [None] * len(text), dtype=pl.Date)
    for form in column.source_formats:
        if found.null_count() == text.null_count():
            break
        if form in EPOCH_FORMATS:
            continue
        try:
            parsed = text.str.to_date(form, strict=False)
        except pl.exceptions.ComputeError:  # hours without minutes
            continue
        found = found.zip_with(found.is_not_null(), parsed)
    return _fill(text, found, lambda value: _one_date(value, column, is_sheet))


def since_1900(value: str, column: Column) -> str | None:
    """A serial number that counts from 1904 as others count; None for what is none, and where a format reads it."""
    days = read_number(value)
    if days is None or _written(value.strip(), column.source_formats) is not None:
        return None
    if not 0 <= days <= _EXCEL_DAYS[1] - _DAYS_TO_1904:
        return None
    return repr(days + _DAYS_TO_1904)


def _by_format(text: pl.Series, form: str, zone: str) -> pl.Series | None:
    """A column read by one format; None for formats that Polars cannot read (hours without minutes)."""
    if form in EPOCH_FORMATS:
        return (text.cast(pl.Int64, strict=False) * EPOCH_FORMATS[form]).cast(INSTANT)
    try:
        parsed = text.str.to_datetime(form, strict=False, time_unit="us")
    except pl.exceptions.ComputeError:
        return None
    if "%z" in form:
        return parsed.cast(INSTANT)
    aware = parsed.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return aware.dt.convert_time_zone("UTC")


def _fill(text: pl.Series, found: pl.Series, read: Callable[[str], date | None]) -> pl.Series:
    """Read what the formats left, each distinct text once."""
    if found.null_count() == text.null_count():
        return found
    left = text.filter(found.is_null() & text.is_not_null()).unique().to_list()
    read_by_text = {value: moment for value in left if (moment := read(value)) is not None}
    if not read_by_text:
        return found
    rest = text.replace_strict(list(read_by_text), list(read_by_text.values()), default=None, return_dtype=found.dtype)
    return found.zip_with(found.is_not_null(), rest)


def _one_instant(value: str, column: Column, is_sheet: bool) -> datetime | None:
    moment = _moment(value, column.source_formats, is_sheet)
    if moment is None:
        return None
    try:
        if moment.tzinfo is None:
            local = moment.replace(tzinfo=ZoneInfo(column.source_time_zone))
            back = local.astimezone(UTC).astimezone(local.tzinfo)
            if back.replace(tzinfo=None) != moment:  # clocks skipped it
                return None
            moment = local
        return moment.astimezone(UTC)
    except OverflowError:
        return None


def _one_date(value: str, column: Column, is_sheet: bool) -> date | None:
    moment = _moment(value, column.source_formats, is_sheet)
    if moment is None:
        return None
    return moment.date() if moment.tzinfo is None else moment.astimezone(ZoneInfo(column.source_time_zone)).date()


def _moment(value: str, formats: Sequence[str], is_sheet: bool) -> datetime | None:
    """One text as a moment, with an offset only where the text has one."""
    plain = value.strip()
    if is_missing(plain):
        return None
    moment = _written(plain, formats)
    if moment is None and "24" in plain and (start := _day_start(plain, formats)) is not None:
        moment = _written(start, formats)
        return moment + _DAY if moment is not None and moment.year < MAXYEAR else None
    if moment is not None:
        return moment
    days = read_number(plain) if is_sheet else None
    if days is None or not _EXCEL_DAYS[0] <= days <= _EXCEL_DAYS[1]:
        return None
    return _EXCEL_DAY_0 + timedelta(seconds=round(days * 86_400))


def _written(text: str, formats: Sequence[str]) -> datetime | None:
    """A text by one of the formats, or by ISO 8601."""
    for form in formats:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - the zone is added by the caller
        except ValueError:
            continue
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _day_start(text: str, formats: Sequence[str]) -> str | None:
    """The start of the day whose end a text says with hour 24; None for every other text."""
    for form in formats:
        found = _day_end(form).fullmatch(text) if "%H" in form else None
        if found is not None:
            return f"{text[: found.start('hour')]}00{text[found.end('hour') :]}"
    iso = _ISO_DAY_END.match(text)
    return f"{iso.group(1)}00{text[iso.end() :]}" if iso else None


@cache
def _day_end(form: str) -> re.Pattern[str]:
    """What a text of this format looks like when its hour is 24."""
    parts = re.split(r"(%[a-zA-Z])", form)
    return re.compile("".join(_DIRECTIVES.get(part, re.escape(part)) for part in parts))


def moment_of(text: str, form: str) -> datetime | None:
    """The moment that a text says by this one format, hour 24 included; None where it says none."""
    found = _day_end(form).fullmatch(text) if "%H" in form else None
    start = text if found is None else f"{text[: found.start('hour')]}00{text[found.end('hour') :]}"
    try:
        moment = datetime.strptime(start, form)  # noqa: DTZ007 - only the text is looked at
    except ValueError:
        return None
    if found is None:
        return moment
    return moment + _DAY if moment.year < MAXYEAR else None

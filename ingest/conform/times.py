"""Times as departments write them → UTC instants and civil dates.

Contract formats are tried in order over whole columns; what is left is read value by value: the same formats as
Python understands them, ISO 8601 in all its forms, Excel serial numbers where the source is a sheet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from ingest.conform.text import is_missing, read_number
from ingest.contract import Column

INSTANT = pl.Datetime("us", "UTC")
EPOCH_FORMATS = {"epoch_s": 1_000_000, "epoch_ms": 1_000}  # microseconds a unit
_EXCEL_DAY_0 = datetime(1899, 12, 30)  # noqa: DTZ001 - civil time, the zone is the column's
_EXCEL_DAYS = (366.0, 80_000.0)  # 1900-12-31 to 2119: other numbers are no dates


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
        if form not in EPOCH_FORMATS:
            parsed = text.str.to_date(form, strict=False)
            found = found.zip_with(found.is_not_null(), parsed)
    return _fill(text, found, lambda value: _one_date(value, column, is_sheet))


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
    return None if moment is None else moment.date()


def _moment(value: str, formats: Sequence[str], is_sheet: bool) -> datetime | None:
    """One text as a moment, with an offset only where the text has one."""
    plain = value.strip()
    if is_missing(plain):
        return None
    for form in formats:
        try:
            return datetime.strptime(plain, form)  # noqa: DTZ007 - the zone is added by the caller
        except ValueError:
            continue
    try:
        return datetime.fromisoformat(plain)
    except ValueError:
        pass
    days = read_number(plain) if is_sheet else None
    if days is None or not _EXCEL_DAYS[0] <= days <= _EXCEL_DAYS[1]:
        return None
    return _EXCEL_DAY_0 + timedelta(seconds=round(days * 86_400))

"""One column of text → one column of values in our type, unit and words, and the rows that cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from core.contract import Column
from ingest.conform.findings import Rows
from ingest.conform.units import line
from ingest.parse.columns import fold, physical_names
from ingest.values.text import SMALL, clean_text, is_missing, is_plain, is_shortened, read_number, read_percent
from ingest.values.times import read_dates, read_instants

# Text that people read: their punctuation stays full-width.
_PROSE = frozenset({"name_zh", "enterprise_name", "address", "title_zh", "text_zh", "substance_name_zh", "findings"})
_TRUTH = {"true": True, "1": True, "yes": True, "y": True, "是": True, "有": True}
_FALSEHOOD = {"false": False, "0": False, "no": False, "n": False, "否": False, "无": False}
_UNREADABLE = "\ufffd"
_EXACT = 2.0**53  # below it every whole number has a float of its own
_PERCENT_UNITS = ("percent", "pct", "%")
_NONE: Rows = np.array([], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class ColumnRead:
    """A column after reading: `values` (null where empty or bad), `empty` and `bad` rows, values `as_sent` for numbers.

    `as_sent` are numbers before unit conversion; None for other types.
    """

    values: pl.Series
    empty: npt.NDArray[np.bool_]
    bad: Rows
    as_sent: pl.Series | None = None


def source_text(frame: pl.DataFrame, column: Column) -> pl.Series:
    """The column as sent; several columns of the department are joined by blanks, null when one of them is."""
    names = physical_names(column)
    if len(names) == 1:
        return frame[names[0]].alias(column.name)
    return frame.select(pl.concat_str(names, separator=" ").alias(column.name)).to_series()


def read_column(text: pl.Series, column: Column, *, is_sheet: bool, numbers: pl.Series | None = None) -> ColumnRead:
    """Read a column by its contract; `numbers` are the texts as numbers, from who has them already.

    Raises UnitError for units that do not fit each other.
    """
    match column.logical_type:
        case "number" | "integer":
            return _numbers(text, text.cast(pl.Float64, strict=False) if numbers is None else numbers, column)
        case "timestamp":
            return _checked(text, read_instants(text, column, is_sheet=is_sheet))
        case "date":
            return _checked(text, read_dates(text, column, is_sheet=is_sheet))
        case "boolean":
            return _booleans(text, column)
        case _:
            return _strings(text, column)


def expectation(column: Column) -> str:
    """What a value of this column should look like, in plain words."""
    if column.allowed or column.value_map:
        words = [*column.value_map, *(word for word in column.allowed if word not in column.value_map.values())]
        return f"one of {', '.join(words)}"
    if column.pattern:
        return f"text matching {column.pattern}"
    if column.logical_type in ("date", "timestamp"):
        return f"a {column.logical_type} like {' or '.join(column.source_formats) or 'ISO 8601'}"
    return {"number": "a number", "integer": "a whole number", "boolean": "true or false"}.get(
        column.logical_type, "readable text"
    )


def is_identifier(column: Column) -> bool:
    """Whether values of a column are names of things, made of digits perhaps: no prose, no words of a list."""
    is_text = column.logical_type == "string" and column.concept not in _PROSE
    return is_text and not column.allowed and not column.value_map


def _numbers(text: pl.Series, numbers: pl.Series, column: Column) -> ColumnRead:
    sent = _by_hand(text, _finite(numbers), column.source_unit or column.unit)
    if column.logical_type == "integer":
        sent = sent.set((sent != sent.round(0)).fill_null(False), None)
    a, b = line(column.source_unit or column.unit or "1", column.unit or "1")
    values = sent if (a, b) == (1.0, 0.0) else sent * a + b
    if column.logical_type == "integer":
        values = _whole(values.round(0), text, is_as_sent=values is sent)
    elif values is not sent:
        values = _finite(values)
    checked = _checked(text, values)
    return ColumnRead(values, checked.empty, checked.bad, sent)


def _whole(rounded: pl.Series, text: pl.Series, *, is_as_sent: bool) -> pl.Series:
    """Whole numbers; those too large for a float come from their digits, or not at all."""
    large = (rounded.abs() >= _EXACT).fill_null(False)
    values = rounded.cast(pl.Int64, strict=False)
    if not large.any():
        return values
    digits = text.str.strip_chars().cast(pl.Int64, strict=False) if is_as_sent else None
    if digits is None:
        return values.set(large, None)
    return values.zip_with(~large, digits)


def _booleans(text: pl.Series, column: Column) -> ColumnRead:
    words: dict[str, bool] = {**_TRUTH, **_FALSEHOOD}
    words |= {fold(word): ours.lower() == "true" for word, ours in column.value_map.items()}
    clean = clean_text(text, fold=True)
    if len(clean) <= SMALL:
        read = [words.get(one, words.get(one.lower())) if one is not None else None for one in clean.to_list()]
        return _compared(clean, pl.Series(text.name, read, dtype=pl.Boolean))
    lower = clean.str.to_lowercase()
    values = clean.replace_strict(words, default=None, return_dtype=pl.Boolean)
    values = values.zip_with(values.is_not_null(), lower.replace_strict(words, default=None, return_dtype=pl.Boolean))
    return _compared(clean, values)


def _strings(text: pl.Series, column: Column) -> ColumnRead:
    clean = clean_text(text, fold=column.concept not in _PROSE)
    values = clean
    if column.check_digit:
        values = values.str.to_uppercase()
    if column.value_map:
        values = _in_our_words(values, column.value_map, column.allowed)
    elif column.allowed:
        values = values.set(~values.is_in(list(column.allowed)).fill_null(True), None)
    if column.pattern:
        values = values.set(~values.str.contains(column.pattern).fill_null(True), None)
    if is_identifier(column) and (shortened := is_shortened(values)).any():
        values = values.set(shortened, None)
    if not is_plain(clean) and values.str.contains(_UNREADABLE, literal=True).any():
        values = values.set(values.str.contains(_UNREADABLE, literal=True).fill_null(False), None)
    return _compared(clean, values)


def _in_our_words(values: pl.Series, value_map: Mapping[str, str], allowed: tuple[str, ...]) -> pl.Series:
    """Their words to ours; our own words are understood as well."""
    words = {word: word for word in (*value_map.values(), *allowed)}
    words |= {word: ours for name, ours in value_map.items() for word in (name, fold(name))}
    if len(values) <= SMALL:
        return pl.Series(values.name, list(map(words.get, values.to_list())), dtype=pl.String)
    return values.replace_strict(words, default=None, return_dtype=pl.String)


def _finite(values: pl.Series) -> pl.Series:
    """Numbers without those that are none or have no end."""
    if np.count_nonzero(~np.isfinite(values.to_numpy())) == values.null_count():
        return values
    return values.set(values.is_nan() | values.is_infinite(), None)


def _by_hand(text: pl.Series, found: pl.Series, unit: str | None) -> pl.Series:
    """Read what the fast way left, each distinct text once."""
    if found.null_count() == text.null_count():
        return found
    left = text.filter(found.is_null() & text.is_not_null()).unique().to_list()
    values = {value: number for value in left if (number := _number(value, unit)) is not None}
    if not values:
        return found
    rest = text.replace_strict(list(values), list(values.values()), default=None, return_dtype=pl.Float64)
    return found.zip_with(found.is_not_null(), rest)


def _number(text: str, unit: str | None) -> float | None:
    """A number that a person wrote; one with a percent sign (`12.5%`) as the column's unit has it."""
    percent = read_percent(text)
    if percent is None:
        return read_number(text)
    if (unit or "1") == "1":
        return percent / 100
    return percent if unit and unit.startswith(_PERCENT_UNITS) else None


def _checked(text: pl.Series, values: pl.Series) -> ColumnRead:
    """Tell empty from bad among the rows without a value, looking at each distinct text once."""
    if values.null_count() == text.null_count():
        return ColumnRead(values, _nulls(text), _NONE)
    unread = values.is_null() & text.is_not_null()
    empty = text.is_null()
    if unread.any():
        nothing = [value for value in text.filter(unread).unique().to_list() if is_missing(value)]
        empty = empty | text.is_in(nothing).fill_null(False)
    return ColumnRead(values, empty.to_numpy(), (unread & ~empty).arg_true().to_numpy().astype(np.int64))


def _compared(clean: pl.Series, values: pl.Series) -> ColumnRead:
    """The same for text that is already clean: empty is null."""
    if values.null_count() == clean.null_count():
        return ColumnRead(values, _nulls(clean), _NONE)
    bad = (values.is_null() & clean.is_not_null()).arg_true().to_numpy().astype(np.int64)
    return ColumnRead(values, clean.is_null().to_numpy(), bad)


def _nulls(series: pl.Series) -> npt.NDArray[np.bool_]:
    if not series.null_count():
        return np.zeros(len(series), dtype=bool)
    return series.is_null().to_numpy()

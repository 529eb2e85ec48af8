"""Values outside what the contract allows, and values that were sent in a neighbouring unit."""

from __future__ import annotations

import numpy as np
import polars as pl

from core.contract import Column
from ingest.conform.columns import ColumnRead
from ingest.conform.findings import Rows
from ingest.conform.units import line


def out_of_range(values: pl.Series, column: Column) -> pl.Series:
    """Which values lie below the minimum or above the maximum, in our unit."""
    numbers = values.cast(pl.Float64).to_numpy()  # null is NaN, which is neither below nor above
    bad = np.zeros(len(numbers), dtype=bool)
    if column.minimum is not None:
        bad |= numbers < column.minimum
    if column.maximum is not None:
        bad |= numbers > column.maximum
    return pl.Series(values.name, bad)


def unit_slips(read: ColumnRead, column: Column) -> dict[str, Rows]:
    """Rows whose value is implausible as it stands and plausible if it was sent in another unit, by that unit."""
    if column.plausible is None or read.as_sent is None:
        return {}
    low, high = column.plausible
    numbers = read.values.cast(pl.Float64).to_numpy()
    if not ((numbers < low) | (numbers > high)).any():
        return {}
    odd = ((read.values < low) | (read.values > high)).fill_null(False)
    found: dict[str, Rows] = {}
    for unit in column.unit_slips:
        a, b = line(unit, column.unit or "1")
        fits = odd & (read.as_sent * a + b).is_between(low, high).fill_null(False)
        found[unit] = fits.arg_true().to_numpy()
        odd = odd & ~fits
    return found


def band(column: Column) -> str:
    """The allowed range in words: `0 to 2000 kPa`."""
    unit = "" if column.unit in (None, "1") else f" {column.unit}"
    if column.minimum is None or column.maximum is None:
        side = f"at least {column.minimum:g}" if column.minimum is not None else f"at most {column.maximum:g}"
        return f"{side}{unit}"
    return f"{column.minimum:g} to {column.maximum:g}{unit}"

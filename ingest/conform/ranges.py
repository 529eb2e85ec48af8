"""Values outside what the contract allows, and values that were sent in a neighbouring unit."""

from __future__ import annotations

import polars as pl

from ingest.conform.columns import ColumnRead
from ingest.conform.findings import Rows
from ingest.conform.units import line
from ingest.contract import Column


def out_of_range(values: pl.Series, column: Column) -> pl.Series:
    """Which values lie below the minimum or above the maximum, in our unit."""
    bad = pl.Series([False]).new_from_index(0, len(values)) if len(values) else pl.Series([], dtype=pl.Boolean)
    if column.minimum is not None:
        bad = bad | (values < column.minimum).fill_null(False)
    if column.maximum is not None:
        bad = bad | (values > column.maximum).fill_null(False)
    return bad


def unit_slips(read: ColumnRead, column: Column) -> dict[str, Rows]:
    """Rows whose value is implausible as it stands and plausible if it was sent in another unit, by that unit."""
    if column.plausible is None or read.as_sent is None:
        return {}
    low, high = column.plausible
    odd = ((read.values < low) | (read.values > high)).fill_null(False)
    found: dict[str, Rows] = {}
    for unit in column.unit_slips if odd.any() else ():
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

"""Rows known to be bad, one way or another, for every check: an expectation that passes there is blind."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any

import duckdb
import polars as pl

from core.contract import Column, Contract
from core.stages import LANDED_TYPES
from quality.checks import BATCH_ID, Check
from quality.landed import RATIO, Usual

_NEVER_VALID = ("not-a-value-of-this-column", "", "!", "0", "A")
_AT = datetime(2000, 1, 1, tzinfo=UTC)
_SERIAL = count(1)


def bad_rows(contract: Contract, checks: Sequence[Check], usual: Mapping[str, Usual]) -> pl.DataFrame:
    """One row per check that it must find, all else absent; for a key two rows of one batch."""
    columns = {c.landed_name: c for c in contract.landed_columns}
    rows: list[dict[str, Any]] = []
    for check in checks:
        column = columns.get(check.column or "")
        match check.kind:
            case "not_null":
                rows.append({})
            case "range" | "distribution_drift" if column is not None:
                rows.append({column.landed_name: _far(column, checks, usual)})
            case "allowed":
                rows.append({check.column or "": next(v for v in _NEVER_VALID if v not in check.arguments["values"])})
            case "pattern":
                pattern = check.arguments["pattern"]
                rows.append({check.column or "": next(v for v in _NEVER_VALID if not re.search(pattern, v))})
            case "reference" | "freshness" if column is not None:
                rows.append({column.landed_name: _some(column)})
            case "unique_key":
                key = {name: _some(columns[name]) for name in check.arguments["key"]}
                rows += [key, key]
    schema = {name: LANDED_TYPES["string" if c.mask == "hash" else c.logical_type] for name, c in columns.items()}
    return pl.DataFrame(rows or [{}], schema=schema).with_columns(pl.lit("known-bad").alias(BATCH_ID))


def write_bad_rows(connection: duckdb.DuckDBPyConnection, frame: pl.DataFrame) -> str:
    """The rows as a table; gives its name."""
    table = f"known_bad_{next(_SERIAL)}"
    connection.register("frame", frame.to_arrow())
    connection.execute(f"create table {table} as select * from frame")
    connection.unregister("frame")
    return table


def make_bad_total(connection: duckdb.DuckDBPyConnection, check: Check) -> str:
    """A view with a number of rows, and a ratio in each, that the limits of a check do not admit; gives its name."""
    high = check.high
    n_rows = 1 if check.kind == "sum" else int(high) + 1 if high is not None else int(check.low or 1) - 1
    ratio = 0.0 if high is None else high + max(1.0, abs(high))
    view = f"known_bad_{next(_SERIAL)}"
    connection.execute(f"create view {view} as select {ratio!r}::double as {RATIO} from range({n_rows})")
    return view


def _far(column: Column, checks: Sequence[Check], usual: Mapping[str, Usual]) -> float:
    """A value that no check of this column admits, be it a range or a mean."""
    lows, highs = list[float](), list[float]()
    for check in checks:
        if check.column != column.landed_name:
            continue
        if check.kind == "range":
            lows += [v for v in (check.arguments["minimum"],) if v is not None]
            highs += [v for v in (check.arguments["maximum"],) if v is not None]
        elif check.kind == "distribution_drift":
            low, high = usual[check.id].limits(check.high or 0.0)
            lows.append(low)
            highs.append(high)
    has_only_minimum = any(
        c.kind == "range" and c.column == column.landed_name and c.arguments["maximum"] is None for c in checks
    )
    value = min(lows) - 1 if has_only_minimum else max(highs) + 1
    return int(value) if column.logical_type == "integer" else value


def _some(column: Column) -> Any:
    match "string" if column.mask == "hash" else column.logical_type:
        case "string":
            return "known-bad"
        case "timestamp":
            return _AT
        case "date":
            return _AT.date()
        case "boolean":
            return True
    return 0

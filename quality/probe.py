"""What every check would observe on data known to be bad, so that a blind check is found out.

Row rules and keys are measured on planted bad rows with the very expressions that measure the data; for the other
kinds the bad value is one just outside the limits, so that at least the judgement is proven.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl

from core.contract import Column, Contract
from quality.checks import ROW_KINDS, Check
from quality.measure import count_violations
from quality.measuring import Measuring
from quality.set_rules import count_duplicates
from quality.verdict import Measured

_VIEW = "known_bad"
_TYPES: dict[str, pl.DataType] = {
    "string": pl.String(), "number": pl.Float64(), "integer": pl.Int64(), "boolean": pl.Boolean(),
    "date": pl.Date(), "timestamp": pl.Datetime("us", "UTC"),
}  # fmt: skip
_NEVER_VALID = ("not-a-value-of-this-column", "", "!", "0", "A")
_AT = datetime(2000, 1, 1, tzinfo=UTC)


def known_bad(contract: Contract, checks: Sequence[Check], measuring: Measuring) -> dict[str, float | Exception]:
    """What each check observes on bad data; an exception where even that crashed."""
    measuring.show(_VIEW, bad_rows(contract, checks))
    found: dict[str, float | Exception] = {}
    for check in checks:
        try:
            if check.kind in ROW_KINDS:
                measured = count_violations([check], measuring, _VIEW)[check.id]
            elif check.kind == "unique_key":
                measured = count_duplicates(check, measuring, _VIEW, None)
            else:
                measured = Measured(_outside(check), 1)
            found[check.id] = float(measured.observed or 0.0)
        except Exception as error:  # noqa: BLE001 - the probe's crash is this check's verdict, not the run's end
            found[check.id] = error
    return found


def bad_rows(contract: Contract, checks: Sequence[Check]) -> pl.DataFrame:
    """One row per row rule that breaks it, all else absent, and the key of the last rows twice in one batch."""
    columns = {c.landed_name: c for c in contract.landed_columns}
    rows: list[dict[str, Any]] = []
    for check in checks:
        if check.kind in ROW_KINDS:
            rows.append(
                {str(check.column): _breaking(check, columns[str(check.column)])} if check.kind != "not_null" else {}
            )
        elif check.kind == "unique_key":
            key = {name: _some(columns[name]) for name in check.arguments["key"]}
            rows += [key, key]
    schema = {name: _TYPES["string" if c.mask == "hash" else c.logical_type] for name, c in columns.items()}
    return pl.DataFrame(rows or [{}], schema=schema).with_columns(pl.lit("known-bad").alias("_batch_id"))


def _breaking(check: Check, column: Column) -> Any:
    match check.kind:
        case "range":
            minimum, maximum = check.arguments["minimum"], check.arguments["maximum"]
            return maximum + 1 if maximum is not None else minimum - 1
        case "allowed":
            return next(v for v in _NEVER_VALID if v not in check.arguments["values"])
        case "pattern":
            return next(v for v in _NEVER_VALID if not re.search(check.arguments["pattern"], v))
    raise ValueError(f"{check.feed_id}: {check.id}: no known-bad value for kind {check.kind!r}")


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


def _outside(check: Check) -> float:
    """The nearest round value that the limits do not admit."""
    if check.high is not None:
        return check.high + max(1.0, abs(check.high))
    return (check.low or 0.0) - 1.0

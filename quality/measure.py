"""Compute the observed value of every check from landed Parquet: counts, not opinions.

Row rules of a feed are counted in one pass; set rules are in `quality.set_rules`. What the numbers mean is decided
elsewhere (`quality.suite`, `quality.engine`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import duckdb
import sqlalchemy as sa

from quality.checks import QUIET_KINDS, ROW_KINDS, Check
from quality.measuring import Measuring, column, table
from quality.set_rules import SET_RULES
from quality.verdict import Measured


def measure(checks: Sequence[Check], measuring: Measuring, now: datetime) -> dict[str, Measured | Exception]:
    """The observed value of each check by check id; an exception where a check could not be computed.

    A crash stays with its own check. With no new files only the kinds that need none are measured.
    """
    able = checks if measuring.scope.new else [c for c in checks if c.kind in QUIET_KINDS]
    rules = [c for c in able if c.kind in ROW_KINDS]
    found = _row_rules(rules, measuring)
    for check in able:
        if check.kind not in ROW_KINDS:
            found[check.id] = _guarded(lambda check=check: SET_RULES[check.kind](check, measuring, now))  # type: ignore[misc]
    return found


def _guarded(compute: Callable[[], Measured]) -> Measured | Exception:
    try:
        return compute()
    except Exception as error:  # noqa: BLE001 - whatever a check dies of is its verdict, and must not stop the others
        return error


def _row_rules(checks: Sequence[Check], measuring: Measuring) -> dict[str, Measured | Exception]:
    """One pass for all; when that crashes, one pass each, so that only the guilty check is lost."""
    if not checks:
        return {}
    try:
        return dict(count_violations(checks, measuring, "new"))
    except duckdb.Error:
        return {c.id: _guarded(lambda c=c: count_violations([c], measuring, "new")[c.id]) for c in checks}  # type: ignore[misc]


def count_violations(checks: Sequence[Check], measuring: Measuring, view: str) -> dict[str, Measured]:
    """How many rows of a view break each row rule."""
    if view == "new":
        measuring.view("new", measuring.scope.new)
    counts = [sa.func.count().filter(_violation(check)) for check in checks]
    rows, *broken = measuring.row(sa.select(sa.func.count(), *counts).select_from(table(view)))
    return {check.id: Measured(float(n), rows) for check, n in zip(checks, broken, strict=True)}


def _violation(check: Check) -> sa.ColumnElement[bool]:
    """What a row that breaks the rule looks like. Absent values break only `not_null`."""
    value, arguments = column(check.column or ""), check.arguments
    match check.kind:
        case "not_null":
            return value.is_(None)
        case "range":
            sides = []
            if arguments["minimum"] is not None:
                sides.append(value < arguments["minimum"])
            if arguments["maximum"] is not None:
                sides.append(value > arguments["maximum"])
            return sa.or_(*sides)
        case "allowed":
            return value.not_in(arguments["values"])
        case "pattern":
            return sa.not_(sa.func.regexp_matches(value, arguments["pattern"]))
    raise ValueError(f"{check.feed_id}: {check.id}: kind {check.kind!r} is not a row rule")

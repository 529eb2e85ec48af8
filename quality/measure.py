"""Compute the observed value of every check from landed Parquet, with an in-memory DuckDB: counts, not opinions.

Row rules of a feed are counted in one pass. Expressions are built with SQLAlchemy, so names and values are quoted by
it and no SQL stands here as text. Keys are compared as 64-bit hashes sorted by numpy (half the time of a GROUP BY at
20 M rows); what looks equal is then compared exactly.

Not here: which files (`quality.scope`), what the limits mean (`quality.suite`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import sqlalchemy as sa
from duckdb_engine import Dialect
from sqlalchemy.sql.elements import quoted_name

from quality.checks import DRIFT_DAYS, DRIFT_DAYS_NEEDED, QUIET_KINDS, ROW_KINDS, Check
from quality.scope import File, Scope
from quality.verdict import Measured

MEMORY_LIMIT = "4GB"
BEIJING_OFFSET_S = 8 * 3600
_DIALECT = Dialect(paramstyle="qmark")  # another style would double every percent sign in a pattern


class Measuring:
    """One in-memory DuckDB over the files of one scope. Use as a context manager."""

    def __init__(self, scope: Scope, references: Mapping[str, Sequence[File]], spill: Path) -> None:
        self.scope = scope
        self.references = references
        self._connection = duckdb.connect(
            ":memory:", config={"memory_limit": MEMORY_LIMIT, "temp_directory": str(spill)}
        )
        self._views: dict[str, tuple[str, ...]] = {}

    def __enter__(self) -> Measuring:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def view(self, name: str, files: Iterable[File]) -> tuple[str, ...]:
        """Make the files readable under a name, columns matched by name; gives the columns it has.

        Raises duckdb.Error for a file that cannot be opened, so that each check that needs it finds out by itself.
        """
        if name not in self._views:
            paths = [str(f.path) for f in files]
            if not paths:
                self._views[name] = ()
                return ()
            relation = self._connection.read_parquet(paths, union_by_name=True)
            relation.create_view(name)
            self._views[name] = tuple(relation.columns)
        return self._views[name]

    def show(self, name: str, frame: pl.DataFrame) -> tuple[str, ...]:
        """Make a frame readable under a name."""
        self._connection.register(name, frame.to_arrow())
        self._views[name] = tuple(frame.columns)
        return self._views[name]

    def columns_of(self, name: str) -> tuple[str, ...]:
        """The columns of a view, none when there was nothing to make it from."""
        return self._views[name]

    def rows(self, statement: sa.Select[Any]) -> list[tuple[Any, ...]]:
        """All rows of a statement; the caller sees to it that they are few."""
        return self._connection.sql(render(statement)).fetchall()

    def row(self, statement: sa.Select[Any]) -> tuple[Any, ...]:
        """The only row of an aggregate."""
        return self.rows(statement)[0]

    def hashes(self, view: str, columns: Sequence[str]) -> np.ndarray[Any, np.dtype[np.uint64]]:
        """The sorted 64-bit hash of the columns of every row."""
        statement = sa.select(_hash(columns).label("h")).select_from(_table(view))
        found: np.ndarray[Any, np.dtype[np.uint64]] = self._connection.sql(render(statement)).fetchnumpy()["h"]
        found.sort()
        return found


def render(statement: sa.Select[Any]) -> str:
    """A statement as DuckDB text with its values in it."""
    return str(statement.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True}))


def measure(checks: Sequence[Check], measuring: Measuring, now: datetime) -> dict[str, Measured | Exception]:
    """The observed value of each check by check id; an exception where a check could not be computed.

    A crash stays with its own check. With no new files only the kinds that need none are measured.
    """
    able = checks if measuring.scope.new else [c for c in checks if c.kind in QUIET_KINDS]
    rules = [c for c in able if c.kind in ROW_KINDS]
    found = _row_rules(rules, measuring)
    for check in able:
        if check.kind not in ROW_KINDS:
            found[check.id] = _guarded(lambda check=check: _SET_MEASURES[check.kind](check, measuring, now))  # type: ignore[misc]
    return found


def _guarded(compute: Callable[[], Measured]) -> Measured | Exception:
    try:
        return compute()
    except Exception as error:  # noqa: BLE001 - whatever a check dies of is its verdict, and must not stop the others
        return error


# ── row rules ─────────────────────────────────────────────────────────────────────────────────────────────────────────
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
    rows, *broken = measuring.row(sa.select(sa.func.count(), *counts).select_from(_table(view)))
    return {check.id: Measured(float(n), rows) for check, n in zip(checks, broken, strict=True)}


def _violation(check: Check) -> sa.ColumnElement[bool]:
    """What a row that breaks the rule looks like. Absent values break only `not_null`."""
    value, arguments = _column(check.column or ""), check.arguments
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


# ── set rules ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def _unique_key(check: Check, measuring: Measuring, _now: datetime) -> Measured:
    """New rows whose key stands twice in one batch, or whose whole content already stands in another batch.

    The same key with other values in a later batch is a correction, and right. History is read for the days that the
    new files touch, whole for registers (their rows have no day of their own).
    """
    scope = measuring.scope
    near = [f for f in scope.admitted if check.arguments["is_register"] or f.landed_on in scope.days]
    measuring.view("new", scope.new)
    measuring.view("near", near)
    return count_duplicates(check, measuring, "new", "near")


def count_duplicates(check: Check, measuring: Measuring, new: str, near: str | None) -> Measured:
    """Rows of `new` that are there twice; see `_unique_key` for what twice means."""
    key: tuple[str, ...] = check.arguments["key"]
    hashes = measuring.hashes(new, key)
    twice = hashes[1:][hashes[1:] == hashes[:-1]]
    columns = set(measuring.columns_of(new))
    if near and measuring.columns_of(near):
        before = measuring.hashes(near, key)
        columns &= set(measuring.columns_of(near))
        twice = np.concatenate([twice, before[_found_in(before, hashes)]])
    if not len(twice):
        return Measured(0.0, len(hashes))
    measuring.show("suspect", pl.DataFrame({"h": np.unique(twice)}))
    content = sorted(c for c in columns if not c.startswith("_"))
    parts = [_suspects(new, key, content, True)]
    if near and measuring.columns_of(near):
        parts.append(_suspects(near, key, content, False))
    rows = sa.union_all(*parts).subquery()
    same_batch = sa.func.count().over(partition_by=[*(rows.c[f"k{i}"] for i in range(len(key))), rows.c.batch])
    same_content = sa.func.count().over(partition_by=[*(rows.c[f"k{i}"] for i in range(len(key))), rows.c.content])
    judged = sa.select(rows.c.is_new, same_batch.label("b"), same_content.label("c")).subquery()
    (n,) = measuring.row(sa.select(sa.func.count()).where(judged.c.is_new, sa.or_(judged.c.b > 1, judged.c.c > 1)))
    return Measured(float(n), len(hashes))


def _suspects(view: str, key: Sequence[str], content: Sequence[str], is_new: bool) -> sa.Select[Any]:
    suspect = sa.select(_column("h")).select_from(_table("suspect"))
    return (
        sa.select(
            *(_column(name).label(f"k{i}") for i, name in enumerate(key)),
            _column("_batch_id").label("batch"),
            _hash(content).label("content"),
            sa.literal(is_new).label("is_new"),
        )
        .select_from(_table(view))
        .where(_hash(key).in_(suspect))
    )


def _found_in(
    values: np.ndarray[Any, np.dtype[np.uint64]], among: np.ndarray[Any, np.dtype[np.uint64]]
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which values stand in `among`; both sorted."""
    places = np.searchsorted(among, values)
    places[places == len(among)] = 0
    found: np.ndarray[Any, np.dtype[np.bool_]] = among[places] == values
    return found


def _volume(check: Check, measuring: Measuring, _now: datetime) -> Measured:
    """Good rows of the batches under judgement: what landed, and what was sent again unchanged."""
    scope = measuring.scope
    landed = 0
    if measuring.view("new", scope.new):
        (landed,) = measuring.row(sa.select(sa.func.count()).select_from(_table("new")))
    return Measured(float(landed + scope.rows_resent), landed + scope.rows_resent)


def _freshness(check: Check, measuring: Measuring, now: datetime) -> Measured:
    """Hours since the newest event, over everything that is live."""
    if not measuring.view("newest", measuring.scope.newest_day):
        return Measured(None, 0, "never")
    newest_s, rows = measuring.row(
        sa.select(sa.func.epoch(sa.func.max(_column(check.column or ""))), sa.func.count()).select_from(
            _table("newest")
        )
    )
    if newest_s is None:
        return Measured(None, rows, "never")
    newest_at = datetime.fromtimestamp(newest_s, UTC)
    age_h = (now - newest_at).total_seconds() / 3600
    return Measured(age_h, rows, "silent" if age_h > check.arguments["silent_h"] else "")


def _drift(check: Check, measuring: Measuring, _now: datetime) -> Measured:
    """How far the mean of the new rows lies from the daily means of the 28 days before, in their standard deviation.

    Like is compared with like: history counts only for the devices and the hours of day that the new rows have, else
    a batch of one night would look like a cold spell. The deviation has a floor of a thousandth of the mean, so that
    a value that never moved does not make noise into drift.
    """
    scope = measuring.scope
    measuring.view("new", scope.new)
    value, event_s = _column(check.column or ""), sa.func.epoch(_column(check.arguments["event_time"]))
    mean, rows = measuring.row(sa.select(sa.func.avg(value), sa.func.count(value)).select_from(_table("new")))
    if mean is None:
        return Measured(None, 0, "no_values")
    last = date.fromisoformat(max(scope.days))
    first = (last - timedelta(days=DRIFT_DAYS)).isoformat()
    if not measuring.view("past", [f for f in scope.admitted if first <= f.landed_on < last.isoformat()]):
        return Measured(None, rows, "no_history")
    hour = sa.func.floor(event_s / 3600) % 24
    like: list[tuple[str, sa.ColumnElement[Any]]] = [("hour", hour)]
    like += [(name, _column(name)) for name in check.arguments["like"]]
    same = [e.in_(sa.select(e.label(n)).select_from(_table("new")).distinct()) for n, e in like]
    day = sa.func.floor((event_s + BEIJING_OFFSET_S) / 86400).label("day")
    daily = sa.select(day, sa.func.avg(value).label("mean")).select_from(_table("past")).where(*same).group_by(day)
    means = daily.subquery()
    days, usual, spread = measuring.row(
        sa.select(sa.func.count(means.c.mean), sa.func.avg(means.c.mean), sa.func.stddev_samp(means.c.mean))
    )
    if days < DRIFT_DAYS_NEEDED:
        return Measured(None, rows, "no_history")
    floor = max(abs(usual) / 1000, 1e-9)
    return Measured(abs(mean - usual) / max(spread or 0.0, floor), rows)


def _reference(check: Check, measuring: Measuring, _now: datetime) -> Measured:
    """Per cent of new rows whose value the other feed does not know. With nothing in the other feed: all of them."""
    measuring.view("new", measuring.scope.new)
    value, other = _column(check.column or ""), check.arguments["feed"]
    groups = (
        sa.select(value.label("value"), sa.func.count().label("n"))
        .select_from(_table("new"))
        .where(value.is_not(None))
        .group_by(value)
        .subquery()
    )
    (rows,) = measuring.row(sa.select(sa.func.sum(groups.c.n)))
    if rows is None:
        return Measured(0.0, 0)
    if not measuring.view(f"of {other}", measuring.references[other]):
        return Measured(100.0, int(rows), "no_register")
    known = sa.select(_column(check.arguments["to"])).select_from(_table(f"of {other}"))
    known = known.where(_column(check.arguments["to"]).is_not(None))
    (missing,) = measuring.row(sa.select(sa.func.sum(groups.c.n)).where(groups.c.value.not_in(known)))
    return Measured(100.0 * float(missing or 0) / float(rows), int(rows))


def _sum(check: Check, measuring: Measuring, _now: datetime) -> Measured:
    """The largest ratio, over the days and groups touched, of distinct values here to the total agreed elsewhere."""
    scope, arguments = measuring.scope, check.arguments
    new = measuring.view("new", scope.new)
    near = measuring.view("near", [f for f in scope.admitted if f.landed_on in scope.days])
    day = sa.func.floor((sa.func.epoch(_column(arguments["event_time"])) + BEIJING_OFFSET_S) / 86400)
    parts = [
        sa.select(_column(arguments["by"]).label("by"), day.label("day"), _column(check.column or "").label("value"))
        .select_from(_table(view))
        for view, columns in (("new", new), ("near", near))
        if columns
    ]  # fmt: skip
    everyone = sa.union_all(*parts).subquery()
    counted = (
        sa.select(everyone.c.by, everyone.c.day, sa.func.count(everyone.c.value.distinct()).label("n"))
        .group_by(everyone.c.by, everyone.c.day)
        .subquery()
    )
    (rows,) = measuring.row(sa.select(sa.func.count()).select_from(_table("new")))
    other = arguments["feed"]
    if not measuring.view(f"of {other}", measuring.references[other]):
        return Measured(None, rows, "no_register")
    total = _column(arguments["total"])
    newest = sa.func.arg_max(total, _column("_received_at")).filter(total.is_not(None))
    agreed = (
        sa.select(_column(arguments["to"]).label("by"), newest.label("total"))
        .select_from(_table(f"of {other}"))
        .group_by(_column(arguments["to"]))
        .subquery()
    )
    (ratio,) = measuring.row(
        sa.select(sa.func.max(counted.c.n / sa.func.greatest(sa.cast(agreed.c.total, sa.Double), 1.0)))
        .select_from(counted.join(agreed, counted.c.by == agreed.c.by))
        .where(agreed.c.total.is_not(None))
    )
    return Measured(None, rows, "no_register") if ratio is None else Measured(float(ratio), rows)


_SET_MEASURES: Mapping[str, Callable[[Check, Measuring, datetime], Measured]] = {
    "unique_key": _unique_key,
    "volume": _volume,
    "freshness": _freshness,
    "distribution_drift": _drift,
    "reference": _reference,
    "sum": _sum,
}


# ── names ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def _table(name: str) -> sa.TableClause:
    return sa.table(quoted_name(name, quote=True))


def _column(name: str) -> sa.ColumnClause[Any]:
    return sa.column(quoted_name(name, quote=True))


def _hash(columns: Sequence[str]) -> sa.Function[Any]:
    return sa.func.hash(*(_column(name) for name in columns))

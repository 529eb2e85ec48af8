"""The views that expectations are judged on: the landed rows of a scope, its history, the registers it refers to.

A view adds to the rows what an expectation on one column cannot see: whether a register knows a value, how old an
event is. Everything is SQL over Parquet in one in-memory DuckDB; nothing is copied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import count

import duckdb

from core.civil_time import CIVIL_OFFSET
from quality.checks import BATCH_ID, DRIFT_DAYS, DRIFT_DAYS_NEEDED, Check
from quality.scope import File, Scope

CIVIL_OFFSET_S = int(CIVIL_OFFSET.total_seconds())
AGE_H = "_age_h"
RATIO = "ratio"
_SERIAL = count(1)  # a name is never used twice: the engine remembers the columns of a table that it has seen


@dataclass(frozen=True, slots=True)
class Usual:
    """What a mean was on the days before, and how far it strayed."""

    mean: float
    spread: float

    def distance(self, mean: float) -> float:
        """How far a mean lies from the usual one, in standard deviations."""
        return abs(mean - self.mean) / self.spread

    def limits(self, most: float) -> tuple[float, float]:
        """The means that lie no further away than `most` standard deviations."""
        return self.mean - most * self.spread, self.mean + most * self.spread


def name_of(text: str) -> str:
    """An SQL name, quoted whatever it is."""
    return '"' + text.replace('"', '""') + '"'


def text_of(value: str) -> str:
    """An SQL text, quoted whatever it is."""
    return "'" + value.replace("'", "''") + "'"


def known_column(check: Check) -> str:
    """The column that says whether the register of a reference knows the value."""
    return f"_known_{check.id}"


class LandedBatch:
    """The views of one scope, made when they are first asked for.

    Raises duckdb.Error for a file that cannot be opened, so that each check that needs it finds out by itself.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        scope: Scope,
        references: Mapping[str, Sequence[File]],
        now: datetime,
    ) -> None:
        self.scope = scope
        self.references = references
        self._connection = connection
        self._now = now
        self._views: dict[str, str] = {}

    def drop(self) -> None:
        """Let the views go."""
        for view in self._views.values():
            self._connection.execute(f"drop view if exists {view}")

    # ── rows ──────────────────────────────────────────────────────────────────────────────────────────────────────────
    @property
    def rows(self) -> str:
        """The view of the rows under judgement, as they landed."""
        return self._of_files("rows", self.scope.new)

    @property
    def n_rows(self) -> int:
        """How many rows are under judgement."""
        return self._count(self.rows)

    def history(self, of_all_days: bool) -> str | None:
        """Admitted rows that new ones may repeat: of the days that the new files touch, or of all days."""
        near = [f for f in self.scope.admitted if of_all_days or f.landed_on in self.scope.days]
        return self._of_files(f"history {of_all_days}", near) if near else None

    def register(self, feed_id: str) -> str | None:
        """The rows of another feed, None when it has none."""
        files = self.references[feed_id]
        return self._of_files(f"of {feed_id}", files) if files else None

    def columns(self, view: str) -> tuple[str, ...]:
        """The columns of a view or table."""
        described = self._connection.execute(f"select * from {view} limit 0").description or []
        return tuple(str(column[0]) for column in described)

    # ── what is judged ────────────────────────────────────────────────────────────────────────────────────────────────
    def judged(self, rows: str, checks: Iterable[Check]) -> str:
        """The rows of a view with a column for each reference, and the age of each event in hours."""
        more = []
        for check in checks:
            match check.kind:
                case "reference":
                    more.append(f"{self._is_known(check)} as {name_of(known_column(check))}")
                case "freshness" if check.column in self.columns(rows):
                    more.append(f"{self._age(check)} as {AGE_H}")
        return self._view(f"judged {rows}", f"select {', '.join(['*', *more])} from {rows}")

    def newest(self, check: Check) -> str:
        """The age of the events of the newest day: of all that arrived, whatever became of it."""
        files = self._of_files("newest rows", self.scope.newest_day)
        return self._view("newest", f"select {self._age(check)} as {AGE_H} from {files}")

    def sums(self, check: Check) -> str:
        """One row a group and day that the new rows touch: distinct values here as a ratio to the total agreed."""
        arguments = check.arguments
        register = self.register(arguments["feed"])
        if register is None:
            raise ValueError(f"{check.id}: {arguments['feed']} has no rows")
        by, total, to = (name_of(arguments[key]) for key in ("by", "total", "to"))
        day = f"floor((epoch({name_of(arguments['event_time'])}) + {CIVIL_OFFSET_S}) / 86400)"
        parts = [
            f'select {by} as "by", {day} as day, {name_of(check.column or "")} as value from {view}'
            for view in (self.rows, self.history(of_all_days=False))
            if view
        ]
        # of the register the newest row of a key counts, as staging picks it
        latest = f"arg_max({total}, row(_received_at, {BATCH_ID})) filter (where {total} is not null)"
        return self._view(
            f"sums {check.id}",
            f"""
            select counted."by", counted.day, counted.n / greatest(agreed.total::double, 1.0) as {RATIO}
            from (select "by", day, count(distinct value) as n from ({" union all ".join(parts)}) group by "by", day)
              as counted
            join (select {to} as "by", {latest} as total from {register} group by {to}) as agreed
              on counted."by" = agreed."by"
            where agreed.total is not null
            """,
        )

    def usual(self, check: Check) -> Usual | None:
        """The daily means of the days before, None when they are too few to say what is usual.

        Like is compared with like: history counts only for the devices and the hours of day that the new rows have,
        else a batch of one night would look like a cold spell. The deviation has a floor of a thousandth of the mean,
        so that a value that never moved does not make noise into drift.
        """
        last = date.fromisoformat(max(self.scope.days))
        first = (last - timedelta(days=DRIFT_DAYS)).isoformat()
        before = [f for f in self.scope.admitted if first <= f.landed_on < last.isoformat()]
        if not before:
            return None
        past = self._of_files("past", before)
        event_s = f"epoch({name_of(check.arguments['event_time'])})"
        like = [f"floor({event_s} / 3600) % 24", *map(name_of, check.arguments["like"])]
        same = " and ".join(f"{one} in (select distinct {one} from {self.rows})" for one in like)
        found = self._connection.execute(
            f"""
            select count(mean), avg(mean), stddev_samp(mean) from (
              select avg({name_of(check.column or "")}) as mean from {past} where {same}
              group by floor(({event_s} + {CIVIL_OFFSET_S}) / 86400)
            )
            """
        ).fetchone()
        days, mean, spread = found or (0, None, None)
        if days < DRIFT_DAYS_NEEDED:
            return None
        return Usual(mean, max(spread or 0.0, abs(mean) / 1000, 1e-9))

    @property
    def n_newest(self) -> int:
        """How many rows of the newest day there are."""
        return self._count(self._of_files("newest rows", self.scope.newest_day))

    def newest_age_h(self, check: Check) -> float | None:
        """Hours since the newest event."""
        (age_h,) = self._connection.execute(f"select min({AGE_H}) from {self.newest(check)}").fetchone() or (None,)
        return None if age_h is None else float(age_h)

    def unknown_values(self, check: Check, most: int) -> tuple[str, ...]:
        """The first values of a column that the register of a reference does not know."""
        value = name_of(check.column or "")
        query = f"select distinct {value} from {self.rows} where not ({self._is_known(check)}) order by 1 limit {most}"
        return tuple(str(row[0]) for row in self._connection.execute(query).fetchall())

    # ── making views ──────────────────────────────────────────────────────────────────────────────────────────────────
    def _is_known(self, check: Check) -> str:
        register, to = self.register(check.arguments["feed"]), name_of(check.arguments["to"])
        value = name_of(check.column or "")
        if register is None:
            return f"case when {value} is not null then false end"
        return f"{value} in (select {to} from {register} where {to} is not null)"

    def _age(self, check: Check) -> str:
        return f"({self._now.timestamp()!r}::double - epoch({name_of(check.column or '')})) / 3600"

    def _of_files(self, name: str, files: Iterable[File]) -> str:
        paths = ", ".join(text_of(str(f.path)) for f in files)
        return self._view(name, f"select * from read_parquet([{paths}], union_by_name = true)")

    def _view(self, name: str, query: str) -> str:
        if name not in self._views:
            view = f"view_{next(_SERIAL)}"
            self._connection.execute(f"create view {view} as {query}")
            self._views[name] = view
        return self._views[name]

    def _count(self, view: str) -> int:
        (n,) = self._connection.execute(f"select count(*) from {view}").fetchone() or (0,)
        return int(n)

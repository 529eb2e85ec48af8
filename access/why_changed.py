"""Why an index differs between two days: its difference in points, split exactly over factors and kinds of cause.

The logarithm of an index is a sum over factors of weight × ln(value), so the difference is shared out by the
logarithmic mean of the two indices (LMDI; Ang 2005, doi:10.1016/j.enpol.2003.10.010): nothing is left over. Of a factor
the part of its weight is told from the part of its value, each at the mean of the other on the two days. Freshness has
no part in it: what a quiet feed said last goes on counting, and confidence tells of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, get_args

import polars as pl

from access.rights import Reader
from access.serving import Mart

# facts: what departments reported; population: how many people are exposed; weights: the method weighs otherwise;
# method: another method computed the values, which cannot be told from new facts; coverage: a factor came or went.
Kind = Literal["facts", "population", "weights", "method", "coverage"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_EXPOSURE = "exposure"


@dataclass(frozen=True, slots=True)
class Step:
    """What one factor adds to the difference by one kind of cause, in index points."""

    kind: Kind
    factor: str
    points: float
    reason_zh: str
    reason_en: str


@dataclass(frozen=True, slots=True)
class Difference:
    """The indices of two days and the steps from one to the other, largest first; the steps sum to the difference."""

    from_day: date
    to_day: date
    value_from: float
    value_to: float
    steps: tuple[Step, ...]

    @property
    def by_kind(self) -> dict[Kind, float]:
        """Points of each kind of cause that has any."""
        sums = {kind: math.fsum(s.points for s in self.steps if s.kind == kind) for kind in KINDS}
        return {kind: points for kind, points in sums.items() if any(s.kind == kind for s in self.steps)}


def why_changed(
    mart: Mart, reader: Reader, area_code: str, domain: str, from_day: date, to_day: date
) -> Difference | None:
    """The difference of an index between two days; None where the reader's branch has no value on one of them."""
    known = mart.frame("select * from mart.risk_contribution limit 0").columns  # a generation of before has fewer
    # Against the day before, reasons say what changed in which object, on both days; else what is worst.
    says = "change_zh" in known and to_day - from_day == timedelta(days=1)
    reasons = [f"coalesce({f'change_{x}' if says else 'null'}, reason_{x}) as reason_{x}" for x in ("zh", "en")]
    component = "component" if "component" in known else "split_part(factor, '.', 2)"
    method = "method_version" if "method_version" in known else "''"
    rows = mart.frame(
        f"""
        select as_of_date, factor, {component} as component, {method} as method, weight, factor_value,
               {", ".join(reasons)}
        from mart.risk_contribution
        where area_code = ? and area_code like ? and domain = ? and as_of_date in (?, ?)
        """,
        [area_code, reader.area_pattern, domain, from_day, to_day],
    )
    before, after = (rows.filter(pl.col("as_of_date") == day) for day in (from_day, to_day))
    if before.is_empty() or after.is_empty():
        return None
    value_from, value_to = _index(before), _index(after)
    scale = _logarithmic_mean(value_from, value_to)
    factors_before = {row["factor"]: row for row in before.iter_rows(named=True)}
    factors_after = {row["factor"]: row for row in after.iter_rows(named=True)}
    steps = [
        step
        for name in sorted(factors_before.keys() | factors_after.keys())
        for step in _steps(name, factors_before.get(name), factors_after.get(name), scale)
        if step.points
    ]
    steps.sort(key=lambda step: (-abs(step.points), step.factor))
    return Difference(from_day, to_day, value_from, value_to, tuple(steps))


def _index(rows: pl.DataFrame) -> float:
    return 100 * math.exp(math.fsum((rows["weight"] * rows["factor_value"].log()).to_list()))


def _logarithmic_mean(a: float, b: float) -> float:
    """Index points per unit of the logarithm between two indices."""
    return a if math.isclose(a, b, rel_tol=1e-12) else (b - a) / math.log(b / a)


def _steps(name: str, before: dict[str, object] | None, after: dict[str, object] | None, scale: float) -> list[Step]:
    said = after or before or {}
    reasons = str(said["reason_zh"]), str(said["reason_en"])
    if before is None or after is None:
        gone = -1 if after is None else 1
        return [Step("coverage", name, gone * scale * _number(said, "weight") * _log(said), *reasons)]
    weight_from, weight_to = _number(before, "weight"), _number(after, "weight")
    by_value = (weight_from + weight_to) / 2 * (_log(after) - _log(before))
    by_weight = (weight_to - weight_from) * (_log(before) + _log(after)) / 2
    kind: Kind = "population" if said["component"] == _EXPOSURE else "facts"
    if before["method"] != after["method"]:
        kind = "method"
    return [Step(kind, name, scale * by_value, *reasons), Step("weights", name, scale * by_weight, *reasons)]


def _number(row: dict[str, object], name: str) -> float:
    return float(str(row[name]))


def _log(row: dict[str, object]) -> float:
    return math.log(_number(row, "factor_value"))

"""Cheap questions that let a quiet batch pass without a look at its rows: could any value here matter to a rule?

A gate may open for nothing; it must never stay shut for a value that opens, holds or builds up an episode.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from alerting.engine.limits import RuleLimits
from alerting.engine.rule import Condition

_ALWAYS = ("mean", "min", "drop", "rate")  # these build up from quiet values too


@dataclass(frozen=True, slots=True)
class Gate:
    """One metric's question. `words` for codes, `mask` for alarm words, else a bound on `sign * value`."""

    metric: str
    sign: float = 1.0
    bound: float = -math.inf
    words: frozenset[str] | None = None
    mask: int = 0

    def may_open(self, values: Sequence[Any]) -> bool:
        """Whether any row of a column passes."""
        if self.words is not None:
            return not self.words.isdisjoint(values)
        if self.mask:
            return any(v is not None and int(v) & self.mask for v in values)
        extreme = max if self.sign > 0 else min
        try:
            return bool(self.sign * extreme(values) >= self.bound)
        except TypeError:  # cells without a value
            given = [v for v in values if v is not None]
            return bool(given) and bool(self.sign * extreme(given) >= self.bound)

    def passes(self, value: Any) -> bool:
        """Whether one cell passes."""
        if value is None:
            return False
        if self.words is not None:
            return value in self.words
        if self.mask:
            return bool(int(value) & self.mask)
        return bool(self.sign * value >= self.bound)


def gates_of(limits: RuleLimits) -> tuple[Gate, ...]:
    """The gates of a rule, one a metric and direction."""
    bounds: dict[tuple[str, float], float] = {}
    others: set[Gate] = set()
    loosest = limits.loosest()
    for condition in limits.rule.conditions:
        if condition.comparison == "in":
            others.add(Gate(condition.metric, words=_cells(condition.values)))
        elif condition.comparison == "bits":
            others.add(Gate(condition.metric, mask=mask_of(condition)))
        else:
            sign, bound = _bound(condition, loosest)
            key = condition.metric, sign
            bounds[key] = min(bounds.get(key, math.inf), bound)
    return (*(Gate(metric, sign, bound) for (metric, sign), bound in bounds.items()), *sorted(others, key=repr))


def _cells(words: Sequence[str]) -> frozenset[Any]:
    """How words may stand in a column: as text, as truth values, as whole numbers."""
    numbers = {int(word) for word in words if word.isdigit()}
    return frozenset({*words, *({"true": True, "false": False}[w] for w in words if w in ("true", "false")), *numbers})


def mask_of(condition: Condition) -> int:
    """The bits of an alarm word that a condition asks for."""
    mask = 0
    for bit in condition.values:
        mask |= 1 << int(bit)
    return mask


def _bound(condition: Condition, loosest: dict[tuple[str, float], float]) -> tuple[float, float]:
    sign = 1.0 if condition.comparison in ("ge", "gt") else -1.0
    if condition.aggregate in _ALWAYS:
        return 1.0, -math.inf
    if condition.aggregate in ("minutes", "run", "count") and condition.active_above is not None:
        return 1.0, math.nextafter(condition.active_above, math.inf)
    if condition.aggregate in ("sum", "count"):
        return 1.0, math.nextafter(0.0, 1.0) if condition.aggregate == "sum" else -math.inf
    return sign, loosest.get((condition.metric, sign), math.inf)

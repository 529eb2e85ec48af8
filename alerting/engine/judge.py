"""Judge one row by the conditions of one rule: which level is met, which is not contradicted, and what was compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alerting.engine.gates import mask_of
from alerting.engine.levels import NO_LEVEL, Hit, Track
from alerting.engine.limits import Limit, word_of
from alerting.engine.rule import Condition, Rule
from alerting.engine.series import FROM_START, Run, Series, value_of
from alerting.engine.world import FeedShape
from core.civil_time import CIVIL_OFFSET_MINUTES

_MINUTE_US = 60_000_000
_PLAIN = ("last",)

Word = tuple[bool, bool, float | None]  # met, not contradicted, value


@dataclass(frozen=True, slots=True)
class Memory:
    """What conditions of a rule remember together: one series or run of one metric."""

    metric: str
    make: Callable[[], Series | Run]
    active_above: float | None
    is_marked: bool  # activity, not values
    hours: tuple[int, int] | None  # of a run: only activity in these hours counts
    condition: Condition  # the first one that it was made for


@dataclass(frozen=True, slots=True)
class Judgement:
    """The outcome for one row; `met` and `kept` are level numbers, -1 for none."""

    met: int
    kept: int
    hits: tuple[Hit | None, ...]
    last: float | None
    is_over_range: bool  # a level is met by a value beyond its physical range


_NONE: frozenset[str] = frozenset()


class Judge:
    """The conditions of one rule, arranged by level, with what they need to remember."""

    def __init__(self, rule: Rule, shape: FeedShape | None = None) -> None:
        self.rule = rule
        self.ranges = shape.ranges if shape else {}
        self.ranks = sorted({c.rank for c in rule.conditions})
        self.conditions = rule.conditions
        self.levels = [self._groups(rank) for rank in self.ranks]
        self.memories: list[Memory] = []
        self.memory_of = [self._remember(c) for c in rule.conditions]
        self.metrics = sorted({c.metric for c in rule.conditions})
        self.is_compound = len(self.metrics) > 1
        self.masks = [mask_of(c) if c.comparison == "bits" else 0 for c in rule.conditions]

    def note(self, t: Track, cells: Mapping[str, Any], at: int, outside: frozenset[str] = _NONE) -> None:
        """Put a row's values into what the rule remembers, but those beyond their range in the safe direction."""
        for number, memory in enumerate(self.memories):
            value = cells.get(memory.metric)
            if value is None or (memory.metric in outside and not self._is_towards_danger(memory.condition, value)):
                continue
            kept = t.series.get(number)
            if kept is None:
                kept = t.series[number] = memory.make()
            is_active = memory.active_above is None or value > memory.active_above
            is_active = is_active and (memory.hours is None or is_in_span(memory.hours, at))
            if isinstance(kept, Run):
                kept.add(at, is_active=is_active)
            elif not is_active:
                kept.advance(at)
            elif memory.is_marked:
                kept.mark(at)
            else:
                kept.add(at, value)

    def forget(self, t: Track) -> None:
        """Drop what has become empty."""
        for number in [n for n, kept in t.series.items() if kept.is_empty]:
            del t.series[number]

    def judge(
        self,
        t: Track,
        cells: Mapping[str, Any],
        limits: Sequence[Limit | None],
        at: int,
        outside: frozenset[str] = _NONE,
    ) -> Judgement | None:
        """The levels that hold now; None when the row says nothing about any condition.

        `outside` are metrics whose value lies beyond the physical range: on the dangerous side it is compared as it is
        (a saturated sensor is no proof of safety), on the safe side it says nothing.
        """
        words: list[Word | None] = []
        says_something = False
        for number, condition in enumerate(self.conditions):
            word = self._word(t, number, condition, cells, limits[number], at)
            if word is not None and condition.metric in outside and not word[0]:
                word = None
            says_something = says_something or word is not None
            words.append(t.known.get(number) if word is None else word)
        if not says_something:
            return None
        if self.is_compound:
            t.known = {n: w for n, w in enumerate(words) if w is not None and (w[0] or w[1])}
        met = kept = NO_LEVEL
        hits: list[Hit | None] = [None] * len(self.levels)
        for level, groups in enumerate(self.levels):
            for group in groups:
                found = [words[number] for number in group]
                if _holds(found, 1):
                    kept = level
                if hits[level] is None and _holds(found, 0):
                    met, hits[level] = level, self._hit(group, words, limits, cells)
        last = next((w[2] for w in words if w is not None and w[2] is not None), None)
        is_over = bool(outside) and any(
            word is not None and word[0] and condition.metric in outside
            for word, condition in zip(words, self.conditions, strict=True)
        )
        return Judgement(met, max(met, kept), tuple(hits), last, is_over)

    def _is_towards_danger(self, condition: Condition, value: float) -> bool:
        """Whether a value beyond its range lies on the side that a condition warns of."""
        if condition.metric not in self.ranges:
            return True  # nobody says where its range ends, so nothing proves that this is the safe side
        low, high = self.ranges[condition.metric]
        if condition.comparison in ("ge", "gt") and condition.aggregate != "drop":
            return high is not None and value > high
        return low is not None and value < low

    def _word(
        self, t: Track, number: int, condition: Condition, cells: Mapping[str, Any], limit: Limit | None, at: int
    ) -> Word | None:
        cell = cells.get(condition.metric)
        if cell is None or cell != cell:  # not a number proves nothing
            return None
        if limit is None or not _is_in_hours(condition, at):
            return False, False, None
        if condition.comparison == "in":
            return self._spoken(condition, word_of(cell))
        if condition.comparison == "bits":
            is_set = bool(int(cell) & self.masks[number])
            return is_set, is_set, None
        value = self._value(t, number, condition, cell)
        if value is None:
            return None
        turned = limit.sign * value
        return turned >= limit.bound, turned >= limit.keep_bound, value

    @staticmethod
    def _spoken(condition: Condition, code: str) -> Word | None:
        """A code that is met, one that says all is well, or one that says nothing about the condition."""
        if code in condition.values:
            return True, True, None
        if condition.clear_values and code not in condition.clear_values:
            return None
        return False, False, None

    def _value(self, t: Track, number: int, condition: Condition, cell: Any) -> float | None:
        memory = self.memory_of[number]
        if memory is None:
            return float(cell)
        kept = t.series.get(memory)
        if kept is None:
            return None
        return kept.minutes if isinstance(kept, Run) else value_of(kept, condition)

    def _hit(
        self,
        group: Sequence[int],
        words: Sequence[Word | None],
        limits: Sequence[Limit | None],
        cells: Mapping[str, Any],
    ) -> Hit:
        compared = []
        for number in group:
            word, limit = words[number], limits[number]
            condition = limit.condition if limit else self.conditions[number]
            compared.append((condition, word[2] if word else None, limit.threshold if limit else None))
        condition, value, threshold = compared[0]
        text = (
            word_of(cells[condition.metric]) if condition.values and cells.get(condition.metric) is not None else None
        )
        others = tuple((c.metric, v, limit) for c, v, limit in compared[1:])
        return Hit(condition, value, threshold, text, others)

    def _groups(self, rank: int) -> list[list[int]]:
        groups: dict[int, list[int]] = {}
        for number, condition in enumerate(self.rule.conditions):
            if condition.rank == rank:
                groups.setdefault(condition.group, []).append(number)
        return [groups[group] for group in sorted(groups)]

    def _remember(self, condition: Condition) -> int | None:
        """The number of the memory that a condition shares with others of the same metric and buckets."""
        if condition.aggregate in _PLAIN:
            return None
        memory = self._memory(condition)
        for number, known in enumerate(self.memories):
            if _what(known) == _what(memory) and _same(known.make(), memory.make()):
                return number
        self.memories.append(memory)
        return len(self.memories) - 1

    def _memory(self, condition: Condition) -> Memory:
        if condition.aggregate == "run":
            rest_us = condition.rest_s * 1_000_000
            return Memory(
                condition.metric, lambda: Run(rest_us), condition.active_above, False, condition.hours, condition
            )
        alike = [
            c
            for c in self.conditions
            if c.metric == condition.metric
            and c.bucket_s == condition.bucket_s
            and c.active_above == condition.active_above
            and (c.aggregate in _BUILT_OF_NONZERO) == (condition.aggregate in _BUILT_OF_NONZERO)
        ]
        bucket_us = condition.bucket_s * 1_000_000
        keep = max(c.window_s // c.bucket_s + (c.aggregate in FROM_START) for c in alike if c.bucket_s)
        zero = condition.aggregate in _BUILT_OF_NONZERO
        return Memory(
            condition.metric,
            lambda: Series(bucket_us, keep, zero=zero),
            condition.active_above,
            is_marked=condition.aggregate == "minutes",
            hours=None,
            condition=condition,
        )


def _holds(found: Sequence[Word | None], which: int) -> bool:
    """Whether a group is met (0) or not contradicted (1).

    The first condition is the danger, the others tell it from what looks alike: where their value is missing or broken,
    nothing contradicts, and a broken neighbour must not mute.
    """
    danger = found[0]
    return danger is not None and bool(danger[which]) and all(w is None or w[which] for w in found[1:])


_BUILT_OF_NONZERO = ("sum",)


def _what(memory: Memory) -> tuple[object, ...]:
    return memory.metric, memory.active_above, memory.is_marked, memory.hours


def _same(left: Series | Run, right: Series | Run) -> bool:
    """Whether two memories would hold the same."""
    if isinstance(left, Run) or isinstance(right, Run):
        return isinstance(left, Run) and isinstance(right, Run) and left.rest_us == right.rest_us
    return (left.bucket_us, left.keep, left.zero) == (right.bucket_us, right.keep, right.zero)


def _is_in_hours(condition: Condition, at: int) -> bool:
    return condition.hours is None or is_in_span(condition.hours, at)


def is_in_span(hours: tuple[int, int], at: int) -> bool:
    """Whether an instant lies in a span of Beijing hours, which may pass midnight."""
    start, end = hours
    minute = (at // _MINUTE_US + CIVIL_OFFSET_MINUTES) % 1440
    return start <= minute < end if start <= end else minute >= start or minute < end

"""What one condition compares with for one device: the rule's number, the register's, or a place's own.

Comparisons are turned so that danger lies upwards and the limit is included: `sign * value >= bound`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from alerting.engine.rule import Condition, Override, Rule
from alerting.engine.world import Registry
from core.area import is_within

_NARROWER = {"city": 0, "area": 1, "object": 2, "device": 3}


@dataclass(frozen=True, slots=True)
class Limit:
    """A condition's limit for one device; `condition` carries the authority, an override's where one applies."""

    condition: Condition
    threshold: float | None
    sign: float
    bound: float  # of words and bits: unused
    keep_bound: float  # the level is not contradicted while sign * value >= keep_bound


def limit_of(condition: Condition, threshold: float | None, clear_threshold: float | None) -> Limit:
    """Bounds of a condition for a threshold; a level without a clear threshold ends where it began."""
    if threshold is None:
        return Limit(condition, None, 1.0, math.inf, math.inf)
    sign = 1.0 if condition.comparison in ("ge", "gt") else -1.0
    bound = sign * threshold
    if condition.comparison in ("gt", "lt"):
        bound = math.nextafter(bound, math.inf)
    keep = bound if clear_threshold is None else min(bound, sign * clear_threshold)
    return Limit(condition, threshold, sign, bound, keep)


class RuleLimits:
    """Limits of all conditions of one rule, by device."""

    def __init__(self, rule: Rule, overrides: Sequence[Override], registry: Registry) -> None:
        self.rule, self.registry = rule, registry
        self.common = [limit_of(c, c.threshold, c.clear_threshold) for c in rule.conditions]
        ids = {c.condition_id for c in rule.conditions}
        self.overrides: dict[str, list[Override]] = defaultdict(list)
        for override in sorted(overrides, key=lambda o: (_NARROWER[o.scope], o.override_id), reverse=True):
            if override.condition_id in ids:
                self.overrides[override.condition_id].append(override)
        self.is_dated = any(o.valid_from or o.valid_to for found in self.overrides.values() for o in found)
        self.is_individual = bool(self.overrides) or any(c.limit_attribute or c.applies_to for c in rule.conditions)
        self._known: dict[tuple[str, date | None], list[Limit | None]] = {}

    def of(self, asset_id: str, on: date | None) -> Sequence[Limit | None]:
        """One limit a condition; None where the condition does not apply to the device or the register has no number.

        `on` is the Beijing day of the reading, None where no override has dates.
        """
        if not self.is_individual:
            return self.common
        found = self._known.get((asset_id, on))
        if found is None:
            found = self._known[asset_id, on] = [self._own(c, asset_id, on) for c in self.rule.conditions]
        return found

    def loosest(self) -> dict[tuple[str, float], float]:
        """For each metric and sign the bound that no device may leave unnoticed."""
        bounds: dict[tuple[str, float], float] = {}
        for condition, common in zip(self.rule.conditions, self.common, strict=True):
            limits = [common] if common.threshold is not None else []
            limits += [
                limit_of(condition, o.threshold, o.clear_threshold) for o in self.overrides[condition.condition_id]
            ]
            if condition.limit_attribute:
                limits += self._registered(condition)
            for limit in limits:
                key = condition.metric, limit.sign
                bounds[key] = min(bounds.get(key, math.inf), limit.bound)
        return bounds

    def _registered(self, condition: Condition) -> list[Limit]:
        numbers = self.registry.numbers(condition.limit_attribute or "")
        return [self._scaled(condition, number) for number in numbers]

    def _own(self, condition: Condition, asset_id: str, on: date | None) -> Limit | None:
        for name, values in condition.applies_to.items():
            if not _is_among(self.registry.attribute(asset_id, name), values):
                return None
        for override in self.overrides.get(condition.condition_id, ()):
            if self._covers(override, asset_id, on):
                return limit_of(_under(condition, override), override.threshold, override.clear_threshold)
        if condition.limit_attribute is None:
            return limit_of(condition, condition.threshold, condition.clear_threshold)
        number = _number(self.registry.attribute(asset_id, condition.limit_attribute))
        return None if number is None else self._scaled(condition, number)

    @staticmethod
    def _scaled(condition: Condition, number: float) -> Limit:
        clear = None if condition.clear_threshold is None else number * condition.clear_threshold + condition.offset
        return limit_of(condition, round(number * condition.factor + condition.offset, 9), clear)

    def _covers(self, override: Override, asset_id: str, on: date | None) -> bool:
        if on is not None and (
            (override.valid_from is not None and on < override.valid_from)
            or (override.valid_to is not None and on > override.valid_to)
        ):
            return False
        device = self.registry.devices.get(asset_id)
        object_id = (device.object_id if device else None) or asset_id
        if override.scope == "device":
            return override.code == asset_id
        if override.scope == "object":
            return override.code == object_id
        area = self.registry.place(object_id, asset_id)[2]
        return area is not None and is_within(area, override.code)


def _under(condition: Condition, override: Override) -> Condition:
    """The condition with the override's authority."""
    return replace(
        condition, standard=override.standard, clause=override.clause, evidence_grade=override.evidence_grade
    )


def word_of(value: object) -> str:
    """A cell as rule tables write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _is_among(value: object, words: Sequence[str]) -> bool:
    """Whether a register's value is one of the words, or lies in a span `from..to` that includes its start."""
    number = _number(value)
    for word in words:
        low, span, high = word.partition("..")
        if not span:
            if word_of(value) == word:
                return True
        elif number is not None and (not low or number >= float(low)) and (not high or number < float(high)):
            return True
    return False


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

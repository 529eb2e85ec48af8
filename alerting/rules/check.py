"""What rules must agree on among themselves; a single row cannot show it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from alerting.engine.evaluators import evaluator_of
from alerting.engine.rule import Condition, RuleError, RuleSet

# Fewer seconds would divide a window unevenly.
_WINDOWED = ("sum", "mean", "max", "min", "count", "minutes", "drop", "rate")


def check_rules(ruleset: RuleSet) -> None:
    """Raises RuleError for the first contradiction between rows."""
    _unique("rule_id", (rule.rule_id for rule in ruleset.rules))
    _unique("condition_id", (c.condition_id for rule in ruleset.rules for c in rule.conditions))
    for rule in ruleset.rules:
        for condition in rule.conditions:
            _check_condition(condition)
        evaluator_of(rule).validate(rule, ruleset)
    known = {c.condition_id for rule in ruleset.rules for c in rule.conditions}
    for override in ruleset.overrides:
        if override.condition_id not in known:
            raise RuleError(f"override {override.override_id}: condition {override.condition_id!r} does not exist")


def _unique(column: str, values: Iterable[str]) -> None:
    for value, count in Counter(values).items():
        if count > 1:
            raise RuleError(f"{column} {value!r} stands {count} times, expected once")


def _check_condition(condition: Condition) -> None:
    where = f"condition {condition.condition_id}"
    if condition.aggregate in _WINDOWED:
        if not condition.window_s or not condition.bucket_s:
            raise RuleError(f"{where}: {condition.aggregate} needs window_minutes and bucket_minutes")
        if condition.window_s % condition.bucket_s:
            raise RuleError(f"{where}: window_minutes is no multiple of bucket_minutes")
    if condition.aggregate == "run" and not condition.rest_s:
        raise RuleError(f"{where}: a run needs rest_minutes, the pause that ends it")
    if condition.aggregate in ("run", "minutes") and condition.active_above is None:
        raise RuleError(f"{where}: {condition.aggregate} needs active_above, what counts as activity")
    if condition.clear_threshold is not None and condition.threshold is not None:
        upwards = condition.comparison in ("ge", "gt")
        if (condition.clear_threshold > condition.threshold) == upwards and (
            condition.clear_threshold != condition.threshold
        ):
            raise RuleError(f"{where}: clear_threshold {condition.clear_threshold} lies on the dangerous side")

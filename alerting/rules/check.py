"""What rules must agree on among themselves; a single row cannot show it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from alerting.rules.fault import RuleError
from alerting.rules.model import Condition, Rule, RuleSet
from core.severity import RANKS

# Fewer seconds would divide a window unevenly.
_WINDOWED = ("sum", "mean", "max", "min", "count", "minutes", "drop", "rate")


def check_rules(ruleset: RuleSet) -> None:
    """Raises RuleError for the first contradiction between rows."""
    _unique("rule_id", (rule.rule_id for rule in ruleset.rules))
    _unique("condition_id", (c.condition_id for rule in ruleset.rules for c in rule.conditions))
    for rule in ruleset.rules:
        _check_kind(rule)
        _check_members(rule, ruleset)
        for condition in rule.conditions:
            _check_condition(rule, condition)
    known = {c.condition_id for rule in ruleset.rules for c in rule.conditions}
    for override in ruleset.overrides:
        if override.condition_id not in known:
            raise RuleError(f"override {override.override_id}: condition {override.condition_id!r} does not exist")


def _unique(column: str, values: Iterable[str]) -> None:
    for value, count in Counter(values).items():
        if count > 1:
            raise RuleError(f"{column} {value!r} stands {count} times, expected once")


def _check_kind(rule: Rule) -> None:
    needs = {
        "reading": (rule.feeds, "feeds"),
        "event": (rule.feeds, "feeds"),
        "silence": (rule.feeds and rule.silence_s, "feeds and silence_s"),
        "fault": (rule.feeds and rule.hold_s, "feeds and hold_s"),
        "over_range": (rule.feeds and rule.key in ("gateway", "feed"), "feeds, and the key gateway or feed"),
        "rollup": (rule.members, "members"),
        "sender": (True, "nothing"),  # told by whoever sent what belongs to nothing we know
        "composite": (len(rule.members) > 1, "two or more members"),
    }
    given, what = needs[rule.kind]
    if not given:
        raise RuleError(f"rule {rule.rule_id}: a rule of kind {rule.kind} needs {what}")
    if rule.key == "gateway" and not rule.group_by:
        raise RuleError(f"rule {rule.rule_id}: the key gateway needs group_by, the register attribute that names it")
    if rule.kind == "fault" and max(c.rank for c in rule.conditions) > RANKS["yellow"]:
        raise RuleError(f"rule {rule.rule_id}: a device's fault is no danger; expected yellow or blue")
    if rule.kind == "silence" and len(rule.conditions) != 1:
        raise RuleError(f"rule {rule.rule_id}: silence has one level, {len(rule.conditions)} conditions found")


def _check_members(rule: Rule, ruleset: RuleSet) -> None:
    for member in rule.members if rule.kind != "over_range" else ():  # it looks at its own devices
        other = ruleset.by_id.get(member)
        if other is None:
            raise RuleError(f"rule {rule.rule_id}: member {member!r} is no rule")
        if rule.rule_id in _reachable(other, ruleset):
            raise RuleError(f"rule {rule.rule_id}: looks at itself through {member}")


def _reachable(rule: Rule, ruleset: RuleSet) -> set[str]:
    """The rule and all it looks at; ends on a circle too."""
    seen, waiting = set(), [rule.rule_id]
    while waiting:
        current = waiting.pop()
        if current in seen or current not in ruleset.by_id:
            continue
        seen.add(current)
        waiting += ruleset.by_id[current].members
    return seen


def _check_condition(rule: Rule, condition: Condition) -> None:
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
    if rule.kind in ("rollup", "over_range") and condition.metric not in ("blue", "yellow", "orange", "red"):
        raise RuleError(f"{where}: a roll-up counts members of a colour, metric is {condition.metric!r}")
    if rule.kind == "composite" and condition.metric not in rule.members:
        raise RuleError(f"{where}: metric {condition.metric!r} is no member of the rule")

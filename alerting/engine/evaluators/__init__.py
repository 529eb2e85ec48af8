"""The evaluators of all rule kinds: every module of this folder with an `Evaluator` that names its kinds.

A new kind is one more module here; nothing else asks what kind a rule is.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from alerting.engine.evaluators.evaluator import Evaluator
from alerting.engine.rule import Rule, RuleError, RuleSet


@cache
def evaluators() -> Mapping[str, type[Evaluator]]:
    """Rule kind → its evaluator, found when somebody first asks: importing a room looks at no folder."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    registry: dict[str, type[Evaluator]] = {}
    waiting: list[type[Evaluator]] = Evaluator.__subclasses__()
    while waiting:
        evaluator = waiting.pop()
        waiting += evaluator.__subclasses__()
        for kind in evaluator.kinds:
            if kind in registry:
                raise TypeError(f"rule kind {kind}: {evaluator.__name__} and {registry[kind].__name__} both judge it")
            registry[kind] = evaluator
    return dict(sorted(registry.items()))


def evaluator_of(rule: Rule) -> type[Evaluator]:
    """The evaluator of a rule's kind. Raises RuleError for a kind that nobody judges."""
    found = evaluators().get(rule.kind)
    if found is None:
        known = ", ".join(evaluators())
        raise RuleError(f"rule {rule.rule_id}: kind {rule.kind!r} found, expected one of {known}")
    return found


def watched_by(ruleset: RuleSet) -> frozenset[str]:
    """The rules whose open episodes some rule looks at."""
    return frozenset(rule_id for rule in ruleset.rules for rule_id in evaluator_of(rule).watched(rule))


__all__ = ["Evaluator", "evaluator_of", "evaluators", "watched_by"]

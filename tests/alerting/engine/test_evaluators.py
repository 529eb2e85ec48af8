"""The registry of rule kinds: what rules.yaml may say is what an evaluator judges, and nothing else asks."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from alerting.engine.evaluators import evaluator_of, evaluators
from alerting.rules import RuleError, RuleSet, load_rules
from alerting.rules.check import check_rules
from rule_parts import rules_folder

ROOT = Path(__file__).resolve().parents[3]


def test_the_kinds_that_a_system_may_declare_are_those_with_an_evaluator() -> None:
    schema = json.loads((ROOT / "core" / "schemas" / "rules.schema.json").read_text())
    found = [json.loads(text) for text in re.findall(r'"kind": \{"enum": (\[[^]]+\])', json.dumps(schema))]
    assert [sorted(kinds) for kinds in found] == [list(evaluators())]


def test_every_committed_rule_has_an_evaluator_that_accepts_it(tmp_path: Path) -> None:
    ruleset = load_rules(rules_folder(tmp_path))
    assert {rule.kind for rule in ruleset.rules} == evaluators().keys(), "a kind that nobody uses is not tried here"
    for rule in ruleset.rules:
        evaluator_of(rule).validate(rule, ruleset)


@pytest.mark.parametrize(
    ("rule_id", "changes", "said"),
    [
        ("gas_methane_lel", {"kind": "guess"}, "kind 'guess' found, expected one of composite, event"),
        ("gas_methane_lel", {"members": ("tailings_beach",)}, "looks at no episodes; leave members empty"),
        ("gas_methane_lel", {"feeds": ()}, "a rule of kind reading needs feeds"),
        ("gas_gateway_silent", {"group_by": None}, "the key gateway needs group_by"),
        ("flood_composite", {"members": ("river_level",)}, "a rule of kind composite needs two or more members"),
        ("gas_over_range_gateway", {"key": "device"}, "needs feeds, and the key gateway or feed"),
        ("tailings_beach", {"members": ("nobody",)}, "member 'nobody' is no rule"),
    ],
)
def test_each_kind_says_what_it_needs(tmp_path: Path, rule_id: str, changes: dict[str, object], said: str) -> None:
    ruleset = load_rules(rules_folder(tmp_path))
    broken = replace(ruleset.by_id[rule_id], **changes)  # type: ignore[arg-type]
    rules = tuple(broken if rule.rule_id == rule_id else rule for rule in ruleset.rules)
    with pytest.raises(RuleError, match=re.escape(said)):
        check_rules(RuleSet(rules, ruleset.overrides))

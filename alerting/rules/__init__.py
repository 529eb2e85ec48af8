"""Rules as data: what a row of the rule tables says, read and checked."""

from alerting.engine.rule import Condition, MaintenanceWindow, Override, Rule, RuleError, RuleSet
from alerting.rules.load import RULE_FILES, load_rules

__all__ = [
    "RULE_FILES",
    "Condition",
    "MaintenanceWindow",
    "Override",
    "Rule",
    "RuleError",
    "RuleSet",
    "load_rules",
]

"""Rules as data: what a row of the rule tables says, read and checked.

Not here: comparing readings with them (`alerting.engine`), publishing them (`orchestration.rules`).
"""

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

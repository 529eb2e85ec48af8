"""Rules as data: what a row of the rule tables says, read and checked.

Not here: comparing readings with them (`alerting.engine`), publishing them (`orchestration.rules`).
"""

from alerting.rules.fault import RuleError
from alerting.rules.load import RULE_FILES, load_rules
from alerting.rules.model import Condition, MaintenanceWindow, Override, Rule, RuleSet

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

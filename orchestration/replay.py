"""Try rules on a home's history: which tables, which rows, and what to compare with.

Not here: the fold (`alerting.replay`), printing (`orchestration.cli.replay`).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from alerting.knowledge import windows_known
from alerting.registry import load_registry
from alerting.replay import Episode, fired, replay, rules_on
from alerting.rules import RULE_FILES, RuleError, RuleSet, load_rules
from alerting.rules.generations import newest_generation
from ingest.contract import Contract
from ingest.settings import Home


@dataclass(frozen=True, slots=True)
class Trial:
    """Episodes under the rules tried, and those that they are compared with: alerts that were, or present rules."""

    would: list[Episode]
    did: list[Episode]
    compared_with: str  # alerts, present rules


def tried(
    home: Home,
    store: sa.Engine,
    contracts: Mapping[str, Contract],
    start: datetime,
    end: datetime,
    rules: Path | None,
    feeds: Collection[str] | None,
) -> Trial:
    """Replay a stretch of history. Where no alert was ever kept, the present rules say what would have been.

    Raises RuleError for tables that do not load, NoRulesError for a home without rules.
    """  # fmt: skip
    registry = load_registry(home, store, contracts.values())
    present = _with_windows(load_rules(newest_generation(home.root)), store)
    ruleset = present if rules is None else _with_windows(overlaid(newest_generation(home.root), rules), store)
    would = replay(home, store, ruleset, registry, start, end, feeds)
    chosen = present if feeds is None else rules_on(present, feeds)
    did = fired(store, {rule.rule_id for rule in (*chosen.rules, *ruleset.rules)}, start, end)
    if did or rules is None:
        return Trial(would, did, "alerts")
    return Trial(would, replay(home, store, present, registry, start, end, feeds), "present rules")


def overlaid(generation: Path, rules: Path) -> RuleSet:
    """A generation's rules with some of its tables replaced: by one CSV of that name, or by those of a folder."""
    if not rules.exists():
        raise RuleError(f"{rules} does not exist; give a rule table or a folder of them")
    given = [rules] if rules.is_file() else sorted(rules.glob("*.csv"))
    strange = [path.name for path in given if path.name not in RULE_FILES]
    if not given or strange:
        raise RuleError(f"{rules}: {', '.join(strange) or 'no CSV'} found, expected {', '.join(RULE_FILES)}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name in RULE_FILES:
            shutil.copyfile(generation / name, folder / name)
        for path in given:
            shutil.copyfile(path, folder / path.name)
        return load_rules(folder, f"{generation.name} with {rules.name}")


def _with_windows(ruleset: RuleSet, store: sa.Engine) -> RuleSet:
    return replace(ruleset, windows=windows_known(store, ruleset.windows))

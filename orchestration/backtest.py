"""Try rules on a home's history: which tables, which rows, and what to compare with."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from alerting.backtest.evaluation import Episode, backtest, rules_on, warm_up
from alerting.backtest.landed import history
from alerting.backtest.recorded import fired
from alerting.registry import load_registry
from alerting.rules import RULE_FILES, RuleError, RuleSet, load_rules
from alerting.rules.generations import newest_generation
from alerting.runtime_config import windows_known
from core.contract import Contract
from core.settings import Home


@dataclass(frozen=True, slots=True)
class Trial:
    """Episodes under the rules tried, and those that they are compared with: alerts that were, or present rules."""

    would: list[Episode]
    did: list[Episode]
    compared_with: str  # alerts, present rules
    until: datetime  # where anybody stopped listening, if that was before the end asked for
    warm_up: timedelta  # so much before the start was read as well


def tried(
    home: Home,
    store: sa.Engine,
    contracts: Mapping[str, Contract],
    start: datetime,
    end: datetime,
    rules: Path | None,
    feeds: Collection[str] | None,
    *,
    is_on_time: bool = False,
) -> Trial:
    """Replay a stretch of history. Where no alert was ever kept, the present rules say what would have been.

    Raises RuleError for tables that do not load, NoRulesError for a home without rules.
    """
    registry = load_registry(home, store, contracts.values())
    present = _with_windows(load_rules(newest_generation(home.root)), store)
    ruleset = present if rules is None else _with_windows(overlaid(newest_generation(home.root), rules), store)
    known = history(store)
    until = max(start, min(end, known.until or start))
    since = None if is_on_time else known.since

    def replayed(some: RuleSet) -> list[Episode]:
        return backtest(home, store, some, registry, start, until, feeds, since=since, is_on_time=is_on_time)

    chosen = present if feeds is None else rules_on(present, feeds)
    did = fired(store, {rule.rule_id for rule in (*chosen.rules, *ruleset.rules)}, start, until)
    if (did and not is_on_time) or rules is None:
        return Trial(replayed(ruleset), did, "alerts", until, warm_up(ruleset))
    return Trial(replayed(ruleset), replayed(present), "present rules", until, warm_up(ruleset))


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

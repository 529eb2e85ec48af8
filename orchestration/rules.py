"""Publish the rule tables as a generation of their own, so that a threshold never waits for a warehouse build.

Only what loads whole is published: rules, the duty desk's tables, the channels' book. Not here: reading a generation
(`alerting.rules`, `alerting.desk`), the warehouse's copies of the same rows (dbt seeds).
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from alerting import tables
from alerting.channels.book import load_book
from alerting.desk import TABLES as DESK_TABLES
from alerting.desk import load_desk
from alerting.rules import RULE_FILES, RuleSet, load_rules
from alerting.rules.generations import FOLDER, PARTIAL, generations
from ingest.settings import Home
from orchestration.build import PROJECT

SEEDS = PROJECT / "seeds"
KEPT_GENERATIONS = 50  # snapshots and replays name the generation they ran under
NAME = "%Y%m%dT%H%M%S%f"


class RulesError(RuntimeError):
    """The rule tables must not be published; the last good generation stands."""


def publish_rules(home: Home, now: datetime, source: Path | None = None) -> tuple[Path, bool]:
    """Make the tables of `source` (the seeds, or a folder of CSVs over them) the newest generation.

    Gives its folder and whether it is new: tables that say what the newest one says are not published again. Raises
    RuleError, DeskError, BookError or RulesError for tables that do not load, and then nothing changes.
    """
    files = tables_of(source)
    known = generations(home.root)
    if known and digest(_files_in(known[-1])) == digest(files):
        return known[-1], False
    target = home.root / FOLDER / now.astimezone(UTC).strftime(NAME)
    if known and target.name <= known[-1].name:
        raise RulesError(f"generation {known[-1].name} is newer than now, {target.name}; set the clock right")
    partial = target.with_name(f"{PARTIAL}-{target.name}-{os.getpid()}")
    partial.mkdir(parents=True)
    try:
        for name, path in files.items():
            shutil.copyfile(path, partial / name)
        load_rules(partial)
        load_desk(partial)
        load_book(partial)
        os.rename(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    for old in generations(home.root)[:-KEPT_GENERATIONS]:
        shutil.rmtree(old)
    return target, True


def tables_of(source: Path | None) -> Mapping[str, Path]:
    """File of every table of a generation: from `source` where it has one, else from the seeds."""
    names = {path.name for path in (SEEDS / "alerting").glob("*.csv")}
    names |= {*RULE_FILES, *(f"{name}.csv" for name in DESK_TABLES)}
    folders = [folder for folder in (source, SEEDS / "alerting", SEEDS) if folder is not None]
    found = {}
    for name in sorted(names):
        path = next((folder / name for folder in folders if (folder / name).is_file()), None)
        if path is None:
            raise RulesError(f"no {name} in {', '.join(map(str, folders))}; a generation holds every table")
        found[name] = path
    return found


def digest(files: Mapping[str, Path]) -> str:
    """One hash of what the tables say."""
    seen = hashlib.sha256()
    for name, path in sorted(files.items()):
        seen.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return seen.hexdigest()


def unmatched(engine: sa.Engine, ruleset: RuleSet, days: int, now: datetime) -> list[str]:
    """Rules that opened nothing in so many days; members of a roll-up never do by themselves and are left out."""
    member, alert = tables.member, tables.alert
    query = (
        sa.select(alert.c.rule_id)
        .join(member, member.c.alert_id == alert.c.alert_id)
        .where(member.c.started_at >= now - timedelta(days=days))
        .distinct()
    )
    with engine.connect() as connection:
        matched = {rule_id for (rule_id,) in connection.execute(query)}
    return [r.rule_id for r in ruleset.rules if not r.is_member_only and r.rule_id not in matched]


def _files_in(folder: Path) -> dict[str, Path]:
    return {path.name: path for path in folder.glob("*.csv")}

"""Publish the rule tables as a generation of their own, so that a threshold never waits for a warehouse build.

Only what loads whole is published: rules, notification policies, channels.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from alerting.notify.channels.channel_config import load_channel_config
from alerting.policy.notification_policies import TABLES as DESK_TABLES
from alerting.policy.notification_policies import load_notification_policies
from alerting.rules import RULE_FILES, RuleSet, load_rules
from alerting.rules.generations import FOLDER, NAME, PARTIAL, digest, files_in, generations
from alerting.rules.versions import Changes, changes_to, decides_beside_rules, live_versions, take_as_given
from alerting.workflow import requests
from alerting.workflow.requests import Kind
from alerting.workflow.rule_proposals import WAITING
from core.settings import Home
from core.store import tables
from orchestration.project import ALERTING, open_project, seed_folders

KEPT_GENERATIONS = 50  # snapshots and replays name the generation they ran under
SHADOW_DAYS, DEFAULT_SHADOW_DAYS = "CITYRISK_RULES_SHADOW_DAYS", 14


class RulesError(RuntimeError):
    """The rule tables must not be published; the last good generation stands."""


def publish_rules(home: Home, now: datetime, source: Path | None = None) -> tuple[Path, bool]:
    """Make the tables of `source` (the seeds, or a folder of CSVs over them) the newest generation.

    Gives its folder and whether it is new: tables that say what the newest one says are not published again. Raises
    RuleError, NotificationPolicyError, ChannelConfigError or RulesError for tables that do not load, and then nothing
    changes.
    """
    with open_project(home) as project:
        files = tables_of(project, source)
        known = generations(home.root)
        if known and digest(files_in(known[-1])) == digest(files):
            return known[-1], False
        return _put(home.root / FOLDER, home, files, now), True


@dataclass(frozen=True, slots=True)
class Proposed:
    """What came of proposing rule tables: in force in `folder`, or waiting there as a request."""

    folder: Path
    is_new: bool
    changes: Changes
    request_id: str | None = None
    until: datetime | None = None


def propose_rules(
    home: Home, engine: sa.Engine, now: datetime, actor: str, reason: str, source: Path | None = None
) -> Proposed:
    """Publish tables; where they change a rule, or who is told, they run in shadow until a second person lets them in.

    A new home takes what it is given, and an older one what stands there. Raises as `publish_rules` does, and
    ValueError without a reason for a change.
    """
    known = generations(home.root)
    if not known:
        return Proposed(publish_rules(home, now, source)[0], True, Changes())
    with open_project(home) as project:
        return _propose(home, engine, now, actor, reason, tables_of(project, source))


def _propose(
    home: Home, engine: sa.Engine, now: datetime, actor: str, reason: str, files: Mapping[str, Path]
) -> Proposed:
    live = generations(home.root)[-1]
    take_as_given(engine, load_rules(live, live.name), live)
    with engine.connect() as connection:
        versions = live_versions(connection)
    is_same = digest(files_in(live)) == digest(files)
    if is_same and not changes_to(versions, load_rules(live)):
        return Proposed(live, False, Changes())
    folder = _put(home.root / WAITING, home, files, now)
    if not reason.strip():
        shutil.rmtree(folder)
        raise ValueError("a change of rule tables needs a comment (-m): why it is made")
    others = tuple(
        sorted(
            name.removesuffix(".csv")
            for name, path in files.items()
            if decides_beside_rules(name)
            and not ((live / name).is_file() and (live / name).read_bytes() == path.read_bytes())
        )
    )
    changes = replace(changes_to(versions, load_rules(folder)), tables=others)
    if not changes:
        shutil.rmtree(folder)
        return Proposed(_put(home.root / FOLDER, home, files, now), True, changes)
    until = now + timedelta(days=home.number(SHADOW_DAYS, DEFAULT_SHADOW_DAYS))
    subject = {
        "generation": folder.name,
        "digest": digest(files_in(folder)),
        "added": changes.added,
        "changed": changes.changed,
        "removed": changes.removed,
        "tables": changes.tables,
    }
    try:
        with engine.begin() as connection:
            requests.replace_waiting(connection, Kind.RULES, actor, now)
            request_id = requests.ask(
                connection, Kind.RULES, subject, changes.description, None, reason, actor, now, until
            )
    except ValueError:
        shutil.rmtree(folder)
        raise
    for old in folder.parent.iterdir():
        if old.name != folder.name:
            shutil.rmtree(old, ignore_errors=True)
    return Proposed(folder, True, changes, request_id, until)


def _put(parent: Path, home: Home, files: Mapping[str, Path], now: datetime) -> Path:
    """A folder of tables that load whole, complete from the moment that it is there."""
    known = generations(home.root)
    target = parent / now.astimezone(UTC).strftime(NAME)
    if known and target.name <= known[-1].name:
        raise RulesError(f"generation {known[-1].name} is newer than now, {target.name}; set the clock right")
    partial = target.with_name(f"{PARTIAL}-{target.name}-{os.getpid()}")
    partial.mkdir(parents=True)
    try:
        for name, path in files.items():
            shutil.copyfile(path, partial / name)
        load_rules(partial)
        load_notification_policies(partial)
        load_channel_config(partial)
        os.rename(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    for old in generations(home.root)[:-KEPT_GENERATIONS]:
        shutil.rmtree(old)
    return target


def tables_of(project: Path, source: Path | None = None) -> Mapping[str, Path]:
    """File of every table of a generation: from `source` where it has one, else from the project's seeds."""
    seeds = seed_folders(project)
    names = {path.name for folder in seeds if folder.name == ALERTING for path in folder.glob("*.csv")}
    names |= {*RULE_FILES, *(f"{name}.csv" for name in DESK_TABLES)}
    folders = [folder for folder in (source, *seeds) if folder is not None]
    found = {}
    for name in sorted(names):
        path = next((folder / name for folder in folders if (folder / name).is_file()), None)
        if path is None:
            raise RulesError(f"no {name} in {', '.join(map(str, folders))}; a generation holds every table")
        found[name] = path
    return found


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

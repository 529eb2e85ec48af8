"""What the alerting process works by: rules, registers and notification policies, as the newest rows say."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from alerting.engine.rule import MaintenanceWindow, RuleError, RuleSet
from alerting.engine.world import Registry
from alerting.policy.notification_policies import (
    NotificationPolicies,
    NotificationPolicyError,
    load_notification_policies,
)
from alerting.registry import load_registry
from alerting.rules.generations import generations, newest_generation
from alerting.rules.load import load_rules
from alerting.rules.versions import UnapprovedRules, check_approved, take_as_given
from alerting.workflow.subjects import Subjects, city_of
from core.catalogue import owners_of
from core.contract import Contract
from core.settings import Home
from core.store import tables

log = logging.getLogger(__name__)

_CITY = "CITYRISK_CITY_CODE"
_DEFAULT_CITY = "420500"
_SCOPES = ("device", "object", "area", "feed")


@dataclass(frozen=True, slots=True)
class RuntimeConfig:
    """Rules, registers and policies that belong together; `registers` tells one state of the registers from another."""

    folder: Path
    ruleset: RuleSet
    registry: Registry
    policies: NotificationPolicies
    subjects: Subjects
    registers: str


class ConfigWatch:
    """Looks whether there is anything newer than what is known."""

    def __init__(self, home: Home, engine: sa.Engine, contracts: Mapping[str, Contract]) -> None:
        self._home, self._engine, self._contracts = home, engine, contracts
        self.failure = ""  # why the newest rules are not in force

    def newer(self, known: RuntimeConfig) -> RuntimeConfig | None:
        """Newer rules, registers or maintenance; None when all is as known.

        Rules that were not let in, or cannot be read, hold up nothing else. Raises what loading the others raises.
        """
        folder = self._folder(known)
        registers = registers_of(self._engine, self._contracts)
        if folder == known.folder and registers == known.registers:
            windows = windows_known(self._engine, known.ruleset.windows)
            if windows == known.ruleset.windows:
                return None
            return replace(known, ruleset=replace(known.ruleset, windows=windows))
        return load_runtime_config(self._home, self._engine, self._contracts, folder)

    def _folder(self, known: RuntimeConfig) -> Path:
        """The newest generation if it may be in force, else the one that is; `failure` says why."""
        said = ""
        folder = newest_generation(self._home.root)
        if folder != known.folder:
            try:
                check_approved(self._engine, load_rules(folder, folder.name), folder)
                load_notification_policies(folder)
            except (UnapprovedRules, RuleError, NotificationPolicyError, OSError) as error:
                said, folder = f"newer rules do not load, the old ones go on: {error}", known.folder
        if said and said != self.failure:
            log.error("%s; in force is %s", said, folder.name)
        self.failure = said
        return folder


def load_runtime_config(
    home: Home, engine: sa.Engine, contracts: Mapping[str, Contract], folder: Path | None = None
) -> RuntimeConfig:
    """The newest of everything; of rules the approved ones.

    Raises NoRulesError, RuleError or NotificationPolicyError.
    """
    folder = folder or approved_generation(home, engine)
    registers = registers_of(engine, contracts)
    ruleset = load_rules(folder, folder.name)
    ruleset = replace(ruleset, windows=windows_known(engine, ruleset.windows))
    registry = load_registry(home, engine, contracts.values())
    policies = load_notification_policies(folder, owners=owners_of(contracts.values()))
    city = home.environment.get(_CITY) or city_of(registry, policies.routing, _DEFAULT_CITY)
    return RuntimeConfig(
        folder, ruleset, registry, policies, Subjects(ruleset, registry, policies.routing, city), registers
    )


def approved_generation(home: Home, engine: sa.Engine) -> Path:
    """The newest generation whose rules may run; the first of a home is taken as the release gave it.

    Where none is exactly what was let in, the newest one runs all the same, aloud: no rules at all would be worse.
    """
    newest = newest_generation(home.root)
    take_as_given(engine, load_rules(newest, newest.name), newest)
    for folder in reversed(generations(home.root)):
        try:
            check_approved(engine, load_rules(folder, folder.name), folder)
        except (UnapprovedRules, RuleError) as error:
            log.error("%s", error)
        else:
            return folder
    return newest


def registers_of(engine: sa.Engine, contracts: Mapping[str, Contract]) -> str:
    """What the live files of all registers are, in a few letters."""
    feeds = [contract.id for contract in contracts.values() if contract.is_register]
    file = tables.file.c
    query = sa.select(sa.func.count(), sa.func.max(file.path), sa.func.sum(file.bytes)).where(
        file.feed_id.in_(feeds), file.state == "live"
    )
    with engine.connect() as connection:
        return "/".join(str(value) for value in connection.execute(query).one())


def windows_known(engine: sa.Engine, known: tuple[MaintenanceWindow, ...]) -> tuple[MaintenanceWindow, ...]:
    """The windows of the rows, and those that people entered and did not cancel before they began."""
    table = tables.maintenance_window
    with engine.connect() as connection:
        rows = connection.execute(sa.select(table).order_by(table.c.created_at, table.c.window_id)).all()
    entered = [
        MaintenanceWindow(
            row.target_kind,
            row.target,
            row.starts_at,
            _end(row.ends_at, row.cancelled_at),
            row.created_at,
            f"{row.actor}: {row.reason}",
        )
        for row in rows
        if row.target_kind in _SCOPES and _end(row.ends_at, row.cancelled_at) > row.starts_at
    ]
    by_people = {(one.scope, one.code, one.known_at) for one in entered}
    return (*(one for one in known if (one.scope, one.code, one.known_at) not in by_people), *entered)


def _end(ends_at: datetime, cancelled_at: datetime | None) -> datetime:
    return min(ends_at, cancelled_at) if cancelled_at else ends_at

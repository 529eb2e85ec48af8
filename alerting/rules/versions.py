"""Which versions of rules may run: those that the release gave a new home, and those that two people let in.

A version is the fingerprint of all rows that decide (`Rule.fingerprint`). Not here: what waits
(`alerting.rules.waiting`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from alerting import tables
from alerting.rules.generations import NAME
from alerting.rules.model import RuleSet

RELEASE = "release"
_v = tables.rule_version.c


class UnapprovedRules(RuntimeError):
    """A generation holds rules that nobody approved, or lacks some that nobody removed; says which and what to do."""


@dataclass(frozen=True, slots=True)
class Changes:
    """How rules differ from those in force, by rule id; and tables beside them that decide who hears what."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed or self.tables)

    @property
    def rules(self) -> frozenset[str]:
        """Every rule that is another one afterwards."""
        return frozenset((*self.added, *self.changed, *self.removed))

    @property
    def said(self) -> tuple[str, str]:
        """In Chinese and in English."""
        parts = (("新增", "added", self.added), ("改动", "changed", self.changed), ("删除", "removed", self.removed),
                 ("其他表", "tables", self.tables))  # fmt: skip
        told = [(zh, en, names) for zh, en, names in parts if names]
        return (
            "；".join(f"{zh}：{'、'.join(names)}" for zh, _, names in told),
            "; ".join(f"{en}: {', '.join(names)}" for _, en, names in told),
        )


def live_versions(connection: sa.Connection) -> dict[str, str]:
    """Rule id → fingerprint of the version in force; empty where none was ever written down."""
    query = sa.select(_v.rule_id, _v.fingerprint).where(_v.state == "live")
    return {row.rule_id: row.fingerprint for row in connection.execute(query)}


def changes_to(live: Mapping[str, str], ruleset: RuleSet) -> Changes:
    """How a set of rules differs from the versions in force."""
    new = {rule.rule_id: rule.fingerprint for rule in ruleset.rules}
    return Changes(
        tuple(sorted(new.keys() - live.keys())),
        tuple(sorted(one for one in new.keys() & live.keys() if new[one] != live[one])),
        tuple(sorted(live.keys() - new.keys())),
    )


def take_as_given(engine: sa.Engine, ruleset: RuleSet) -> None:
    """The first rules of a home are those of the release: written down once, when there is nothing yet."""
    with engine.begin() as connection:
        if connection.scalar(sa.select(sa.func.count()).select_from(tables.rule_version)):
            return
        _insert(connection, ruleset, (rule.rule_id for rule in ruleset.rules), RELEASE, RELEASE, _instant(ruleset))


def check_approved(engine: sa.Engine, ruleset: RuleSet) -> None:
    """Raises UnapprovedRules when a set of rules is not exactly the versions in force."""
    with engine.connect() as connection:
        found = changes_to(live_versions(connection), ruleset)
    if found:
        raise UnapprovedRules(
            f"generation {ruleset.generation} was not approved ({found.said[1]}); `cityrisk rules publish` proposes it,"
            " a second person lets it in"
        )


def make_live(
    connection: sa.Connection, ruleset: RuleSet, changes: Changes, proposer: str, approver: str, now: datetime
) -> None:
    """What was changed or removed is retired, what is new is in force from now on."""
    gone = (*changes.changed, *changes.removed)
    retire = sa.update(tables.rule_version).where(_v.rule_id.in_(gone), _v.state == "live")
    connection.execute(retire.values(state="retired"))
    new = (*changes.added, *changes.changed)
    prints = [rule.fingerprint for rule in ruleset.rules if rule.rule_id in new]
    # A version that comes back is let in anew.
    connection.execute(sa.delete(tables.rule_version).where(_v.rule_id.in_(new), _v.fingerprint.in_(prints)))
    _insert(connection, ruleset, new, proposer, approver, now)


def _insert(
    connection: sa.Connection, ruleset: RuleSet, rule_ids: Iterable[str], proposer: str, approver: str, since: datetime
) -> None:
    rows = [
        {
            "rule_id": rule_id, "fingerprint": ruleset.by_id[rule_id].fingerprint, "generation": ruleset.generation,
            "state": "live", "proposed_by": proposer, "approved_by": approver, "since": since,
        }
        for rule_id in rule_ids
    ]  # fmt: skip
    if rows:
        connection.execute(sa.insert(tables.rule_version), rows)


def _instant(ruleset: RuleSet) -> datetime:
    """When a generation was published; its name says so."""
    return datetime.strptime(ruleset.generation, NAME).replace(tzinfo=UTC)

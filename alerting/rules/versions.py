"""Which versions of rules may run: those that the release gave a new home, and those that two people let in.

A version is the fingerprint of all rows that decide (`Rule.fingerprint`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from alerting.engine.rule import RuleSet
from alerting.rules.generations import NAME, digest, files_in
from alerting.rules.load import RULE_FILES, WINDOWS
from core.store import tables

RELEASE = "release"
# Tables of places and wordings: they decide neither what rings nor who is told.
FREE_TABLES = frozenset({"areas.csv", "handling_guides.csv", "wordings.csv"})
# Under this name stands the digest of the tables that decide who is told, one version beside those of the rules.
TABLES = "(tables)"
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
    def description(self) -> tuple[str, str]:
        """In Chinese and in English."""
        parts = (
            ("新增", "added", self.added),
            ("改动", "changed", self.changed),
            ("删除", "removed", self.removed),
            ("其他表", "tables", self.tables),
        )
        told = [(zh, en, names) for zh, en, names in parts if names]
        return (
            "；".join(f"{zh}：{'、'.join(names)}" for zh, _, names in told),
            "; ".join(f"{en}: {', '.join(names)}" for _, en, names in told),
        )


def live_versions(connection: sa.Connection) -> dict[str, str]:
    """Rule id → fingerprint of the version in force; empty where none was ever written down."""
    query = sa.select(_v.rule_id, _v.fingerprint).where(_v.state == "live", _v.rule_id != TABLES)
    return {row.rule_id: row.fingerprint for row in connection.execute(query)}


def changes_to(live: Mapping[str, str], ruleset: RuleSet) -> Changes:
    """How a set of rules differs from the versions in force."""
    new = {rule.rule_id: rule.fingerprint for rule in ruleset.rules}
    return Changes(
        tuple(sorted(new.keys() - live.keys())),
        tuple(sorted(one for one in new.keys() & live.keys() if new[one] != live[one])),
        tuple(sorted(live.keys() - new.keys())),
    )


def decides_beside_rules(name: str) -> bool:
    """Whether a table of a generation, beside the rules themselves, decides what is told to whom."""
    return name not in FREE_TABLES | set(RULE_FILES) - {WINDOWS}


def tables_digest(folder: Path) -> str:
    """One hash of the tables of a generation that decide beside the rules."""
    return digest({name: path for name, path in files_in(folder).items() if decides_beside_rules(name)})


def take_as_given(engine: sa.Engine, ruleset: RuleSet, folder: Path) -> None:
    """The first rules and tables of a home are those of the release: written down once, when there is nothing yet."""
    since = _instant(ruleset)
    with engine.begin() as connection:
        if not live_versions(connection):
            _insert(connection, ruleset, (rule.rule_id for rule in ruleset.rules), RELEASE, RELEASE, since)
        if _live_tables(connection) is None:
            _insert_tables(connection, folder, folder.name, RELEASE, RELEASE, since)


def check_approved(engine: sa.Engine, ruleset: RuleSet, folder: Path) -> None:
    """Raises UnapprovedRules when a generation is not exactly the versions in force: its rules, and who is told."""
    with engine.connect() as connection:
        found = changes_to(live_versions(connection), ruleset)
        known = _live_tables(connection)
    if known is not None and known != tables_digest(folder):
        found = replace(found, tables=("who is told",))
    if found:
        raise UnapprovedRules(
            f"generation {ruleset.generation} was not approved ({found.description[1]}); `cityrisk rules publish`"
            " proposes it, a second person lets it in"
        )


def make_live(
    connection: sa.Connection,
    ruleset: RuleSet,
    folder: Path,
    changes: Changes,
    proposer: str,
    approver: str,
    now: datetime,
) -> None:
    """What was changed or removed is retired; what is new, and the tables of `folder`, are in force from now on."""
    gone = (*changes.changed, *changes.removed)
    retire = sa.update(tables.rule_version).where(_v.rule_id.in_(gone), _v.state == "live")
    connection.execute(retire.values(state="retired"))
    new = (*changes.added, *changes.changed)
    prints = [rule.fingerprint for rule in ruleset.rules if rule.rule_id in new]
    # A version that comes back is let in anew.
    connection.execute(sa.delete(tables.rule_version).where(_v.rule_id.in_(new), _v.fingerprint.in_(prints)))
    _insert(connection, ruleset, new, proposer, approver, now)
    beside = _v.rule_id == TABLES
    connection.execute(sa.delete(tables.rule_version).where(beside, _v.fingerprint == tables_digest(folder)))
    connection.execute(sa.update(tables.rule_version).where(beside).values(state="retired"))
    _insert_tables(connection, folder, ruleset.generation, proposer, approver, now)


def _live_tables(connection: sa.Connection) -> str | None:
    query = sa.select(_v.fingerprint).where(_v.state == "live", _v.rule_id == TABLES)
    return connection.scalar(query)


def _insert_tables(
    connection: sa.Connection, folder: Path, generation: str, proposer: str, approver: str, since: datetime
) -> None:
    row = {
        "rule_id": TABLES,
        "fingerprint": tables_digest(folder),
        "generation": generation,
        "state": "live",
        "proposed_by": proposer,
        "approved_by": approver,
        "since": since,
    }
    connection.execute(sa.insert(tables.rule_version).values(row))


def _insert(
    connection: sa.Connection, ruleset: RuleSet, rule_ids: Iterable[str], proposer: str, approver: str, since: datetime
) -> None:
    rows = [
        {
            "rule_id": rule_id,
            "fingerprint": ruleset.by_id[rule_id].fingerprint,
            "generation": ruleset.generation,
            "state": "live",
            "proposed_by": proposer,
            "approved_by": approver,
            "since": since,
        }
        for rule_id in rule_ids
    ]
    if rows:
        connection.execute(sa.insert(tables.rule_version), rows)


def _instant(ruleset: RuleSet) -> datetime:
    """When a generation was published; its name says so."""
    return datetime.strptime(ruleset.generation, NAME).replace(tzinfo=UTC)

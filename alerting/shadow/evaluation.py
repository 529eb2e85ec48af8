"""Proposed rules in shadow: they fold the same readings as those in force, from the same start, and tell nobody.

Both sides are engines of their own over the rules that differ, begun together: what was open before is on neither side,
so a difference is one of the rules. Counts outlive a restart, states do not: what holds then is opened once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from alerting.engine import Engine, Registry
from alerting.engine.episode import Change, EpisodeChange
from alerting.engine.rule import MaintenanceWindow, RuleSet
from alerting.rules.versions import Changes
from alerting.workflow.requests import Request
from alerting.workflow.unit_of_work import in_transaction
from core.severity import RANKS
from core.store import tables
from core.stream.live import LiveBatch

NOW, SHADOW = "now", "shadow"
_Key = tuple[str, str, str, str]  # side, rule, object, device
_s = tables.rule_shadow.c


@dataclass(frozen=True, slots=True)
class Compared:
    """One rule in force and in shadow: openings, and devices or objects with a worst colour that only one side has."""

    rule_id: str
    n_now: int
    n_shadow: int
    only_now: tuple[str, ...]
    only_shadow: tuple[str, ...]


@dataclass(slots=True)
class _Count:
    colour: str
    n_opened: int
    first_at: datetime
    last_at: datetime


class Shadow:
    """The two sides of one proposal."""

    def __init__(self, request: Request, ruleset: RuleSet, proposed: RuleSet, registry: Registry) -> None:
        changes = changes_of(request)
        self.request_id = request.request_id
        self._proposed = replace(proposed, windows=ruleset.windows)
        self._engines = {
            NOW: Engine(concerned(ruleset, changes.rules), registry),
            SHADOW: Engine(concerned(self._proposed, changes.rules), registry),
        }
        self._counts: dict[_Key, _Count] = {}

    def fold(self, batch: LiveBatch) -> None:
        """Take one message of the stream on both sides."""
        for side, engine in self._engines.items():
            quiet = {rule.rule_id for rule in engine.ruleset.rules if rule.is_member_only}
            for change in engine.fold(batch):
                if change.change in (Change.OPENED, Change.UPGRADED) and change.rule_id not in quiet:
                    self._count(side, change)

    def plan_maintenance(self, windows: Iterable[MaintenanceWindow]) -> None:
        """What is announced mutes both sides alike."""
        for engine in self._engines.values():
            engine.plan_maintenance(tuple(windows))

    def taken(self) -> dict[_Key, _Count]:
        """Hand over what opened since the last time."""
        counts, self._counts = self._counts, {}
        return counts

    def _count(self, side: str, change: EpisodeChange) -> None:
        key = (side, change.rule_id, change.object_id, change.device_id or "")
        is_new = int(change.change is Change.OPENED)
        count = self._counts.get(key)
        if count is None:
            self._counts[key] = _Count(change.colour, is_new, change.known_at, change.known_at)
            return
        count.n_opened += is_new
        count.last_at = change.known_at
        count.colour = max(count.colour, change.colour, key=RANKS.__getitem__)


def concerned(ruleset: RuleSet, rule_ids: Iterable[str]) -> RuleSet:
    """The rules named, those that look at them, and those that any of these look at."""
    wanted = set(rule_ids)
    for _ in range(2):  # a pond looks at items, items at points
        wanted |= {rule.rule_id for rule in ruleset.rules if wanted & set(rule.members)}
    for _ in range(2):
        wanted |= {member for rule in ruleset.rules if rule.rule_id in wanted for member in rule.members}
    return replace(ruleset, rules=tuple(rule for rule in ruleset.rules if rule.rule_id in wanted))


def changes_of(request: Request) -> Changes:
    """What a proposal changes."""
    return Changes(*(tuple(request.subject[name]) for name in ("added", "changed", "removed", "tables")))


def save(engine: sa.Engine, request_id: str, counts: Mapping[_Key, _Count]) -> None:
    """Add what opened to what is written down."""
    if counts:
        in_transaction(engine, lambda connection: _save(connection, request_id, counts))


def _save(connection: sa.Connection, request_id: str, counts: Mapping[_Key, _Count]) -> None:
    table = tables.rule_shadow
    rows: list[dict[str, Any]] = []
    for (side, rule_id, object_id, device_id), count in counts.items():
        key = {
            "request_id": request_id,
            "side": side,
            "rule_id": rule_id,
            "object_id": object_id,
            "device_id": device_id,
        }
        where = [table.c[name] == value for name, value in key.items()]
        known: str | None = connection.scalar(sa.select(_s.colour).where(*where))
        if known is None:
            values = {
                "colour": count.colour,
                "n_opened": count.n_opened,
                "first_at": count.first_at,
                "last_at": count.last_at,
            }
            rows.append({**key, **values})
            continue
        worst = max(known, count.colour, key=RANKS.__getitem__)
        change = sa.update(table).where(*where)
        connection.execute(change.values(colour=worst, n_opened=_s.n_opened + count.n_opened, last_at=count.last_at))
    if rows:
        connection.execute(sa.insert(table), rows)


def compared(connection: sa.Connection, request: Request) -> list[Compared]:
    """Each rule of a proposal, in force and in shadow, since it waits; by rule id."""
    query = sa.select(tables.rule_shadow).where(_s.request_id == request.request_id)
    sides: dict[str, dict[str, dict[str, int]]] = {
        rule_id: {NOW: {}, SHADOW: {}} for rule_id in sorted(changes_of(request).rules)
    }
    for row in connection.execute(query):
        found = sides.setdefault(row.rule_id, {NOW: {}, SHADOW: {}})[row.side]
        found[f"{row.device_id or row.object_id} {row.colour}"] = row.n_opened
    return [
        Compared(
            rule_id,
            sum(both[NOW].values()),
            sum(both[SHADOW].values()),
            tuple(sorted(both[NOW].keys() - both[SHADOW].keys())),
            tuple(sorted(both[SHADOW].keys() - both[NOW].keys())),
        )
        for rule_id, both in sides.items()
    ]

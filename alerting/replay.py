"""Rules on history: which episodes would have been, beside those that were.

The same fold as live over the same rows, so a difference is one of the rules. Not here: reading landed rows
(`alerting.history`), printing (`orchestration.cli.replay`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import sqlalchemy as sa

from alerting import tables
from alerting.engine import Engine, Registry
from alerting.engine.judge import Judge
from alerting.episode import Change, EpisodeChange
from alerting.history import landed_batches
from alerting.rules.model import RANKS, RuleSet
from ingest.settings import Home
from ingest.stream.live import CLOCK_FEED, LiveBatch

Verdict = Literal["same", "gained", "lost", "earlier", "later", "colour"]

WARM_UP = timedelta(days=3)  # the longest window of a rule: heat of three days
_PLACE = ("_lon", "_lat", "_area_code")


@dataclass(frozen=True, slots=True)
class Episode:
    """One episode from its first change to its last one; `opened_at` None: it never came to an alert."""

    episode_id: str
    rule_id: str
    object_id: str
    device_id: str | None
    colour: str  # the worst it had
    started_at: datetime
    opened_at: datetime | None
    ended_at: datetime | None
    peak: float | None
    is_late: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """One episode under the rules tried (`would`), one of those that were (`did`), or both."""

    verdict: Verdict
    would: Episode | None
    did: Episode | None
    shift_s: float = 0.0  # of two that are the same but for their start; negative: earlier


def replay(
    home: Home,
    store: sa.Engine,
    ruleset: RuleSet,
    registry: Registry,
    start: datetime,
    end: datetime,
    feeds: Collection[str] | None = None,
) -> list[Episode]:
    """Episodes that began between two instants and opened, under some rules, from the rows that landed.

    The rows of three days before are folded too, so that windows and silences are as they were; `feeds` leaves all
    others out.
    """  # fmt: skip
    if feeds is not None:
        ruleset = rules_on(ruleset, feeds)
    batches = landed_batches(home, store, columns_of(ruleset, registry), start - WARM_UP, end)
    episodes = fold(Engine(ruleset, registry), batches, end)
    return [e for e in episodes if e.opened_at is not None and start <= e.started_at < end]


def fold(engine: Engine, batches: Iterable[LiveBatch], end: datetime) -> list[Episode]:
    """Episodes of a whole stream; `end` is the last instant that its clock tells."""
    told: dict[str, Episode] = {}
    for batch in batches:
        for change in engine.fold(batch):
            told[change.episode_id] = after(told.get(change.episode_id), change)
    for change in engine.fold(LiveBatch(CLOCK_FEED, end, CLOCK_FEED, {})):
        told[change.episode_id] = after(told.get(change.episode_id), change)
    return sorted(told.values(), key=lambda e: (e.started_at, e.rule_id, e.object_id, e.device_id or ""))


def after(episode: Episode | None, change: EpisodeChange) -> Episode:
    """An episode after one more of its changes."""
    if episode is None:
        episode = Episode(
            change.episode_id, change.rule_id, change.object_id, change.device_id, change.colour, change.at, None, None,
            None, change.is_late,
        )  # fmt: skip
    if change.change in (Change.CLEARED, Change.WITHDRAWN):
        peak = change.details.get("peak", episode.peak)
        return replace(episode, ended_at=change.at, peak=float(peak) if isinstance(peak, int | float) else None)
    if change.change is Change.OPENED:
        episode = replace(episode, opened_at=change.at, colour=change.colour)
    if RANKS[change.colour] > RANKS[episode.colour]:
        episode = replace(episode, colour=change.colour)
    return replace(episode, peak=change.value) if change.value is not None else episode


def rules_on(ruleset: RuleSet, feeds: Collection[str]) -> RuleSet:
    """The rules that read some feeds, and those that look at nothing but them."""
    kept = {rule.rule_id for rule in ruleset.rules if set(rule.feeds) & set(feeds)}
    for rule in ruleset.rules * 2:  # a pond looks at items, items at points
        if rule.members and all(member in kept for member in rule.members):
            kept.add(rule.rule_id)
    return replace(ruleset, rules=tuple(rule for rule in ruleset.rules if rule.rule_id in kept))


def columns_of(ruleset: RuleSet, registry: Registry) -> dict[str, set[str]]:
    """The columns of each feed that some rule looks at."""
    found: dict[str, set[str]] = {}
    for rule in ruleset.rules:
        for feed_id in rule.feeds:
            shape = registry.shapes.get(feed_id)
            if shape is None:
                continue
            extra = (rule.part_column, *(pair[0] for pair in (rule.reset_when, rule.quiet_when) if pair))
            names = {shape.device, shape.object, shape.area, shape.at, shape.quality, *extra, *_PLACE}
            names |= set(Judge(rule).metrics)
            found.setdefault(feed_id, set()).update(name for name in names if name)
    return found


def fired(store: sa.Engine, rule_ids: Collection[str], start: datetime, end: datetime) -> list[Episode]:
    """Episodes that became alerts between two instants, as the ops store remembers them; exercises are none."""
    member, alert = tables.member, tables.alert
    query = (
        sa.select(member, alert.c.rule_id, alert.c.object_id)
        .join(alert, alert.c.alert_id == member.c.alert_id)
        .where(
            member.c.started_at >= start, member.c.started_at < end, member.c.state.in_(("holding", "cleared")),
            alert.c.is_exercise.is_(False), alert.c.origin == "rule",
        )
        .order_by(member.c.started_at, member.c.episode_id)
    )  # fmt: skip
    with store.connect() as connection:
        rows = connection.execute(query).all()
    return [
        Episode(row.episode_id, row.rule_id, row.object_id, row.device_id, row.colour, row.started_at, row.started_at,
                row.cleared_at, row.value, row.is_late)
        for row in rows
        if row.rule_id in rule_ids
    ]  # fmt: skip


def compare(would: Iterable[Episode], did: Iterable[Episode]) -> list[Difference]:
    """Pair episodes by what they are about; of several, those that hold at the same time, the nearest start first."""
    open_would = _by_subject(would)
    differences = []
    for subject, episodes in _by_subject(did).items():
        others = open_would.get(subject, [])
        for old in episodes:
            new = min((e for e in others if _overlap(e, old)), key=lambda e: abs(_shift(e, old)), default=None)
            if new is not None:
                others.remove(new)
            differences.append(_difference(new, old))
    differences += [_difference(e, None) for episodes in open_would.values() for e in episodes]
    return sorted(differences, key=_when)


def counts(differences: Iterable[Difference]) -> dict[str, int]:
    """How many of each verdict; hits are those that both have, misses those that would be lost."""
    found: dict[str, int] = dict.fromkeys(("same", "earlier", "later", "colour", "gained", "lost"), 0)
    for difference in differences:
        found[difference.verdict] += 1
    hits = sum(found[verdict] for verdict in ("same", "earlier", "later", "colour"))
    return {**found, "hits": hits, "misses": found["lost"]}


def _difference(would: Episode | None, did: Episode | None) -> Difference:
    if would is None or did is None:
        return Difference("lost" if would is None else "gained", would, did)
    shift_s = _shift(would, did)
    if shift_s:
        return Difference("earlier" if shift_s < 0 else "later", would, did, shift_s)
    return Difference("same" if would.colour == did.colour else "colour", would, did)


def _by_subject(episodes: Iterable[Episode]) -> Mapping[tuple[str, str, str], list[Episode]]:
    found: dict[tuple[str, str, str], list[Episode]] = {}
    for e in episodes:
        found.setdefault((e.rule_id, e.object_id, e.device_id or ""), []).append(e)
    return found


def _shift(would: Episode, did: Episode) -> float:
    """Seconds between the starts: of alerts where both know it, else of the breach."""
    return (would.started_at - did.started_at).total_seconds()


def _overlap(one: Episode, other: Episode) -> bool:
    ends_after = one.ended_at is None or one.ended_at >= other.started_at
    return ends_after and (other.ended_at is None or other.ended_at >= one.started_at)


def _when(difference: Difference) -> tuple[datetime, str, str]:
    one = difference.would or difference.did
    if one is None:
        raise AssertionError("a difference of nothing")
    return one.started_at, one.rule_id, one.object_id

"""Rules on history: which episodes would have been, beside those that were.

The same fold as live over the same rows, so a difference is one of the rules. Where a key came twice before it landed,
LIVE had both rows and history has the last.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import sqlalchemy as sa

from alerting.backtest.landed import landed_batches
from alerting.engine import Engine, Registry
from alerting.engine.episode import Change, EpisodeChange, started_at_of
from alerting.engine.judge import Judge
from alerting.engine.rule import RuleSet
from core.settings import Home
from core.severity import RANKS
from core.stream.live import CLOCK_FEED, LiveBatch

Verdict = Literal["same", "gained", "lost", "earlier", "later", "colour"]
Outcome = Literal["confirmed", "false alarm", "unjudged"]  # by people, see `alerting.backtest.recorded`

WARM_UP = timedelta(days=1)  # at least; runs of driving and the last n of m readings have no length in their rows
_BESIDE = ("_lon", "_lat", "_area_code", "_flags")


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
    finding: Outcome = "unjudged"


@dataclass(frozen=True, slots=True)
class Difference:
    """One episode under the rules tried (`would`), one of those that were (`did`), or both."""

    verdict: Verdict
    would: Episode | None
    did: Episode | None
    shift_s: float = 0.0  # of two that are the same but for their start; negative: earlier


def backtest(
    home: Home,
    store: sa.Engine,
    ruleset: RuleSet,
    registry: Registry,
    start: datetime,
    end: datetime,
    feeds: Collection[str] | None = None,
    *,
    since: datetime | None = None,
    is_on_time: bool = False,
) -> list[Episode]:
    """Episodes that began between two instants and opened, under some rules, from the rows that landed.

    The rows of some days before are folded too, see `warm_up`, but none from before `since`, where alerting began: it
    never knew them. `feeds` leaves all others out; with `is_on_time` every row comes in as it happens.
    """
    if feeds is not None:
        ruleset = rules_on(ruleset, feeds)
    first = start - warm_up(ruleset)
    if since is not None and since < end:
        first = max(first, since)
    happened = {i: shape.at for i, shape in registry.shapes.items() if shape.at} if is_on_time else None
    batches = landed_batches(home, store, columns_of(ruleset, registry), first, end, happened)
    episodes = fold(Engine(ruleset, registry), batches, end)
    return [e for e in episodes if e.opened_at is not None and start <= e.started_at < end]


def warm_up(ruleset: RuleSet) -> timedelta:
    """How long before its start a replay must read, for windows and silences to be as they were.

    What had held for longer is taken to begin with the first reading, and so before the start: it is not listed.
    """
    windows = [c.window_s + c.bucket_s for rule in ruleset.rules for c in rule.conditions]
    waits = [rule.silence_s + rule.hold_s + rule.clear_s for rule in ruleset.rules]
    return max(WARM_UP, timedelta(seconds=max((*windows, *waits), default=0)))


def fold(engine: Engine, batches: Iterable[LiveBatch], end: datetime) -> list[Episode]:
    """Episodes of a whole stream; `end` is the last instant that its clock tells."""
    told: dict[str, Episode] = {}
    for batch in batches:
        for change in engine.fold(batch):
            told[change.episode_id] = after(told.get(change.episode_id), change)
    for change in engine.fold(LiveBatch(CLOCK_FEED, end, CLOCK_FEED, {})):
        told[change.episode_id] = after(told.get(change.episode_id), change)
    return sorted(told.values(), key=by_start)


def by_start(episode: Episode) -> tuple[datetime, str, str, str]:
    """The order in which episodes are listed."""
    return episode.started_at, episode.rule_id, episode.object_id, episode.device_id or ""


def after(episode: Episode | None, change: EpisodeChange) -> Episode:
    """An episode after one more of its changes."""
    if episode is None:
        episode = Episode(
            change.episode_id,
            change.rule_id,
            change.object_id,
            change.device_id,
            change.colour,
            started_at_of(change),
            None,
            None,
            None,
            change.is_late,
        )
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
            names = {shape.device, shape.object, shape.area, shape.at, shape.quality, *extra, *_BESIDE}
            names |= set(Judge(rule).metrics)
            found.setdefault(feed_id, set()).update(name for name in names if name)
    return found


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
    """How many of each verdict, and how well the rules tried do by what people found.

    An alert that was counts as true until a person called it a false alarm: a hit would come again, a miss would be
    lost. Confirmed are those of them that somebody was sent to.
    """
    found: dict[str, int] = dict.fromkeys(
        (
            "same",
            "earlier",
            "later",
            "colour",
            "gained",
            "lost",
            "hits",
            "misses",
            "confirmed_hits",
            "confirmed_misses",
            "false_alarms_again",
            "false_alarms_avoided",
        ),
        0,
    )
    for difference in differences:
        found[difference.verdict] += 1
        if difference.did is None:
            continue
        is_lost = difference.would is None
        if difference.did.finding == "false alarm":
            found["false_alarms_avoided" if is_lost else "false_alarms_again"] += 1
            continue
        found["misses" if is_lost else "hits"] += 1
        if difference.did.finding == "confirmed":
            found["confirmed_misses" if is_lost else "confirmed_hits"] += 1
    return found


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
    """Seconds between the two alerts; of the breaches where one of them never came to one."""
    if would.opened_at is None or did.opened_at is None:
        return (would.started_at - did.started_at).total_seconds()
    return (would.opened_at - did.opened_at).total_seconds()


def _overlap(one: Episode, other: Episode) -> bool:
    ends_after = one.ended_at is None or one.ended_at >= other.started_at
    return ends_after and (other.ended_at is None or other.ended_at >= one.started_at)


def _when(difference: Difference) -> tuple[datetime, str, str]:
    one = difference.would or difference.did
    if one is None:
        raise AssertionError("a difference of nothing")
    return one.started_at, one.rule_id, one.object_id

"""What the engine lends to its evaluators: the city, the open episodes, the timers, and where changes go."""

from __future__ import annotations

import heapq
from typing import Protocol

from alerting.engine.episode import EpisodeChange
from alerting.engine.open_episodes import OpenEpisodes
from alerting.engine.rule import Rule, RuleSet
from alerting.engine.usable import Usable
from alerting.engine.world import FeedShape, Registry


class Timed(Protocol):
    """Whoever may set a timer; `place` is its place among all evaluators."""

    place: int


class CountedTogether(Protocol):
    """A rule that makes one alert of many devices of one sender."""

    def counts(self, rule_id: str) -> bool:
        """Whether devices of that rule are counted."""
        ...

    def count(self, change: EpisodeChange, at: int) -> EpisodeChange:
        """The change, with whom it is counted under where it is."""
        ...


class Context:
    """One set of rules over one registry. `now` is stream time in microseconds."""

    def __init__(self, ruleset: RuleSet, registry: Registry, watched: frozenset[str], now: int) -> None:
        self.ruleset, self.registry, self.now = ruleset, registry, now
        self.episodes = OpenEpisodes(watched)
        self.usable = Usable(registry, ruleset.windows)
        self.groups: list[CountedTogether] = []
        self.timers: list[tuple[int, int, str]] = []  # instant, place of the evaluator, key
        self._changes: list[EpisodeChange] = []

    def publish(self, change: EpisodeChange) -> None:
        """Hand a change to whoever folds."""
        self._changes.append(change)

    def taken(self) -> list[EpisodeChange]:
        """What was published since the last time."""
        changes, self._changes = self._changes, []
        return changes

    def shapes(self, rule: Rule) -> list[FeedShape]:
        """The feeds that a rule reads, as far as there are contracts."""
        found = (self.registry.shapes.get(feed_id) for feed_id in rule.feeds)
        return [shape for shape in found if shape is not None]

    def set_timer(self, due: int, evaluator: Timed, key: str) -> None:
        """Call the evaluator's `on_timer` with the key as soon as the stream has passed an instant."""
        heapq.heappush(self.timers, (due, evaluator.place, key))

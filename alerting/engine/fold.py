"""The fold: LIVE batches in stream order in, changes of episodes out, and the whole state as bytes.

Rows of one instant (`received_at`) win over timers due at it; timers fire at their own instants as soon as the stream
has passed them; rules on episodes are judged when an instant is over. So neither how rows are cut into batches nor how
often time is carried forward changes an episode.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from alerting.engine import packing
from alerting.engine.context import Context
from alerting.engine.episode import EpisodeChange
from alerting.engine.evaluators import Evaluator, evaluator_of, watched_by
from alerting.engine.open_episodes import OpenEpisode
from alerting.engine.rule import MaintenanceWindow, Rule, RuleSet
from alerting.engine.states import RuleState
from alerting.engine.usable import Usable
from alerting.engine.world import Registry
from alerting.marks import SENDER
from core.stream.live import LiveBatch, micros

# By feed, the evaluators that take its rows: those of one kind together, in the order of their turns.
Routes = dict[str, list[tuple[type[Evaluator], list[Evaluator]]]]


class Engine:
    """The state machines of one set of rules over one registry."""

    def __init__(self, ruleset: RuleSet, registry: Registry, saved: packing.Saved | None = None) -> None:
        self._states = {rule.rule_id: RuleState() for rule in ruleset.rules} | (saved.states if saved else {})
        self._build(ruleset, registry, saved.now if saved else 0)

    @property
    def ruleset(self) -> RuleSet:
        """The rules in force."""
        return self._context.ruleset

    @property
    def registry(self) -> Registry:
        """The city as rules know it."""
        return self._context.registry

    @property
    def now(self) -> int:
        """Stream time in microseconds."""
        return self._context.now

    @property
    def open_count(self) -> int:
        """Tracks that are on, pending or remembered."""
        return sum(state.count for state in self._states.values())

    # ── folding ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def fold(self, batch: LiveBatch) -> list[EpisodeChange]:
        """Take one batch and say what changed, timers that went off before it first."""
        received = micros(batch.received_at)
        self._advance(received)
        routes = self._unknown_device_routes if SENDER in batch.columns else self._routes
        for kind, evaluators in routes.get(batch.feed_id, ()) if batch.height else ():
            columns = kind.rows_for(evaluators, batch.columns, received)
            if columns is not None:
                for evaluator in evaluators:
                    evaluator.fold(columns, received)
        return self._context.taken()

    def renew(self, ruleset: RuleSet, registry: Registry | None = None) -> list[EpisodeChange]:
        """Take newer rules (or registers): unchanged rules keep their states.

        What was open under a rule that is gone or says something else now ends with the evidence `rule`: that is no
        proof that the danger is over, and a reading that still breaches opens a new episode.
        """
        kept = {rule.rule_id for rule in ruleset.rules if self._is_same(rule)}
        for evaluator in self._evaluators:
            if evaluator.rule.rule_id not in kept:
                evaluator.end_all(self.now)
        self._settle(self.now)
        changes = self._context.taken()
        shown = {rule_id: found for rule_id, found in self._context.episodes.by_rule.items() if rule_id in kept}
        self._states = {r.rule_id: self._states[r.rule_id] if r.rule_id in kept else RuleState() for r in ruleset.rules}
        self._build(ruleset, registry or self.registry, self.now)
        self._resume(shown)
        return changes

    def plan_maintenance(self, windows: Sequence[MaintenanceWindow]) -> None:
        """Take the windows that are known now; each counts from the instant it was entered, in a backtest too."""
        self._context.ruleset = replace(self.ruleset, windows=tuple(windows))
        self._context.usable = Usable(self.registry, windows)

    def _is_same(self, rule: Rule) -> bool:
        old = self.ruleset.by_id.get(rule.rule_id)
        return old is not None and old.fingerprint == rule.fingerprint

    # ── states ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def snapshot(self) -> bytes:
        """Everything that is not quiet, as bytes; exact to the microsecond and the last bit."""
        return packing.pack(packing.Saved(self.now, self._states, self._context.episodes), self.ruleset)

    @classmethod
    def restore(cls, body: bytes, ruleset: RuleSet, registry: Registry) -> Engine:
        """The engine as it was. With newer rules, states of changed ones are dropped: use `renew` to end them aloud.

        Raises ValueError for bytes of another layout: fold from the beginning of the stream instead.
        """
        saved = packing.unpack(body, ruleset)
        engine = cls(ruleset, registry, saved)
        engine._resume(saved.episodes.by_rule)
        engine._context.episodes.dirty = saved.episodes.dirty
        return engine

    # ── time ──────────────────────────────────────────────────────────────────────────────────────────────────────────
    def _advance(self, received: int) -> None:
        """Carry stream time forward; what was due strictly before `received` happens at its own instant."""
        context = self._context
        if received <= context.now:
            return
        self._settle(context.now)
        timers = context.timers
        while timers and timers[0][0] < received:
            context.now = due = timers[0][0]  # what is known at that instant decides, not at the last message
            while timers and timers[0][0] == due:
                _, place, key = heapq.heappop(timers)
                self._evaluators[place].on_timer(key, due)
            self._settle(due)
        context.now = received

    def _settle(self, now: int) -> None:
        """Judge rules on episodes until nothing changes: an item first, then the pond that looks at items."""
        episodes = self._context.episodes
        while episodes.dirty:
            dirty, episodes.dirty = episodes.dirty, {}
            for evaluator in self._watchers:
                evaluator.on_episodes(dirty, now)

    # ── building ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def _build(self, ruleset: RuleSet, registry: Registry, now: int) -> None:
        """Evaluators of all rules around the states that are there."""
        self._context = context = Context(ruleset, registry, watched_by(ruleset), now)
        self._evaluators = [
            evaluator
            for rule in ruleset.rules
            for evaluator in evaluator_of(rule).build(rule, context, self._states[rule.rule_id])
        ]
        for place, evaluator in enumerate(self._evaluators):
            evaluator.place = place
        self._watchers = [one for one in self._evaluators if one.watched(one.rule)]
        self._routes = _routes(one for one in self._evaluators if not one.is_for_unknown_devices)
        self._unknown_device_routes = _routes(one for one in self._evaluators if one.is_for_unknown_devices)

    def _resume(self, shown: Mapping[str, dict[tuple[str, str | None], OpenEpisode]]) -> None:
        """Timers from the states alone, and the open episodes that rules on episodes have seen."""
        for evaluator in self._evaluators:
            for due, key in evaluator.timers():
                self._context.set_timer(due, evaluator, key)
        for rule_id, members in self._context.episodes.by_rule.items():
            members.update(shown.get(rule_id, {}))


def _routes(evaluators: Iterable[Evaluator]) -> Routes:
    found: dict[str, dict[type[Evaluator], list[Evaluator]]] = {}
    for evaluator in sorted(evaluators, key=lambda one: one.turn):
        if evaluator.feed_id:
            found.setdefault(evaluator.feed_id, {}).setdefault(type(evaluator), []).append(evaluator)
    return {feed_id: list(kinds.items()) for feed_id, kinds in found.items()}

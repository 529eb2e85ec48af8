"""Danger that belongs to nothing we know, told under the name of who sent it: alarms that could not become a row.

The other rule of this kind, `unknown_device_alarm`, has no rows of its own: `alerting.engine.evaluators.unknown_device`
tells under it what any rule says of a device that no register knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from alerting.engine.changes import Subject
from alerting.engine.context import Context
from alerting.engine.evaluators.evaluator import SECOND_US, Columns, Evaluator, levels_of
from alerting.engine.evaluators.unknown_device import BETWEEN, NO_PROOF, sender_object
from alerting.engine.levels import Hit, Track, Transition
from alerting.engine.rule import Rule
from alerting.engine.states import RuleState, Tracks
from alerting.marks import RECEIVED, UNREADABLE

UNREADABLE_ALARM = "unreadable_alarm"  # rule id
UNREADABLE_FEED = "intake.unreadable_alarm"  # of intake itself: it has no contract
MOST_KEYS = 1000  # states of what one feed could not read; more are told together


class Sender(Evaluator):
    """Alarms that could not become a row: one episode for each feed, sender and reason, begun again while they come."""

    kinds: ClassVar[tuple[str, ...]] = ("sender",)

    def __init__(self, rule: Rule, context: Context, tracks: Tracks) -> None:
        super().__init__(rule, context, tracks, levels_of(rule, (rule.conditions[0].rank,)), UNREADABLE_FEED)
        self.rest_us = rule.clear_s * SECOND_US

    @classmethod
    def build(cls, rule: Rule, context: Context, state: RuleState) -> Iterable[Evaluator]:
        """One for what intake could not read."""
        return [cls(rule, context, state.tracks.setdefault("", {}))] if rule.rule_id == UNREADABLE_ALARM else []

    def fold(self, columns: Columns, received: int) -> None:
        """Each new feed, sender and reason begins an episode."""
        names = ("feed_id", "sender", "reason", "device_id", "found", "place")
        for i, cells in enumerate(zip(*(columns[name] for name in names), strict=True)):
            row = dict(zip(names, cells, strict=True))
            key = BETWEEN.join(str(row[name]) for name in ("feed_id", "sender", "reason"))
            if key not in self.tracks and len(self.tracks) >= MOST_KEYS:
                key = BETWEEN.join((str(row["feed_id"]), "…", "…"))
            if key in self.tracks:
                continue
            receipts = columns.get(RECEIVED)
            at = min(receipts[i], received) if receipts and receipts[i] is not None else received
            t = self.tracks[key] = Track(key, 1)
            t.rest_due = received + self.rest_us
            hit = Hit(self.rule.conditions[0], None, None, str(row["reason"]))
            self.levels.take(t, at, received, 0, 0, [hit], partial(self._emit, row), late_us=0)
            self.context.set_timer(t.rest_due, self, key)

    def on_timer(self, key: str, due: int) -> None:
        """So long after its first frame the episode ends; what still comes begins the next one, and rings again."""
        t = self.tracks.get(key)
        if t is not None and t.rest_due == due:
            self.levels.end(t, due, due, NO_PROOF, self.emit)
            del self.tracks[key]

    def dues(self, t: Track) -> list[int]:
        """The stream instant at which an episode ends."""
        return [t.rest_due] if t.rest_due else []

    def emit(self, transition: Transition) -> None:
        """Tell a change without a row of its own: the end of an episode."""
        self._emit({}, transition)

    def subject(self, key: str) -> Subject:
        """Who sent it to which feed, and why it could not be read."""
        return Subject(self.rule.rule_id, sender_object(*key.split(BETWEEN, 2)), None)

    def _emit(self, row: Mapping[str, Any], transition: Transition) -> None:
        feed_id, sender, reason = transition.track.key.split(BETWEEN, 2)
        change = self.change_of(transition)
        details = {**change.details, "of_feed": feed_id, "sender": sender, "reason": reason, "marks": [UNREADABLE]}
        details |= {name: row[name] for name in ("device_id", "found", "place") if row.get(name)}
        self.context.publish(replace(change, details=details))

"""Silence: who has not been heard for so long, although nobody said that silence is right there.

A device counts from its first word on. Watched is stream time, whatever the device's clock says, and only speaking
again ends it; a calibration or a fault is a sign of life too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from alerting.engine.changes import Subject
from alerting.engine.context import Context
from alerting.engine.evaluators.evaluator import SECOND_US, Columns, Evaluator, device_subject, levels_of, needs
from alerting.engine.judge import is_in_span
from alerting.engine.levels import Hit, Track, Transition
from alerting.engine.limits import word_of
from alerting.engine.rule import Rule, RuleError, RuleSet
from alerting.engine.states import RuleState, Tracks
from alerting.engine.world import FeedShape
from core.civil_time import CIVIL_OFFSET_MINUTES

_MINUTE_US = 60 * SECOND_US


class Silence(Evaluator):
    """One silence rule on one feed; `heard` is when each key spoke last."""

    kinds: ClassVar[tuple[str, ...]] = ("silence",)
    turn: ClassVar[int] = 0

    def __init__(self, rule: Rule, context: Context, shape: FeedShape, tracks: Tracks, heard: dict[str, int]) -> None:
        super().__init__(rule, context, tracks, levels_of(rule, (rule.conditions[0].rank,)), shape.feed_id)
        self.shape, self.heard = shape, heard
        self.silence_us = rule.silence_s * SECOND_US
        self.prefix = "" if rule.key in ("area", "feed") else f"{shape.department}:"
        self._gateway_of: dict[str, str | None] = {}
        self._is_quiet_place: dict[str, bool] = {}

    @classmethod
    def validate(cls, rule: Rule, ruleset: RuleSet) -> None:
        """It needs feeds and a time, and has one level."""
        super().validate(rule, ruleset)
        needs(rule, rule.feeds and rule.silence_s, "feeds and silence_s")
        if len(rule.conditions) != 1:
            raise RuleError(f"rule {rule.rule_id}: silence has one level, {len(rule.conditions)} conditions found")

    @classmethod
    def build(cls, rule: Rule, context: Context, state: RuleState) -> Iterable[Evaluator]:
        """One for each feed."""
        for shape in context.shapes(rule):
            tracks = state.tracks.setdefault(shape.department, {})
            yield cls(rule, context, shape, tracks, state.heard.setdefault(shape.department, {}))

    def fold(self, columns: Columns, received: int) -> None:
        """Take note of everybody who speaks in a batch."""
        if self.rule.key == "feed":
            self._hear({self.shape.feed_id}, received)
            return
        raw = columns.get(self.shape.device or self.shape.object or "")
        if not raw:
            return
        speaking = {key for key in raw if key is not None}
        if self.rule.key == "gateway":
            self._hear({gateway for key in speaking if (gateway := self._gateway(key))}, received)
            return
        resting = self._resting(raw, columns)
        self._hear(speaking - resting, received)
        for key in sorted(resting):
            self._end(key, received)
            self.heard.pop(key, None)

    def on_timer(self, key: str, due: int) -> None:
        """A timer went off: open when nobody was heard since, or come back when silence would be right until later."""
        heard = self.heard.get(key)
        if heard is None or key in self.tracks:
            return
        if self._due(key, heard) != due:
            if self._due(key, heard) > due:
                self.context.set_timer(self.look_at(key, due), self, key)
            return
        condition = self.rule.conditions[0]
        seconds = (due - heard) / SECOND_US
        hit = Hit(condition, seconds, condition.threshold)
        t = self.tracks[key] = Track(key, 1)
        t.last = seconds
        self.levels.take(t, due, due, 0, 0, [hit], self._emit_silence)

    def timers(self) -> Iterator[tuple[int, str]]:
        """When to look at everybody who is not silent already."""
        for key in sorted(self.heard.keys() - self.tracks.keys()):
            yield self.look_at(key, self.context.now), key

    def look_at(self, key: str, now: int) -> int:
        """When to look at a key again: when it would have been silent for too long, or one silence from now.

        Maintenance and quiet hours put the end far off; a word in between may bring it nearer again, but never nearer
        than that.
        """
        return min(self._due(key, self.heard[key]), now + self.silence_us)

    def _hear(self, keys: set[str], received: int) -> None:
        if self.tracks and not self.tracks.keys().isdisjoint(keys):
            for key in sorted(key for key in keys if key in self.tracks):
                self._end(key, received)
        fresh = [key for key in keys if key not in self.heard]  # a set less a dict's keys would walk the whole dict
        self.heard.update(dict.fromkeys(keys, received))
        for key in sorted(fresh):
            if self._is_rightly_quiet(key):
                del self.heard[key]
            else:
                self.context.set_timer(self.look_at(key, received), self, key)

    def _end(self, key: str, received: int) -> None:
        t = self.tracks.pop(key, None)
        if t is not None:
            self.levels.end(t, received, received, "reading", self.emit)
            self.heard.pop(key, None)  # its timer went off and is set anew

    def _due(self, key: str, heard: int) -> int:
        """Silence counts from the last word, from the end of quiet hours, and from the end of maintenance."""
        due = heard + self.silence_us
        for _ in range(8):
            at_work_until = self.context.usable.maintenance_end(self.feed_id, key, due, self.context.now)
            later = max(self._after_quiet_hours(due), at_work_until)
            if not later:
                break
            due = later + self.silence_us
        return due

    def _after_quiet_hours(self, due: int) -> int:
        hours = self.rule.quiet_hours
        if hours is None or not is_in_span(hours, due):
            return 0
        minute = (due // _MINUTE_US + CIVIL_OFFSET_MINUTES) % 1440
        return (due // _MINUTE_US + (hours[1] - minute) % 1440) * _MINUTE_US

    def _resting(self, raw: Sequence[Any], columns: Columns) -> set[str]:
        """Keys whose last row in the batch says that silence will be right: a parked vehicle."""
        if self.rule.quiet_when is None or self.rule.quiet_when[0] not in columns:
            return set()
        name, value = self.rule.quiet_when
        last = dict(zip(raw, columns[name], strict=True))
        return {key for key, cell in last.items() if key is not None and word_of(cell) == value}

    def _is_rightly_quiet(self, key: str) -> bool:
        """Whether the register says so: a site that has not begun, a well that was given up."""
        if self.rule.quiet_when is None or self.rule.key in ("feed", "gateway"):
            return False
        name, value = self.rule.quiet_when
        if key not in self._is_quiet_place:
            found = self.context.registry.attribute(f"{self.shape.department}:{key}", name)
            self._is_quiet_place[key] = word_of(found) == value
        return self._is_quiet_place[key]

    def _gateway(self, key: str) -> str | None:
        if key not in self._gateway_of:
            found = self.context.registry.attribute(f"{self.shape.department}:{key}", self.rule.group_by or "")
            self._gateway_of[key] = None if found is None else str(found)
        return self._gateway_of[key]

    def _emit_silence(self, transition: Transition) -> None:
        self.emit(replace(transition, evidence="silence"))

    def subject(self, key: str) -> Subject:
        """The device and its object; of a gateway, an area or a feed itself."""
        if self.rule.key == "device":
            return device_subject(self.rule.rule_id, self.prefix + key, self.context)
        return Subject(self.rule.rule_id, self.prefix + key, None)

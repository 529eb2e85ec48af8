"""Danger that belongs to nothing we know: rows of devices in no register, and alarms that could not become a row.

Both ring under the name of who sent them, land in no object, never go to the public, and no reading ends them: an
episode that ends says nothing about the danger, so its alert stays until a person has looked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from alerting.engine.levels import Hit, Levels, Say, Track
from alerting.engine.limits import Limits
from alerting.engine.marks import RECEIVED, SENDER, UNKNOWN_DEVICE, UNREADABLE
from alerting.engine.reading import PART, ReadingRule, levels_of
from alerting.engine.world import FeedShape, Registry
from alerting.episode import Change, EpisodeChange
from alerting.rules.model import Rule
from alerting.spots import spot_of

UNKNOWN_ALARM, UNREADABLE_ALARM = "unknown_device_alarm", "unreadable_alarm"  # rule ids
UNREADABLE_FEED = "intake.unreadable_alarm"  # of intake itself: it has no contract
STRANGER = "\x02"  # before a department: the states of devices that are in no register
BETWEEN = "|"  # sender and device in a key
MOST_KEYS = 1000  # states of what one feed could not read; more are told together
NO_PROOF = "rule"  # evidence that ends an episode without saying that the danger is over

Push = Callable[[int, "UnreadableRule", str], None]


def stranger_rule(
    rule: Rule, shape: FeedShape, tracks: dict[str, Track], past: dict[str, Track], say: Say, say_past: Say,
    push: Callable[[int, ReadingRule, str], None],
) -> ReadingRule:  # fmt: skip
    """A rule as it holds for devices of which no register says anything: its own numbers, for all kinds of objects."""
    anywhere = replace(rule, conditions=tuple(replace(c, applies_to={}) for c in rule.conditions))
    nobody = Registry({shape.feed_id: shape})
    return ReadingRule(anywhere, shape, Limits(anywhere, (), nobody), tracks, past, say, say_past, push)


def by_sender(shape: FeedShape, columns: Mapping[str, Sequence[Any]]) -> Mapping[str, Sequence[Any]]:
    """The columns with a key that says who sent for which device."""
    key = shape.device or shape.object or shape.area
    if key is None or key not in columns:
        return {}
    pairs = zip(columns[SENDER], columns[key], strict=True)
    return {**columns, key: [f"{sender}{BETWEEN}{device}" for sender, device in pairs]}


def of_stranger(rule: Rule, key: str, told: EpisodeChange) -> EpisodeChange:
    """A change of a rule for an unknown device as one of its sender's; `rule` is the rule that it broke."""
    sender, _, device = key.partition(PART)[0].partition(BETWEEN)
    marks = told.details.get("marks")
    details = {**told.details, "of_rule": rule.rule_id, "sender": sender, "device": device}
    details["marks"] = sorted({UNKNOWN_DEVICE, *(marks if isinstance(marks, list) else ())})
    return replace(
        told, rule_id=UNKNOWN_ALARM, object_id=_object(sender), device_id=device[:120], details=details,
        evidence=NO_PROOF if told.change is Change.CLEARED else told.evidence, lon=None, lat=None, area_code=None,
        spots=(spot_of((("device", device),)) + next(iter(told.spots), ()),),
    )  # fmt: skip


def _object(*parts: str) -> str:
    return f"sender:{' '.join(parts)}"[:120]


class UnreadableRule:
    """Alarms that could not become a row: one episode for each feed, sender and reason, begun again while they come."""

    def __init__(self, rule: Rule, tracks: dict[str, Track], tell: Callable[[EpisodeChange], None], push: Push,
                 say: Callable[..., EpisodeChange]) -> None:  # fmt: skip
        self.rule, self.tracks, self.push = rule, tracks, push
        self._tell, self._change = tell, say
        self.levels: Levels = levels_of(rule, 1)
        self.rest_us = rule.clear_s * 1_000_000

    def fold(self, columns: Mapping[str, Sequence[Any]], received: int) -> None:
        """Each new feed, sender and reason begins an episode."""
        names = ("feed_id", "sender", "reason", "device_id", "found", "place")
        for i, cells in enumerate(zip(*(columns[name] for name in names), strict=True)):
            told = dict(zip(names, cells, strict=True))
            key = BETWEEN.join(str(told[name]) for name in ("feed_id", "sender", "reason"))
            if key not in self.tracks and len(self.tracks) >= MOST_KEYS:
                key = BETWEEN.join((str(told["feed_id"]), "…", "…"))
            if key in self.tracks:
                continue
            receipts = columns.get(RECEIVED)
            at = min(receipts[i], received) if receipts and receipts[i] is not None else received
            t = self.tracks[key] = Track(key, 1)
            t.rest_due = received + self.rest_us
            hit = Hit(self.rule.conditions[0], None, None, str(told["reason"]))
            self.levels.take(t, at, received, 0, 0, [hit], self._saying(told), late_us=0)
            self.push(t.rest_due, self, key)

    def ring(self, key: str, due: int) -> None:
        """So long after its first frame the episode ends; what still comes begins the next one, and rings again."""
        t = self.tracks.get(key)
        if t is not None and t.rest_due == due:
            self.levels.end(t, due, due, NO_PROOF, self.say)
            del self.tracks[key]

    def timers(self, t: Track) -> list[int]:
        """The stream instant at which an episode ends."""
        return [t.rest_due] if t.rest_due else []

    @property
    def say(self) -> Say:
        """How changes without a row of their own are told: the end of an episode."""
        return self._saying({})

    def _saying(self, told: Mapping[str, Any]) -> Say:
        def say(t: Track, change: Change, level: int, hit: Hit, at: int, known: int, evidence: str) -> None:
            feed_id, sender, reason = t.key.split(BETWEEN, 2)
            about = _object(feed_id, sender, reason), None
            found = self._change(self.rule, about, t, change, hit, at, known, evidence)
            details = {**found.details, "of_feed": feed_id, "sender": sender, "reason": reason}
            details |= {"marks": [UNREADABLE]}
            details |= {name: told[name] for name in ("device_id", "found", "place") if told.get(name)}
            self._tell(replace(found, details=details))

        return say

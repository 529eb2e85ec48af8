"""Rows of devices that are in no register: they ring under the name of who sent them.

They land in no object, never go to the public, and no reading ends them: an episode that ends says nothing about the
danger, so its alert stays until a person has looked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import ClassVar, Self

from alerting.engine.changes import Subject, marks_of
from alerting.engine.context import Context
from alerting.engine.episode import Change
from alerting.engine.evaluators.evaluator import PART, Columns, Evaluator
from alerting.engine.evaluators.reading import ReadingEvaluator
from alerting.engine.levels import Transition
from alerting.engine.limits import RuleLimits
from alerting.engine.rule import Rule
from alerting.engine.states import RuleState, Tracks
from alerting.engine.world import FeedShape, Registry
from alerting.marks import SENDER, UNKNOWN_DEVICE
from alerting.spots import spot_of

UNKNOWN_ALARM = "unknown_device_alarm"  # rule id
UNKNOWN_PREFIX = "\x02"  # before a department: the states of devices that are in no register
BETWEEN = "|"  # sender and device in a key
NO_PROOF = "rule"  # evidence that ends an episode without saying that the danger is over


class UnknownDeviceEvaluator(ReadingEvaluator):
    """A rule as it holds for devices of which no register says anything: its own numbers, for all kinds of objects."""

    is_for_unknown_devices: ClassVar[bool] = True

    def __init__(self, rule: Rule, context: Context, shape: FeedShape, tracks: Tracks, past: Tracks) -> None:
        anywhere = replace(rule, conditions=tuple(replace(c, applies_to={}) for c in rule.conditions))
        nobody = Registry({shape.feed_id: shape})
        super().__init__(anywhere, context, shape, RuleLimits(anywhere, (), nobody), tracks, past)

    @classmethod
    def build(cls, rule: Rule, context: Context, state: RuleState) -> Iterable[Evaluator]:
        """Built by the rule that it stands for, see `alerting.engine.evaluators.threshold`."""
        return ()

    @classmethod
    def rows_for(cls, group: Sequence[Self], columns: Columns, received: int) -> Columns | None:
        """Rows that prove something, with a key that says who sent for which device."""
        shape = group[0].shape
        usable = group[0].context.usable.rows(shape, columns, received)
        key = shape.device or shape.object or shape.area
        if key is None or key not in usable:
            return None
        pairs = zip(usable[SENDER], usable[key], strict=True)
        return {**usable, key: [f"{sender}{BETWEEN}{device}" for sender, device in pairs]}

    def emit(self, transition: Transition) -> None:
        """Tell a change as one of the sender's; `of_rule` is the rule that was broken."""
        key = transition.track.key
        sender, _, device = key.partition(PART)[0].partition(BETWEEN)
        change = self.change_of(transition)
        details = {**change.details, "of_rule": self.rule.rule_id, "sender": sender, "device": device}
        details["marks"] = sorted({UNKNOWN_DEVICE, *marks_of(change)})
        told = replace(
            change,
            rule_id=UNKNOWN_ALARM,
            object_id=sender_object(sender),
            device_id=device[:120],
            details=details,
            evidence=NO_PROOF if change.change is Change.CLEARED else change.evidence,
            lon=None,
            lat=None,
            area_code=None,
            spots=(spot_of((("device", device),)) + next(iter(change.spots), ()),),
        )
        self.context.publish(told)

    def subject(self, key: str) -> Subject:
        """The key itself: no register says more."""
        return Subject(self.rule.rule_id, key, None)


def sender_object(*parts: str) -> str:
    """What stands for a sender where an object is expected."""
    return f"sender:{' '.join(parts)}"[:120]

"""Thresholds and events: values of one feed beyond a limit, and codes or alarm bits that a device sends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, Self

from alerting.engine.context import Context
from alerting.engine.episode import EpisodeChange
from alerting.engine.evaluators.evaluator import Columns, Evaluator, needs
from alerting.engine.evaluators.reading import PAST, ReadingEvaluator
from alerting.engine.evaluators.unknown_device import UNKNOWN_PREFIX, UnknownDeviceEvaluator
from alerting.engine.levels import Transition
from alerting.engine.limits import RuleLimits
from alerting.engine.rule import Rule, RuleSet
from alerting.engine.states import RuleState


class Threshold(ReadingEvaluator):
    """One rule on one feed, for devices that a register knows."""

    kinds: ClassVar[tuple[str, ...]] = ("reading", "event")

    @classmethod
    def validate(cls, rule: Rule, ruleset: RuleSet) -> None:
        """It needs feeds."""
        super().validate(rule, ruleset)
        needs(rule, rule.feeds, "feeds")

    @classmethod
    def build(cls, rule: Rule, context: Context, state: RuleState) -> Iterable[Evaluator]:
        """Two for each feed: one for devices of a register, one for those that nobody knows."""
        for shape in context.shapes(rule):
            department = shape.department
            limits = RuleLimits(rule, context.ruleset.overrides, context.registry)
            tracks, past, unknown, unknown_past = (
                state.tracks.setdefault(prefix + department, {})
                for prefix in ("", PAST, UNKNOWN_PREFIX, PAST + UNKNOWN_PREFIX)
            )
            yield cls(rule, context, shape, limits, tracks, past)
            yield UnknownDeviceEvaluator(rule, context, shape, unknown, unknown_past)

    @classmethod
    def rows_for(cls, group: Sequence[Self], columns: Columns, received: int) -> Columns | None:
        """Rows that prove something."""
        return group[0].context.usable.rows(group[0].shape, columns, received)

    def completed(self, change: EpisodeChange, transition: Transition) -> EpisodeChange:
        """With whom it is counted, where many devices of one sender beyond their range are one alert."""
        if change.device_id and self.rule.key == "device" and not self.rule.is_member_only:
            for group in self.context.groups:
                if group.counts(self.rule.rule_id):
                    change = group.count(change, transition.at)
        return change

"""Devices that say of themselves that they are broken: by a code of the contract, or in their quality field.

That is no danger and ends none. A rule of kind `fault` opens when a device says so for as long as it holds, one episode
a device, and ends when the device speaks sensibly again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, Self

from alerting.engine.context import Context
from alerting.engine.evaluators.evaluator import Columns, Evaluator, needs
from alerting.engine.evaluators.reading import PAST, ReadingEvaluator
from alerting.engine.limits import RuleLimits
from alerting.engine.rule import Rule, RuleError, RuleSet
from alerting.engine.states import RuleState
from alerting.engine.usable import AT_WORK, FAULT
from alerting.engine.world import FeedShape
from alerting.marks import DEVICE_FAULT, FAULT_FLAG, FLAGS, Received
from core.severity import RANKS

COLUMN = "device_fault"  # the metric of rules of this kind


class Fault(ReadingEvaluator):
    """One fault rule on one feed."""

    kinds: ClassVar[tuple[str, ...]] = ("fault",)
    turn: ClassVar[int] = 1
    marks: ClassVar[frozenset[str]] = frozenset({DEVICE_FAULT})

    @classmethod
    def validate(cls, rule: Rule, ruleset: RuleSet) -> None:
        """It needs a hold, for a device may mend itself, and is no danger."""
        super().validate(rule, ruleset)
        needs(rule, rule.feeds and rule.hold_s, "feeds and hold_s")
        if max(c.rank for c in rule.conditions) > RANKS["yellow"]:
            raise RuleError(f"rule {rule.rule_id}: a device's fault is no danger; expected yellow or blue")

    @classmethod
    def build(cls, rule: Rule, context: Context, state: RuleState) -> Iterable[Evaluator]:
        """One for each feed."""
        for shape in context.shapes(rule):
            tracks = state.tracks.setdefault(shape.department, {})
            past = state.tracks.setdefault(PAST + shape.department, {})
            yield cls(rule, context, shape, RuleLimits(rule, context.ruleset.overrides, context.registry), tracks, past)

    @classmethod
    def rows_for(cls, group: Sequence[Self], columns: Columns, received: int) -> Columns | None:
        """Rows of devices that are not worked on, with whether they call themselves broken."""
        shape, usable = group[0].shape, group[0].context.usable
        if any(one.tracks or one.past for one in group) or any_fault(shape, columns):
            return with_faults(shape, usable.rows(shape, columns, received, AT_WORK), received)
        return None


def any_fault(shape: FeedShape, columns: Columns) -> bool:
    """Whether some row may call its device broken: nearly no batch has one, and the others need no look at each row."""
    quality, flags = columns.get(shape.quality or ""), columns.get(FLAGS)
    return (quality is not None and FAULT in quality) or any(FAULT_FLAG in text for text in flags or () if text)


def with_faults(shape: FeedShape, columns: Columns, received: int) -> Columns:
    """The columns with one that says whether a device calls itself broken; of the past it says nothing."""
    receipts, quality = Received(columns, received), columns.get(shape.quality or "")
    found: list[bool | None] = []
    for i in range(len(next(iter(columns.values()), ()))):
        marks = receipts.marks(i)
        says = bool(marks.faulty) or (quality is not None and quality[i] == FAULT)
        found.append(None if marks.is_late else says)
    return {**columns, COLUMN: found}

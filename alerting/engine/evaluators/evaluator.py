"""What every evaluator has: how its rules are checked, which rows it takes, its states, and how changes leave it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

from alerting.engine.changes import Subject, change_of
from alerting.engine.context import Context
from alerting.engine.episode import EpisodeChange
from alerting.engine.levels import Levels, Track, Transition
from alerting.engine.rule import Condition, Rule, RuleError, RuleSet
from alerting.engine.states import RuleState, Tracks, tracks_back, tracks_packed

PART = "/"  # between a device and one of its parts in a key
SECOND_US = 1_000_000

Columns = Mapping[str, Sequence[Any]]


class Evaluator(ABC):
    """One rule at work: on one feed, or on the episodes of other rules. One class a kind of rule.

    `tracks` belong to the rule's state and may be shared by its evaluators on other feeds of the department.
    """

    kinds: ClassVar[tuple[str, ...]] = ()
    turn: ClassVar[int] = 2  # evaluators of a feed take a batch in this order
    is_for_unknown_devices: ClassVar[bool] = False  # takes rows of devices in no register instead of all others
    marks: ClassVar[frozenset[str]] = frozenset()  # of every change

    def __init__(self, rule: Rule, context: Context, tracks: Tracks, levels: Levels, feed_id: str = "") -> None:
        self.rule, self.context, self.tracks, self.levels, self.feed_id = rule, context, tracks, levels, feed_id
        self.place = 0  # among all evaluators of the engine, in the order of the rules

    # ── the rule ──────────────────────────────────────────────────────────────────────────────────────────────────────
    @classmethod
    def validate(cls, rule: Rule, ruleset: RuleSet) -> None:
        """Raises RuleError for a rule that this evaluator cannot judge."""
        where = f"rule {rule.rule_id}"
        if rule.key == "gateway" and not rule.group_by:
            raise RuleError(f"{where}: the key gateway needs group_by, the register attribute that names it")
        if rule.members and not cls.watched(rule):
            raise RuleError(f"{where}: a rule of kind {rule.kind} looks at no episodes; leave members empty")

    @classmethod
    @abstractmethod
    def build(cls, rule: Rule, context: Context, state: RuleState) -> Iterable[Evaluator]:
        """The evaluators of a rule around its state: one a feed, or one alone."""

    @classmethod
    def watched(cls, rule: Rule) -> tuple[str, ...]:
        """The rules whose open episodes this one looks at."""
        return ()

    # ── the state ─────────────────────────────────────────────────────────────────────────────────────────────────────
    @classmethod
    def pack(cls, state: RuleState) -> dict[str, Any]:
        """What is not quiet, as plain JSON."""
        return {"tracks": tracks_packed(state), "heard": {d: found for d, found in state.heard.items() if found}}

    @classmethod
    def unpack(cls, packed: Mapping[str, Any], rule: Rule) -> RuleState:
        """The state that `pack` gave."""
        return RuleState(tracks_back(packed["tracks"], rule), dict(packed["heard"]))

    # ── folding ───────────────────────────────────────────────────────────────────────────────────────────────────────
    @classmethod
    def rows_for(cls, group: Sequence[Self], columns: Columns, received: int) -> Columns | None:
        """The rows of a batch that the evaluators of one feed look at; None when none of them needs a look."""
        return columns

    @abstractmethod
    def fold(self, columns: Columns, received: int) -> None:
        """Take the rows of one batch in order."""

    def on_episodes(self, dirty: Mapping[str, Mapping[str, int]], now: int) -> None:
        """Take what changed in watched episodes: rule → object → when."""
        raise NotImplementedError(f"{type(self).__name__} watches episodes but does not take their changes")

    @abstractmethod
    def on_timer(self, key: str, due: int) -> None:
        """A timer went off; its track may have moved on or gone."""

    def timers(self) -> Iterator[tuple[int, str]]:
        """Instants and keys of all timers that the state asks for, to be set after a restart."""
        for t in self.tracks.values():
            for due in self.dues(t):
                yield due, t.key

    def dues(self, t: Track) -> list[int]:
        """The stream instants at which a track wants to be called."""
        return sorted({due for due in (*t.due, t.rest_due) if due})

    def end_all(self, now: int) -> None:
        """End what is open because the rule is gone or says something else: no proof that the danger is over."""
        for t in sorted(self.tracks.values(), key=lambda t: t.key):
            self.levels.end(t, max(t.at, now), now, "rule", self.emit)
        self.tracks.clear()

    # ── telling ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def emit(self, transition: Transition) -> None:
        """Tell a change, and let rules on episodes see it."""
        change = self.completed(self.change_of(transition), transition)
        self.context.episodes.note(change, transition.at)
        if not self.rule.is_member_only:
            self.context.publish(change)

    def change_of(self, transition: Transition) -> EpisodeChange:
        """A transition in the words of the life cycle."""
        return change_of(transition, self.subject(transition.track.key), self.context.registry, self.marks)

    def subject(self, key: str) -> Subject:
        """What a key of this rule stands for."""
        return Subject(self.rule.rule_id, key, None)

    def completed(self, change: EpisodeChange, transition: Transition) -> EpisodeChange:
        """The change with what only this kind knows about it."""
        return change


def levels_of(rule: Rule, ranks: Iterable[int]) -> Levels:
    """The state machine of a rule."""
    return Levels(
        ranks=tuple(ranks),
        hold_us=rule.hold_s * SECOND_US,
        clear_us=rule.clear_s * SECOND_US,
        is_cleared_by_rest=rule.clear_by == "rest",
        max_late_us=rule.max_late_s * SECOND_US,
    )


def needs(rule: Rule, given: object, what: str) -> None:
    """Raises RuleError for a rule without what its kind cannot do without."""
    if not given:
        raise RuleError(f"rule {rule.rule_id}: a rule of kind {rule.kind} needs {what}")


def each_condition(rule: Rule) -> Iterator[tuple[str, Condition]]:
    """The conditions of a rule, each with its name in a message."""
    return ((f"condition {c.condition_id}", c) for c in rule.conditions)


def device_subject(rule_id: str, key: str, context: Context) -> Subject:
    """Object and device of a device's key; one that stands at no object of a register is its own object."""
    device_id = key.partition(PART)[0]
    device = context.registry.devices.get(device_id)
    if device is None and key in context.registry.objects:
        return Subject(rule_id, key, None)
    return Subject(rule_id, (device.object_id if device else None) or device_id, key)

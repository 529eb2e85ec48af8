"""Rules that look at episodes: what roll-ups, composites and counts of devices beyond their range have in common.

Judged at the end of every instant, when all rows and timers of it have been taken, so the order within an instant
decides nothing.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from alerting.engine.context import Context
from alerting.engine.episode import EpisodeChange
from alerting.engine.evaluators.evaluator import Columns, Evaluator, each_condition, levels_of
from alerting.engine.judge import Judge
from alerting.engine.levels import NO_LEVEL, Hit, Track, Transition
from alerting.engine.open_episodes import OpenEpisode, as_details
from alerting.engine.rule import Rule, RuleError, RuleSet
from alerting.engine.states import RuleState, Tracks
from core.severity import RANKS


class MembersEvaluator(Evaluator):
    """A rule on episodes. Its track's key is the object: the pond of the points, the first member's object."""

    def __init__(self, rule: Rule, context: Context, tracks: Tracks) -> None:
        self.judge = Judge(rule)
        super().__init__(rule, context, tracks, levels_of(rule, self.judge.ranks))
        self.members = self.watched(rule)

    @classmethod
    def build(cls, rule: Rule, context: Context, state: RuleState) -> Iterable[Evaluator]:
        """One alone: it reads no feed."""
        return [cls(rule, context, state.tracks.setdefault("", {}))]

    @classmethod
    def watched(cls, rule: Rule) -> tuple[str, ...]:
        """The rules that it names."""
        return rule.members

    def fold(self, columns: Columns, received: int) -> None:
        """It reads no feed."""
        raise NotImplementedError(f"rule {self.rule.rule_id} reads no feed")

    def on_episodes(self, dirty: Mapping[str, Mapping[str, int]], now: int) -> None:
        """Judge the objects that a change of members may concern."""
        concerned: dict[str, int] = {}
        for member in self.members:
            for object_id, at in dirty.get(member, {}).items():
                concerned[object_id] = max(at, concerned.get(object_id, 0))
        concerned = self.concerned(concerned) if concerned else concerned
        for object_id in sorted(concerned):
            self._object(object_id, concerned[object_id], now)

    def on_timer(self, key: str, due: int) -> None:
        """A hold passed."""
        t = self.tracks.get(key)
        if t is not None:
            self.levels.on_timer(t, due, self.emit_of_kind)

    def dues(self, t: Track) -> list[int]:
        """Stream instants at which a hold passes."""
        return sorted({due for due in t.due if due})

    # ── what kinds differ in ──────────────────────────────────────────────────────────────────────────────────────────
    def concerned(self, changed: dict[str, int]) -> dict[str, int]:
        """The objects that changes of members concern, and when."""
        return changed

    @abstractmethod
    def hit(self, object_id: str, group: Sequence[int], *, is_on: bool) -> Hit | None:
        """What meets a group of conditions of a level, or keeps a level that is on."""

    @abstractmethod
    def members_of(self, object_id: str) -> list[OpenEpisode]:
        """What an episode of the object stands on, for its details."""

    def judged(self, t: Track, kept_hits: Sequence[Hit | None], at: int, now: int, *, is_told: bool) -> None:
        """An object was judged; `is_told` says whether a change came of it."""

    # ── judging ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def _object(self, object_id: str, at: int, now: int) -> None:
        hits = [self._hit(object_id, level) for level in range(self.levels.count)]
        kept_hits = [self._hit(object_id, level, is_on=True) for level in range(self.levels.count)]
        met, kept = (max((i for i, hit in enumerate(found) if hit), default=NO_LEVEL) for found in (hits, kept_hits))
        t = self.tracks.get(object_id)
        if t is None:
            if met == NO_LEVEL:
                return
            t = self.tracks[object_id] = Track(object_id, self.levels.count)
        for level, hit in enumerate(hits):
            t.hits[level] = hit or t.hits[level]
        t.marks |= self.marks
        told, before = t.number, self.dues(t)
        self.levels.take(t, max(at, t.at), now, met, max(met, kept), hits, self.emit_of_kind, late_us=now - at)
        self.judged(t, kept_hits, at, now, is_told=t.number != told)
        for due in self.dues(t):
            if due not in before:
                self.context.set_timer(due, self, object_id)
        if t.is_idle:
            del self.tracks[object_id]

    def _hit(self, object_id: str, level: int, *, is_on: bool = False) -> Hit | None:
        found = (self.hit(object_id, group, is_on=is_on) for group in self.judge.levels[level])
        return next((hit for hit in found if hit is not None), None)

    def counted(self, members: Sequence[OpenEpisode], group: Sequence[int], *, is_on: bool) -> Hit | None:
        """Members of at least the colour, counted. Lifted members are not counted again (the clause is cut there)."""
        compared = []
        for number in group:
            condition = self.judge.conditions[number]
            count = float(sum(m.rank >= RANKS[condition.metric] for m in members))
            least = (
                condition.clear_threshold if is_on and condition.clear_threshold is not None else condition.threshold
            )
            if condition.threshold is None or least is None or count < least:
                return None
            compared.append((condition, count, condition.threshold))
        condition, count, threshold = compared[0]
        return Hit(condition, count, threshold, None, tuple((c.metric, n, limit) for c, n, limit in compared[1:]))

    # ── telling ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def emit_of_kind(self, transition: Transition) -> None:
        """Tell a change whose evidence is that of the kind: episodes, no reading."""
        self.emit(replace(transition, evidence=self.rule.kind))

    def completed(self, change: EpisodeChange, transition: Transition) -> EpisodeChange:
        """The change with the members that it stands on."""
        members = self.members_of(transition.track.key)
        return replace(
            change,
            details={**change.details, "members": as_details(members)},
            spots=tuple(dict.fromkeys(m.spot for m in members if m.spot)),
        )


def check_members(rule: Rule, ruleset: RuleSet) -> None:
    """Raises RuleError for a member that is no rule, or a rule that looks at itself."""
    for member in rule.members:
        other = ruleset.by_id.get(member)
        if other is None:
            raise RuleError(f"rule {rule.rule_id}: member {member!r} is no rule")
        if rule.rule_id in _reachable(other, ruleset):
            raise RuleError(f"rule {rule.rule_id}: looks at itself through {member}")


def check_counted_colours(rule: Rule) -> None:
    """Raises RuleError for a rule that counts members of something that is no colour."""
    for where, condition in each_condition(rule):
        if condition.metric not in RANKS:
            raise RuleError(f"{where}: a roll-up counts members of a colour, metric is {condition.metric!r}")


def _reachable(rule: Rule, ruleset: RuleSet) -> set[str]:
    """The rule and all it looks at; ends on a circle too."""
    seen, waiting = set(), [rule.rule_id]
    while waiting:
        current = waiting.pop()
        if current in seen or current not in ruleset.by_id:
            continue
        seen.add(current)
        waiting += ruleset.by_id[current].members
    return seen

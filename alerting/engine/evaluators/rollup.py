"""Roll-ups: points of one item, counted by colour at their object (GB 39496 5.5.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from alerting.engine.episode import EpisodeChange
from alerting.engine.evaluators.evaluator import needs
from alerting.engine.evaluators.members import MembersEvaluator, check_counted_colours, check_members
from alerting.engine.levels import Hit, Transition
from alerting.engine.open_episodes import COMPARED, OpenEpisode
from alerting.engine.rule import Rule, RuleSet


class Rollup(MembersEvaluator):
    """Counts open episodes of its members at one object."""

    kinds: ClassVar[tuple[str, ...]] = ("rollup",)

    @classmethod
    def validate(cls, rule: Rule, ruleset: RuleSet) -> None:
        """It needs members, and counts colours."""
        super().validate(rule, ruleset)
        needs(rule, rule.members, "members")
        check_members(rule, ruleset)
        check_counted_colours(rule)

    def hit(self, object_id: str, group: Sequence[int], *, is_on: bool) -> Hit | None:
        """Members of at least the colour of each condition, counted."""
        return self.counted(self.members_of(object_id), group, is_on=is_on)

    def members_of(self, object_id: str) -> list[OpenEpisode]:
        """All open episodes at the object."""
        return self.context.episodes.at_object(self.members, object_id)

    def completed(self, change: EpisodeChange, transition: Transition) -> EpisodeChange:
        """Where one member alone is enough, its reading and its own clause; where several were counted, the count."""
        change = super().completed(change, transition)
        members = self.members_of(transition.track.key)
        if transition.hit.condition.threshold != 1 or not members:
            return change
        worst = max(members, key=lambda m: (m.rank, m.name))
        compared: dict[str, Any] = dict(zip(COMPARED, worst.compared, strict=True))
        return replace(change, value=worst.value, **compared)

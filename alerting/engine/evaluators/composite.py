"""Composites: dangers of several domains close together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from alerting.engine.context import Context
from alerting.engine.evaluators.evaluator import each_condition, needs
from alerting.engine.evaluators.members import MembersEvaluator, check_members
from alerting.engine.levels import Hit
from alerting.engine.open_episodes import OpenEpisode
from alerting.engine.rule import Rule, RuleError, RuleSet
from alerting.engine.states import Tracks
from core.area import county_of

_EARTH_M = 6_371_008.8


class Composite(MembersEvaluator):
    """Holds while one member of each condition is open near the first one's object."""

    kinds: ClassVar[tuple[str, ...]] = ("composite",)

    def __init__(self, rule: Rule, context: Context, tracks: Tracks) -> None:
        super().__init__(rule, context, tracks)
        self._anchors = sorted(
            {self.judge.conditions[group[0]].metric for level in self.judge.levels for group in level}
        )

    @classmethod
    def validate(cls, rule: Rule, ruleset: RuleSet) -> None:
        """It needs two members or more; each condition names one."""
        super().validate(rule, ruleset)
        needs(rule, len(rule.members) > 1, "two or more members")
        check_members(rule, ruleset)
        for where, condition in each_condition(rule):
            if condition.metric not in rule.members:
                raise RuleError(f"{where}: metric {condition.metric!r} is no member of the rule")

    def concerned(self, changed: dict[str, int]) -> dict[str, int]:
        """Another domain's change concerns every anchor that may lie near it."""
        anchors = {key[0] for anchor in self._anchors for key in self.context.episodes.by_rule[anchor]}
        return dict.fromkeys(anchors | self.tracks.keys(), max(changed.values()))

    def hit(self, object_id: str, group: Sequence[int], *, is_on: bool) -> Hit | None:
        """One member for each condition, near each other."""
        members = self._near_each_other(object_id, group)
        condition = self.judge.conditions[group[0]]
        return Hit(condition, float(members[0].rank), condition.threshold) if members else None

    def members_of(self, object_id: str) -> list[OpenEpisode]:
        """Those near each other, of any level."""
        groups = [group for level in self.judge.levels for group in level]
        found = {m.name: m for group in groups for m in self._near_each_other(object_id, group)}
        return [found[name] for name in sorted(found)]

    def _near_each_other(self, object_id: str, group: Sequence[int]) -> list[OpenEpisode]:
        """One member for each condition of the group, all near the first one's; empty when one is missing."""
        first, *others = (self.judge.conditions[number] for number in group)
        for anchor in self.context.episodes.at_object((first.metric,), object_id):
            if anchor.rank < (first.threshold or 0):
                continue
            near = [self._nearest(anchor, c.metric, c.threshold or 0) for c in others]
            if all(near):
                return [anchor, *(m for m in near if m is not None)]
        return []

    def _nearest(self, anchor: OpenEpisode, rule_id: str, rank: float) -> OpenEpisode | None:
        found = [
            (distance, m.name, m)
            for m in self.context.episodes.by_rule[rule_id].values()
            if m.rank >= rank and (distance := self._distance(anchor, m)) is not None
        ]
        return min(found)[2] if found else None

    def _distance(self, one: OpenEpisode, other: OpenEpisode) -> float | None:
        """Metres between two members, 0 for the same county where the rule names no distance; None: not near."""
        if self.rule.distance_m is None:
            is_same = one.area_code and other.area_code and county_of(one.area_code) == county_of(other.area_code)
            return 0.0 if is_same else None
        if one.lon is None or one.lat is None or other.lon is None or other.lat is None:
            return None
        distance = metres_between(one.lon, one.lat, other.lon, other.lat)
        return distance if distance <= self.rule.distance_m else None


def metres_between(lon: float, lat: float, other_lon: float, other_lat: float) -> float:
    """Great-circle distance of two WGS 84 places."""
    phi, other_phi = math.radians(lat), math.radians(other_lat)
    half = (
        math.sin((other_phi - phi) / 2) ** 2
        + math.cos(phi) * math.cos(other_phi) * math.sin(math.radians(other_lon - lon) / 2) ** 2
    )
    return 2 * _EARTH_M * math.asin(math.sqrt(half))

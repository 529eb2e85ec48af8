"""Rules that look at episodes: points of one item (GB 39496 5.5.4), and dangers of several domains close together.

Judged at the end of every instant, when all rows and timers of it have been taken, so the order within an instant
decides nothing. Not here: readings (`alerting.engine.reading`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from alerting.engine.judge import Judge
from alerting.engine.levels import NO_LEVEL, Hit, Say, Track
from alerting.engine.marks import OVER_RANGE
from alerting.engine.reading import levels_of
from alerting.episode import Change, EpisodeChange
from alerting.rules.model import Rule
from alerting.spots import Spot
from core.severity import COLOURS, RANKS

_EARTH_M = 6_371_008.8

# What an episode of a single member takes over from it, so that a person sees the reading and its own clause.
COMPARED = (
    "metric", "threshold", "unit", "threshold_id", "standard", "clause", "evidence_grade", "source_label",
    "condition_id",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Member:
    """An open episode as other rules see it."""

    rule_id: str
    object_id: str
    device_id: str | None
    rank: int
    at: int
    value: float | None
    lon: float | None
    lat: float | None
    area_code: str | None
    compared: tuple[str, float | None, str, str, str, str, str, str, str]  # see COMPARED
    spot: Spot = ()
    is_told: bool = False  # of a device that is counted: whether a change of its group has named it


def _member_of(change: EpisodeChange, at: int) -> Member:
    return Member(
        change.rule_id, change.object_id, change.device_id, change.severity_rank, at, change.value, change.lon,
        change.lat, change.area_code, tuple(getattr(change, name) for name in COMPARED), next(iter(change.spots), ()),
    )  # fmt: skip


def is_over_range(change: EpisodeChange) -> bool:
    """Whether an episode that holds stands on a value beyond its physical range."""
    marks = change.details.get("marks")
    holds = change.change not in (Change.PENDING, Change.WITHDRAWN, Change.CLEARED)
    return holds and isinstance(marks, list) and OVER_RANGE in marks


class OpenEpisodes:
    """Open episodes of the rules that others look at, by rule and key."""

    def __init__(self, watched: set[str]) -> None:
        self.watched = watched
        self.by_rule: dict[str, dict[tuple[str, str | None], Member]] = {rule_id: {} for rule_id in sorted(watched)}
        self.dirty: dict[str, dict[str, int]] = {}  # rule → objects that changed since the last judgement, and when

    def note(self, change: EpisodeChange, at: int) -> None:
        """Take over a change of a watched rule."""
        if change.rule_id not in self.watched or change.change in (Change.PENDING, Change.WITHDRAWN):
            return
        key = change.object_id, change.device_id
        members = self.by_rule[change.rule_id]
        if change.change is Change.CLEARED:
            members.pop(key, None)
        else:
            members[key] = _member_of(change, at)
        dirty = self.dirty.setdefault(change.rule_id, {})
        dirty[change.object_id] = max(at, dirty.get(change.object_id, 0))

    def count(self, rule_id: str, group: str, change: EpisodeChange, at: int) -> None:
        """Take over a change of a device that one sender passes on: counted while its value lies beyond its range.

        A device counts once, whatever rules it breaks; the worst of them stands for it.
        """
        members, key = self.by_rule[rule_id], (group, change.device_id)
        known = members.get(key)
        is_own = known is not None and known.rule_id == change.rule_id
        if is_over_range(change):
            if known is not None and not is_own and change.severity_rank <= known.rank:
                return
            member = _member_of(replace(change, object_id=group), at)
            members[key] = replace(member, is_told=known is not None and known.is_told)
        elif is_own:
            del members[key]
        else:
            return
        dirty = self.dirty.setdefault(rule_id, {})
        dirty[group] = max(at, dirty.get(group, 0))

    def tell(self, rule_id: str, members: Sequence[Member]) -> None:
        """A change of their group has named these devices."""
        for one in members:
            self.by_rule[rule_id][one.object_id, one.device_id] = replace(one, is_told=True)


class MemberRule:
    """A roll-up or composite. Its track's key is the object: the pond of the points, the first member's object."""

    def __init__(self, rule: Rule, tracks: dict[str, Track], episodes: OpenEpisodes, say: Say) -> None:
        self.rule, self.tracks, self.episodes, self.say = rule, tracks, episodes, say
        self.judge = Judge(rule)
        self.levels = levels_of(rule, len(self.judge.ranks))
        self.evidence = rule.kind
        self.counts = rule.kind in ("rollup", OVER_RANGE)
        self.anchors = sorted(
            {self.judge.conditions[group[0]].metric for level in self.judge.levels for group in level}
        )

    def look(self, dirty: Mapping[str, Mapping[str, int]], now: int) -> None:
        """Judge the objects that a change of members may concern."""
        concerned: dict[str, int] = {}
        for member in self.rule.members:
            for object_id, at in dirty.get(member, {}).items():
                concerned[object_id] = max(at, concerned.get(object_id, 0))
        if not concerned:
            return
        if self.rule.kind == "composite":
            # another domain's change concerns every anchor that may lie near it
            at = max(concerned.values())
            anchors = {key[0] for anchor in self.anchors for key in self.episodes.by_rule[anchor]}
            concerned = dict.fromkeys(anchors | self.tracks.keys(), at)
        for object_id in sorted(concerned):
            self._object(object_id, concerned[object_id], now)

    def ring(self, key: str, due: int) -> None:
        """A hold of a roll-up or composite passed."""
        t = self.tracks.get(key)
        if t is not None:
            self.levels.ring(t, due, self._say_of_kind)

    def timers(self, t: Track) -> list[int]:
        """Stream instants at which a hold passes."""
        return sorted({due for due in t.due if due})

    def members_of(self, object_id: str) -> list[Member]:
        """What an episode of the object stands on, for its details."""
        if self.counts:
            return self._rolled_up(object_id)
        found = {self._name(m): m for group in self._groups() for m in self._near_each_other(object_id, group)}
        return [found[name] for name in sorted(found)]

    def worst_of(self, object_id: str, hit: Hit) -> Member | None:
        """The member that an episode of one member alone speaks for; None where several were counted."""
        if self.rule.kind != "rollup" or hit.condition.threshold != 1:
            return None
        return max(self._rolled_up(object_id), key=lambda m: (m.rank, self._name(m)), default=None)

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
        if self.rule.kind == OVER_RANGE:
            t.marks.add(OVER_RANGE)
        told = t.number
        self.levels.take(t, max(at, t.at), now, met, max(met, kept), hits, self._say_of_kind, late_us=now - at)
        if self.rule.kind == OVER_RANGE and t.level > NO_LEVEL:
            joined = self.joined(object_id)
            if joined and t.number == told:
                self.levels.grow(t, kept_hits[t.level], t.at, now, self._say_of_kind)
            self.episodes.tell(self.rule.rule_id, joined)
        if t.is_idle:
            del self.tracks[object_id]

    def joined(self, object_id: str) -> list[Member]:
        """Devices of a group that no change of it has named."""
        return [m for m in self._rolled_up(object_id) if not m.is_told] if self.rule.kind == OVER_RANGE else []

    def _hit(self, object_id: str, level: int, *, is_on: bool = False) -> Hit | None:
        """What meets a level, or what keeps one that is on."""
        for group in self.judge.levels[level]:
            if self.counts:
                hit = self._count(object_id, group, is_on=is_on)
            else:
                members = self._near_each_other(object_id, group)
                condition = self.judge.conditions[group[0]]
                hit = Hit(condition, float(members[0].rank), condition.threshold) if members else None
            if hit is not None:
                return hit
        return None

    def _count(self, object_id: str, group: Sequence[int], *, is_on: bool) -> Hit | None:
        """Members of at least the colour, counted. Lifted members are not counted again (the clause is cut there)."""
        compared = []
        members = self._rolled_up(object_id)
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

    def _rolled_up(self, object_id: str) -> list[Member]:
        found = [
            m for rule_id in self.rule.members for m in self.episodes.by_rule[rule_id].values()
            if m.object_id == object_id
        ]  # fmt: skip
        return sorted(found, key=self._name)

    def _near_each_other(self, object_id: str, group: Sequence[int]) -> list[Member]:
        """One member for each condition of the group, all near the first one's; empty when one is missing."""
        first, *others = (self.judge.conditions[number] for number in group)
        anchors = [m for m in self.episodes.by_rule[first.metric].values() if m.object_id == object_id]
        for anchor in sorted((m for m in anchors if m.rank >= (first.threshold or 0)), key=self._name):
            near = [self._nearest(anchor, c.metric, c.threshold or 0) for c in others]
            if all(near):
                return [anchor, *(m for m in near if m is not None)]
        return []

    def _nearest(self, anchor: Member, rule_id: str, rank: float) -> Member | None:
        found = [
            (distance, self._name(m), m)
            for m in self.episodes.by_rule[rule_id].values()
            if m.rank >= rank and (distance := self._distance(anchor, m)) is not None
        ]
        return min(found)[2] if found else None

    def _distance(self, one: Member, other: Member) -> float | None:
        """Metres between two members, 0 for the same county where the rule names no distance; None: not near."""
        if self.rule.distance_m is None:
            is_same = one.area_code and other.area_code and one.area_code[:6] == other.area_code[:6]
            return 0.0 if is_same else None
        if one.lon is None or one.lat is None or other.lon is None or other.lat is None:
            return None
        distance = metres_between(one.lon, one.lat, other.lon, other.lat)
        return distance if distance <= self.rule.distance_m else None

    def _groups(self) -> list[list[int]]:
        return [group for level in self.judge.levels for group in level]

    @staticmethod
    def _name(member: Member) -> tuple[str, str, str]:
        return member.rule_id, member.object_id, member.device_id or ""

    def _say_of_kind(self, t: Track, change: Change, level: int, hit: Hit, at: int, known: int, _: str) -> None:
        self.say(t, change, level, hit, at, known, self.evidence)


def metres_between(lon: float, lat: float, other_lon: float, other_lat: float) -> float:
    """Great-circle distance of two WGS 84 places."""
    phi, other_phi = math.radians(lat), math.radians(other_lat)
    half = (
        math.sin((other_phi - phi) / 2) ** 2
        + math.cos(phi) * math.cos(other_phi) * math.sin(math.radians(other_lon - lon) / 2) ** 2
    )
    return 2 * _EARTH_M * math.asin(math.sqrt(half))


def smallest_area(members: Sequence[Member]) -> str | None:
    """The area that holds all members: the same code, county or city; None where nobody says one."""
    codes = {m.area_code for m in members if m.area_code}
    if len(codes) == 1:
        return codes.pop()
    counties = {code[:6] for code in codes}
    if len(counties) == 1:
        return counties.pop()
    cities = {code[:4] for code in codes}
    return f"{cities.pop()}00" if len(cities) == 1 else None


def as_details(members: Sequence[Member]) -> list[dict[str, object]]:
    """Members as a person may ask for them."""
    return [
        {"rule_id": m.rule_id, "object_id": m.object_id, "device_id": m.device_id, "colour": COLOURS[m.rank],
         "value": m.value}
        for m in members
    ]  # fmt: skip

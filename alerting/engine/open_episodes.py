"""Open episodes of the rules that others look at, so that rules on episodes need not ask those rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from alerting.engine.changes import marks_of
from alerting.engine.episode import Change, EpisodeChange
from alerting.marks import OVER_RANGE
from alerting.spots import Spot
from core.area import county_of
from core.severity import COLOURS

# What an episode of a single member takes over from it, so that a person sees the reading and its own clause.
COMPARED = (
    "metric",
    "threshold",
    "unit",
    "threshold_id",
    "standard",
    "clause",
    "evidence_grade",
    "source_label",
    "condition_id",
)


@dataclass(frozen=True, slots=True)
class OpenEpisode:
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

    @property
    def name(self) -> tuple[str, str, str]:
        """What members are sorted by."""
        return self.rule_id, self.object_id, self.device_id or ""


def _member_of(change: EpisodeChange, at: int) -> OpenEpisode:
    return OpenEpisode(
        change.rule_id,
        change.object_id,
        change.device_id,
        change.severity_rank,
        at,
        change.value,
        change.lon,
        change.lat,
        change.area_code,
        tuple(getattr(change, name) for name in COMPARED),
        next(iter(change.spots), ()),
    )


def is_over_range(change: EpisodeChange) -> bool:
    """Whether an episode that holds stands on a value beyond its physical range."""
    holds = change.change not in (Change.PENDING, Change.WITHDRAWN, Change.CLEARED)
    return holds and OVER_RANGE in marks_of(change)


class OpenEpisodes:
    """Open episodes of the rules that others look at, by rule and key."""

    def __init__(self, watched: frozenset[str]) -> None:
        self.watched = watched
        self.by_rule: dict[str, dict[tuple[str, str | None], OpenEpisode]] = {
            rule_id: {} for rule_id in sorted(watched)
        }
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

    def at_object(self, rule_ids: Sequence[str], object_id: str) -> list[OpenEpisode]:
        """Open episodes of some rules at one object, in order of their names."""
        found = [m for rule_id in rule_ids for m in self.by_rule[rule_id].values() if m.object_id == object_id]
        return sorted(found, key=lambda m: m.name)

    def mark_told(self, rule_id: str, members: Sequence[OpenEpisode]) -> None:
        """A change of their group has named these devices."""
        for one in members:
            self.by_rule[rule_id][one.object_id, one.device_id] = replace(one, is_told=True)


def smallest_area(members: Sequence[OpenEpisode]) -> str | None:
    """The area that holds all members: the same code, county or city; None where nobody says one."""
    codes = {m.area_code for m in members if m.area_code}
    if len(codes) == 1:
        return codes.pop()
    counties = {county_of(code) for code in codes}
    if len(counties) == 1:
        return counties.pop()
    cities = {code[:4] for code in codes}
    return f"{cities.pop()}00" if len(cities) == 1 else None


def as_details(members: Sequence[OpenEpisode]) -> list[dict[str, object]]:
    """Members as a person may ask for them."""
    return [
        {
            "rule_id": m.rule_id,
            "object_id": m.object_id,
            "device_id": m.device_id,
            "colour": COLOURS[m.rank],
            "value": m.value,
        }
        for m in members
    ]

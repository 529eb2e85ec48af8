"""Many devices of one gateway or feed beyond their range at once: one alert, so that people can read the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from alerting.engine.changes import marks_of
from alerting.engine.context import Context
from alerting.engine.episode import Change, EpisodeChange
from alerting.engine.evaluators.evaluator import PART, needs
from alerting.engine.evaluators.members import MembersEvaluator, check_counted_colours
from alerting.engine.levels import NO_LEVEL, Hit, Track, Transition
from alerting.engine.open_episodes import OpenEpisode, as_details, smallest_area
from alerting.engine.rule import Rule, RuleSet
from alerting.engine.states import Tracks
from alerting.marks import OVER_RANGE
from core.area import county_of


class OverRange(MembersEvaluator):
    """Counts the devices of one sender; it looks at its own count, which other rules fill."""

    kinds: ClassVar[tuple[str, ...]] = ("over_range",)
    marks: ClassVar[frozenset[str]] = frozenset({OVER_RANGE})

    def __init__(self, rule: Rule, context: Context, tracks: Tracks) -> None:
        super().__init__(rule, context, tracks)
        context.groups.append(self)

    @classmethod
    def validate(cls, rule: Rule, ruleset: RuleSet) -> None:
        """It needs feeds and who sends, and counts colours."""
        super().validate(rule, ruleset)
        needs(rule, rule.feeds and rule.key in ("gateway", "feed"), "feeds, and the key gateway or feed")
        check_counted_colours(rule)

    @classmethod
    def watched(cls, rule: Rule) -> tuple[str, ...]:
        """Its own devices."""
        return (rule.rule_id,)

    # ── counting ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def counts(self, rule_id: str) -> bool:
        """Whether devices of that rule are counted: those of a rule on a feed of this one."""
        other = self.context.ruleset.by_id[rule_id]
        return bool(set(self.rule.feeds) & set(other.feeds))

    def count(self, change: EpisodeChange, at: int) -> EpisodeChange:
        """The change of a device, with its sender where many of that sender beyond their range are one alert."""
        sender = self._sender(change)
        if sender is None:
            return change
        self.context.episodes.count(self.rule.rule_id, sender, change, at)
        return replace(change, passed_on_by=sender if OVER_RANGE in marks_of(change) else "")

    def _sender(self, change: EpisodeChange) -> str | None:
        """Whose devices are counted together: a gateway's, or those of the feed in one county.

        Officers hear and see their county: what nobody can place in one is told by itself.
        """
        if self.rule.key == "feed":
            return f"{self.rule.feeds[0]}:{county_of(change.area_code)}" if change.area_code else None
        device_id = change.device_id or ""
        found = self.context.registry.attribute(device_id.partition(PART)[0], self.rule.group_by or "")
        return None if found is None else f"{device_id.partition(':')[0]}:{found}"

    # ── judging ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def hit(self, object_id: str, group: Sequence[int], *, is_on: bool) -> Hit | None:
        """Devices of the sender of at least the colour of each condition, counted."""
        return self.counted(self.members_of(object_id), group, is_on=is_on)

    def members_of(self, object_id: str) -> list[OpenEpisode]:
        """The devices of the sender that are beyond their range."""
        return self.context.episodes.at_object(self.members, object_id)

    def judged(self, t: Track, kept_hits: Sequence[Hit | None], at: int, now: int, *, is_told: bool) -> None:
        """Tell devices that joined a group that is told already, and remember who was named."""
        if t.level == NO_LEVEL:
            return
        joined = self._joined(t.key)
        if joined and not is_told:
            self.levels.grow(t, kept_hits[t.level], t.at, now, self.emit_of_kind)
        self.context.episodes.mark_told(self.rule.rule_id, joined)

    def _joined(self, object_id: str) -> list[OpenEpisode]:
        """Devices of a group that no change of it has named."""
        return [m for m in self.members_of(object_id) if not m.is_told]

    # ── telling ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def emit(self, transition: Transition) -> None:
        """Tell a change of the group; it counts devices, never itself."""
        change = self.completed(self.change_of(transition), transition)
        if not self.rule.is_member_only:
            self.context.publish(replace(change, passed_on_by=change.object_id))

    def completed(self, change: EpisodeChange, transition: Transition) -> EpisodeChange:
        """With all members, or with those that joined; placed where they are, for no register has gateways."""
        members = self.members_of(transition.track.key)
        joined = self._joined(transition.track.key)
        done = super().completed(change, transition)
        if joined and change.change is Change.PEAK:
            details = {**done.details, "members": as_details(joined), "joined": len(joined)}
            done = replace(done, details=details)
        placed = next((m for m in members if m.area_code), None)
        if done.area_code is None and placed is not None:
            done = replace(done, lon=placed.lon, lat=placed.lat, area_code=smallest_area(members))
        return done

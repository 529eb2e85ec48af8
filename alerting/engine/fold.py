"""The fold: LIVE batches in stream order in, changes of episodes out, and the whole state as bytes.

Rows of one instant (`received_at`) win over timers due at it; timers fire at their own instants as soon as the stream
has passed them; rules on episodes are judged when an instant is over. So neither how rows are cut into batches nor how
often time is carried forward changes an episode.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from alerting.engine import packing
from alerting.engine.faults import AT_WORK, FAULT, any_fault, with_faults
from alerting.engine.levels import Hit, Say, Track
from alerting.engine.limits import Limits, is_within
from alerting.engine.marks import OVER_RANGE, SENDER, Received
from alerting.engine.members import COMPARED, Member, MemberRule, OpenEpisodes, as_details, smallest_area
from alerting.engine.reading import PART, PAST, ReadingRule
from alerting.engine.senders import (
    STRANGER,
    UNREADABLE_ALARM,
    UNREADABLE_FEED,
    UnreadableRule,
    by_sender,
    of_stranger,
    stranger_rule,
)  # fmt: skip
from alerting.engine.silence import SilenceRule
from alerting.engine.tell import change_of
from alerting.engine.world import FeedShape, Registry
from alerting.episode import Change, EpisodeChange
from alerting.rules.model import MaintenanceWindow, Rule, RuleSet
from ingest.stream.live import CLOCK_FEED, LiveBatch, micros

Runner = ReadingRule | SilenceRule | MemberRule | UnreadableRule
Columns = Mapping[str, Sequence[Any]]
# What a device says of itself with which its readings prove nothing. Any other word, known or not, mutes nothing.
_PROVES_NOTHING = AT_WORK | {FAULT}


class Engine:
    """The state machines of one set of rules over one registry."""

    def __init__(self, ruleset: RuleSet, registry: Registry, saved: packing.Saved | None = None) -> None:
        self.ruleset, self.registry = ruleset, registry
        self.now = saved.now if saved else 0  # stream time, microseconds
        self._out: list[EpisodeChange] = []
        self._tracks: dict[str, dict[str, dict[str, Track]]] = {rule.rule_id: {} for rule in ruleset.rules}
        self._heard: dict[str, dict[str, dict[str, int]]] = {}
        if saved is not None:
            self._tracks.update(saved.tracks)
            self._heard.update(saved.heard)
        self._timers: list[tuple[int, int, str]] = []  # instant, place of the runner, key
        self._build()

    # ── folding ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def fold(self, batch: LiveBatch) -> list[EpisodeChange]:
        """Take one batch and say what changed, timers that went off before it first."""
        received = micros(batch.received_at)
        self._advance(received)
        shape = self.registry.shapes.get(batch.feed_id)
        if batch.feed_id == UNREADABLE_FEED and self._unreadable is not None:
            self._unreadable.fold(batch.columns, received)
        elif shape is not None and SENDER in batch.columns:
            columns = self._usable(shape, batch.columns, received)
            for reading in self._strangers.get(batch.feed_id, ()):
                reading.fold(by_sender(shape, columns), received)
        elif shape is not None and batch.feed_id != CLOCK_FEED and batch.height:
            for silence in self._silences.get(batch.feed_id, ()):
                silence.fold(batch.columns, received)
            faults = self._faults.get(batch.feed_id, ())
            if any(fault.tracks or fault.past for fault in faults) or (faults and any_fault(shape, batch.columns)):
                columns = with_faults(shape, self._usable(shape, batch.columns, received, AT_WORK), received)
                for fault in faults:
                    fault.fold(columns, received)
            readings = self._readings.get(batch.feed_id)
            if readings:
                columns = self._usable(shape, batch.columns, received)
                for reading in readings:
                    reading.fold(columns, received)
        out, self._out = self._out, []
        return out

    def renew(self, ruleset: RuleSet, registry: Registry | None = None) -> list[EpisodeChange]:
        """Take newer rules (or registers): unchanged rules keep their states.

        What was open under a rule that is gone or says something else now ends with the evidence `rule`: that is no
        proof that the danger is over, and a reading that still breaches opens a new episode.
        """
        kept = {rule.rule_id for rule in ruleset.rules if self._is_same(rule)}
        for runner in self._runners:
            if runner.rule.rule_id not in kept:
                for t in sorted(runner.tracks.values(), key=lambda t: t.key):
                    runner.levels.end(t, max(t.at, self.now), self.now, "rule", runner.say)
                runner.tracks.clear()
        self._settle(self.now)
        shown = {rule_id: found for rule_id, found in self._episodes.by_rule.items() if rule_id in kept}
        self._tracks = {r.rule_id: self._tracks[r.rule_id] if r.rule_id in kept else {} for r in ruleset.rules}
        self._heard = {rule_id: heard for rule_id, heard in self._heard.items() if rule_id in kept}
        self.ruleset, self.registry = ruleset, registry or self.registry
        self._build()
        self._resume(shown)
        out, self._out = self._out, []
        return out

    def _is_same(self, rule: Rule) -> bool:
        old = self.ruleset.by_id.get(rule.rule_id)
        return old is not None and old.fingerprint == rule.fingerprint

    def plan_maintenance(self, windows: Sequence[MaintenanceWindow]) -> None:
        """Take the windows that are known now; each counts from the instant it was entered, on replay too."""
        self.ruleset = replace(self.ruleset, windows=tuple(windows))
        self._planned = _planned(self.ruleset)

    # ── states ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def snapshot(self) -> bytes:
        """Everything that is not quiet, as bytes; exact to the microsecond and the last bit."""
        return packing.pack(packing.Saved(self.now, self._tracks, self._heard, self._episodes), self.ruleset)

    @classmethod
    def restore(cls, body: bytes, ruleset: RuleSet, registry: Registry) -> Engine:
        """The engine as it was. With newer rules, states of changed ones are dropped: use `renew` to end them aloud.

        Raises ValueError for bytes of another layout: fold from the beginning of the stream instead.
        """
        saved = packing.unpack(body, ruleset)
        engine = cls(ruleset, registry, saved)
        engine._resume(saved.episodes.by_rule)
        engine._episodes.dirty = saved.episodes.dirty
        return engine

    @property
    def open_count(self) -> int:
        """Tracks that are on, pending or remembered."""
        return sum(len(t) for found in self._tracks.values() for t in found.values())

    # ── time ──────────────────────────────────────────────────────────────────────────────────────────────────────────
    def _advance(self, received: int) -> None:
        """Carry stream time forward; what was due strictly before `received` happens at its own instant."""
        if received <= self.now:
            return
        self._settle(self.now)
        while self._timers and self._timers[0][0] < received:
            self.now = due = self._timers[0][0]  # what is known at that instant decides, not at the last message
            while self._timers and self._timers[0][0] == due:
                _, place, key = heapq.heappop(self._timers)
                self._runners[place].ring(key, due)
            self._settle(due)
        self.now = received

    def _settle(self, now: int) -> None:
        """Judge rules on episodes until nothing changes: an item first, then the pond that looks at items."""
        while self._episodes.dirty:
            dirty, self._episodes.dirty = self._episodes.dirty, {}
            for runner in self._members:
                before = len(self._out)
                runner.look(dirty, now)
                if len(self._out) > before:
                    self._set_timers(runner)

    def _set_timers(self, runner: MemberRule) -> None:
        for t in runner.tracks.values():
            for due in runner.timers(t):
                self._push(due, runner, t.key)

    def _push(self, due: int, runner: Runner, key: str) -> None:
        heapq.heappush(self._timers, (due, self._places[id(runner)], key))

    # ── building ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def _build(self) -> None:
        """Runners of all rules around the states that are there."""
        rules = self.ruleset.rules
        self._episodes = OpenEpisodes({m for rule in rules for m in rule.members})
        self._readings: dict[str, list[ReadingRule]] = {}
        self._faults: dict[str, list[ReadingRule]] = {}
        self._strangers: dict[str, list[ReadingRule]] = {}  # the same rules, for devices that no register knows
        self._unreadable: UnreadableRule | None = None
        self._silences: dict[str, list[SilenceRule]] = {}
        self._members: list[MemberRule] = []
        self._member_rules: dict[str, MemberRule] = {}
        self._runners: list[Runner] = []
        self._timers.clear()
        self._planned = _planned(self.ruleset)
        self._over_range = _over_range_of(rules)
        for rule in rules:
            if rule.rule_id == UNREADABLE_ALARM:
                tracks = self._tracks[rule.rule_id].setdefault("", {})
                self._unreadable = UnreadableRule(rule, tracks, self._add, self._push, self._of_sender)
                self._runners.append(self._unreadable)
            if rule.members:
                tracks = self._tracks[rule.rule_id].setdefault("", {})
                member = MemberRule(rule, tracks, self._episodes, self._say_for(rule, ""))
                self._members.append(member)
                self._member_rules[rule.rule_id] = member
                self._runners.append(member)
                continue
            for feed_id in rule.feeds:
                shape = self.registry.shapes.get(feed_id)
                if shape is not None:
                    self._runners.append(self._runner(rule, shape))
                    if rule.kind not in ("silence", "fault"):
                        self._runners.append(self._stranger(rule, shape))
        self._places = {id(runner): place for place, runner in enumerate(self._runners)}

    def _runner(self, rule: Rule, shape: FeedShape) -> ReadingRule | SilenceRule:
        tracks = self._tracks[rule.rule_id].setdefault(shape.department, {})
        say = self._say_for(rule, "" if rule.key in ("area", "feed") else f"{shape.department}:")
        if rule.kind == "silence":
            heard = self._heard.setdefault(rule.rule_id, {}).setdefault(shape.department, {})
            silence = SilenceRule(rule, shape, self.registry, tracks, heard, say, self._push, self._maintenance_end)
            self._silences.setdefault(shape.feed_id, []).append(silence)
            return silence
        limits = Limits(rule, self.ruleset.overrides, self.registry)
        past = self._tracks[rule.rule_id].setdefault(PAST + shape.department, {})
        say_past = self._say_for(rule, "" if rule.key == "area" else f"{shape.department}:", is_past=True)
        reading = ReadingRule(rule, shape, limits, tracks, past, say, say_past, self._push)
        (self._faults if rule.kind == "fault" else self._readings).setdefault(shape.feed_id, []).append(reading)
        return reading

    def _stranger(self, rule: Rule, shape: FeedShape) -> ReadingRule:
        tracks = self._tracks[rule.rule_id].setdefault(STRANGER + shape.department, {})
        past = self._tracks[rule.rule_id].setdefault(PAST + STRANGER + shape.department, {})
        ranks = sorted({c.rank for c in rule.conditions})

        def say_for(is_past: bool) -> Say:
            def say(t: Track, change: Change, level: int, hit: Hit, at: int, known: int, evidence: str) -> None:
                told = change_of(
                    rule, self.registry, (t.key, None), t, change, hit, ranks[level], at, known, evidence,
                    is_past=is_past,
                )  # fmt: skip
                self._add(of_stranger(rule, t.key, told))

            return say

        reading = stranger_rule(rule, shape, tracks, past, say_for(False), say_for(True), self._push)
        self._strangers.setdefault(shape.feed_id, []).append(reading)
        return reading

    def _of_sender(
        self, rule: Rule, who: tuple[str, str | None], t: Track, change: Change, hit: Hit, at: int, known: int,
        evidence: str,
    ) -> EpisodeChange:  # fmt: skip
        return change_of(rule, self.registry, who, t, change, hit, hit.condition.rank, at, known, evidence)

    def _add(self, told: EpisodeChange) -> None:
        self._out.append(told)

    def _resume(self, shown: Mapping[str, dict[tuple[str, str | None], Member]]) -> None:
        """Timers from the states alone, and the open episodes that rules on episodes have seen."""
        for runner in self._runners:
            if isinstance(runner, SilenceRule):
                for key in sorted(runner.heard.keys() - runner.tracks.keys()):
                    self._push(runner.look_at(key, self.now), runner, key)
                continue
            for t in runner.tracks.values():
                for due in runner.timers(t):
                    self._push(due, runner, t.key)
            for t in runner.past.values() if isinstance(runner, ReadingRule) else ():
                self._push(t.rest_due, runner, PAST + t.key)
        for rule_id, members in self._episodes.by_rule.items():
            members.update(shown.get(rule_id, {}))

    # ── what may count ────────────────────────────────────────────────────────────────────────────────────────────────
    def _usable(
        self, shape: FeedShape, columns: Mapping[str, Sequence[Any]], received: int,
        mute: frozenset[str] = _PROVES_NOTHING,
    ) -> Columns:  # fmt: skip
        """The columns without rows that prove nothing: with a word that mutes, or in a window of maintenance."""
        flags = columns.get(shape.quality or "")
        is_normal = flags is None or mute.isdisjoint(flags)
        windows = self._windows(shape.feed_id, received) if self._planned else []
        if is_normal and not windows:
            return columns
        is_good = [flag not in mute for flag in flags] if flags is not None else [True] * len(columns[shape.at or ""])
        if windows:
            keys, moments = columns[shape.device or shape.object or shape.at or ""], columns[shape.at or ""]
            receipts = Received(columns, received)
            for i, (key, told_at) in enumerate(zip(keys, moments, strict=True)):
                thing_id, at = f"{shape.department}:{key}", min(told_at, receipts.at(i))
                if any(start <= at < end and self._concerns(w, thing_id) for start, end, w in windows):
                    is_good[i] = False
        if all(is_good):
            return columns
        return {name: [v for v, good in zip(values, is_good, strict=True) if good] for name, values in columns.items()}

    def _windows(self, feed_id: str, known: int) -> list[tuple[int, int, MaintenanceWindow]]:
        """Windows that were known at an instant and may concern rows of a feed."""
        return [
            (start, end, w)
            for start, end, known_at, w in self._planned
            if known_at <= known and (w.scope != "feed" or w.code == feed_id)
        ]

    def _concerns(self, window: MaintenanceWindow, thing_id: str) -> bool:
        if window.scope == "feed":
            return True
        device = self.registry.devices.get(thing_id)
        object_id = (device.object_id if device else None) or thing_id
        if window.scope == "area":
            area = self.registry.place(object_id, thing_id)[2]
            return area is not None and is_within(area, window.code)
        return window.code == (thing_id if window.scope == "device" else object_id)

    def _maintenance_end(self, feed_id: str, key: str, at: int) -> int:
        """End of the maintenance in which a key's silence is right, 0 outside."""
        thing_id = f"{feed_id.partition('.')[0]}:{key}"
        ends = [
            end for start, end, w in self._windows(feed_id, self.now)
            if start <= at < end and self._concerns(w, thing_id)
        ]  # fmt: skip
        return max(ends, default=0)

    # ── telling ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def _say_for(self, rule: Rule, prefix: str, *, is_past: bool = False) -> Say:
        ranks = sorted({c.rank for c in rule.conditions})
        # Past danger is counted by nobody: a member's stands in the list by itself, under the rule that looks at it.
        owner = next((r for r in self.ruleset.rules if rule.rule_id in r.members), rule) if is_past else rule

        def say(t: Track, change: Change, level: int, hit: Hit, at: int, known: int, evidence: str) -> None:
            who = self._names(rule, prefix + t.key)
            told = change_of(
                owner if rule.is_member_only else rule, self.registry, who, t, change, hit, ranks[level], at, known,
                evidence, is_past=is_past,
            )  # fmt: skip
            if is_past:
                self._out.append(told)
                return
            if rule.members:
                told = self._with_members(rule, t.key, hit, told)
            if rule.kind == OVER_RANGE:  # it counts devices, never itself
                told = replace(told, passed_on_by=told.object_id)
            else:
                told = self._counted(rule, told, at)
                self._episodes.note(told, at)
            if not rule.is_member_only:
                self._out.append(told)

        return say

    def _counted(self, rule: Rule, told: EpisodeChange, at: int) -> EpisodeChange:
        """A change of a device's rule, counted where many of one sender beyond their range are one alert."""
        for group_rule in self._over_range.get(rule.rule_id, ()) if told.device_id else ():
            group = self._sender(group_rule, told)
            if group is not None:
                self._episodes.count(group_rule.rule_id, group, told, at)
                told = replace(told, passed_on_by=group if OVER_RANGE in _marks(told) else "")
        return told

    def _sender(self, rule: Rule, told: EpisodeChange) -> str | None:
        """Whose devices are counted together: a gateway's, or those of the feed in one county.

        Officers hear and see their county: what nobody can place in one is told by itself.
        """
        if rule.key == "feed":
            return f"{rule.feeds[0]}:{told.area_code[:6]}" if told.area_code else None
        device_id = told.device_id or ""
        found = self.registry.attribute(device_id.partition(PART)[0], rule.group_by or "")
        return None if found is None else f"{device_id.partition(':')[0]}:{found}"

    def _with_members(self, rule: Rule, key: str, hit: Hit, told: EpisodeChange) -> EpisodeChange:
        """A change of a rule on episodes with those that it stands on; of a single one its reading and clause."""
        runner = self._member_rules[rule.rule_id]
        members = runner.members_of(key)
        joined = runner.joined(key)
        is_grown = bool(joined) and told.change is Change.PEAK
        details: dict[str, object] = {**told.details, "members": as_details(joined if is_grown else members)}
        if is_grown:
            details["joined"] = len(joined)
        told = replace(told, spots=tuple(dict.fromkeys(m.spot for m in members if m.spot)))
        placed = next((m for m in members if m.area_code), None)
        if rule.kind == OVER_RANGE and told.area_code is None and placed is not None:  # no register has gateways
            told = replace(told, lon=placed.lon, lat=placed.lat, area_code=smallest_area(members))
        worst = runner.worst_of(key, hit)
        if worst is None:
            return replace(told, details=details)
        compared: dict[str, Any] = dict(zip(COMPARED, worst.compared, strict=True))
        return replace(told, details=details, value=worst.value, **compared)

    def _names(self, rule: Rule, key: str) -> tuple[str, str | None]:
        """Object and device of a key; a device that stands at no object of a register is its own object."""
        if rule.members or rule.key != "device":
            return key, None
        device_id = key.partition(PART)[0]
        device = self.registry.devices.get(device_id)
        if device is None and key in self.registry.objects:
            return key, None
        return (device.object_id if device else None) or device_id, key


def _marks(told: EpisodeChange) -> Sequence[Any]:
    marks = told.details.get("marks")
    return marks if isinstance(marks, list) else ()


def _over_range_of(rules: Sequence[Rule]) -> dict[str, list[Rule]]:
    """By rule on devices, the rules that count them where they are over range: those on a feed of theirs."""
    counting = [rule for rule in rules if rule.kind == OVER_RANGE]
    return {
        rule.rule_id: found
        for rule in rules
        if rule.kind in ("reading", "event") and rule.key == "device" and not rule.is_member_only
        and (found := [one for one in counting if set(one.feeds) & set(rule.feeds)])
    }  # fmt: skip


def _planned(ruleset: RuleSet) -> list[tuple[int, int, int, MaintenanceWindow]]:
    return [(micros(w.starts_at), micros(w.ends_at), micros(w.known_at), w) for w in ruleset.windows]

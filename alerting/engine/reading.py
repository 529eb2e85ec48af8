"""Rules on readings and events of one feed: batches in, judgements into the state machine of each device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from alerting.engine.gates import gates_of
from alerting.engine.judge import Judge
from alerting.engine.levels import NO_LEVEL, Levels, Say, Track
from alerting.engine.limits import Limits, word_of
from alerting.engine.world import FeedShape
from alerting.rules.model import Rule
from ingest.stream.live import EPOCH

PART = "/"  # between a device and one of its parts in a key

_SECOND_US = 1_000_000
_BEIJING_US = 8 * 3600 * _SECOND_US
_DAY_US = 24 * 3600 * _SECOND_US

Push = Callable[[int, "ReadingRule", str], None]  # a timer: stream instant, rule, key


class ReadingRule:
    """One rule on one feed. Feeds of one department share `tracks`: a device may speak through two of them."""

    def __init__(
        self, rule: Rule, shape: FeedShape, limits: Limits, tracks: dict[str, Track], say: Say, push: Push
    ) -> None:
        self.rule, self.shape, self.limits, self.tracks = rule, shape, limits, tracks
        self.say, self.push = say, push
        self.judge = Judge(rule)
        self.gates = gates_of(limits)
        self.levels = levels_of(rule, len(self.judge.ranks))
        self.key = _key_column(rule, shape)
        self.prefix = "" if rule.key == "area" else f"{shape.department}:"
        self.has_timers = bool(rule.hold_s) or rule.clear_by == "rest"
        self.is_dated = limits.is_dated or bool(rule.valid_from or rule.valid_to)

    def fold(self, columns: Mapping[str, Sequence[Any]], received: int) -> None:
        """Take a batch's usable rows in order; quiet ones of devices without a state cost next to nothing."""
        keys, tracks = columns.get(self.key), self.tracks
        if not keys:
            return
        devices, resets = keys, self._resets(columns)
        if self.rule.part_column is not None:
            parts = columns.get(self.rule.part_column) or [None] * len(keys)
            keys = [f"{key}{PART}{part}" for key, part in zip(keys, parts, strict=True)]
        gates = [(g, columns[g.metric]) for g in self.gates if g.metric in columns]
        is_busy = bool(tracks) and not tracks.keys().isdisjoint(keys)
        gates = [(gate, values) for gate, values in gates if gate.may_open(values)]
        if not (gates or is_busy or resets):
            return
        for i, key in enumerate(keys):
            if i in resets:
                self._reset(devices[i], columns[self.shape.at or ""][i], received)
            if key is None or (key not in tracks and not any(gate.passes(values[i]) for gate, values in gates)):
                continue
            self._row(key, i, columns, received)

    def _resets(self, columns: Mapping[str, Sequence[Any]]) -> frozenset[int]:
        """Rows that say that a device was reset."""
        if self.rule.reset_when is None:
            return frozenset()
        name, value = self.rule.reset_when
        cells = enumerate(columns.get(name, ()))
        return frozenset(i for i, cell in cells if cell is not None and word_of(cell) == value)

    def _reset(self, device: str, at: int, received: int) -> None:
        """End all that the parts of a device had open before it was reset."""
        for key in sorted(k for k in self.tracks if k.partition(PART)[0] == device and self.tracks[k].at <= at):
            t = self.tracks[key]
            self.levels.ripen(t, at, received, self.say)
            self.levels.end(t, at, received, "reading", self.say)
            t.at = at
            if t.is_idle:
                del self.tracks[key]

    def ring(self, key: str, due: int) -> None:
        """A timer went off; its track may have moved on or gone."""
        t = self.tracks.get(key)
        if t is not None:
            self.levels.ring(t, due, self.say)
            if t.is_idle:
                del self.tracks[key]

    def timers(self, t: Track) -> list[int]:
        """The stream instants at which a track wants to be rung."""
        return sorted({due for due in (*t.due, t.rest_due) if due})

    def _row(self, key: str, i: int, columns: Mapping[str, Sequence[Any]], received: int) -> None:
        at = columns[self.shape.at or ""][i]
        cells = {m: columns[m][i] for m in self.judge.metrics if m in columns}
        on = _beijing_day(at) if self.is_dated else None
        t = self.tracks.get(key)
        if t is None:
            if on is not None and not self._is_valid(on):
                return
            t = self.tracks[key] = Track(key, self.levels.count)
        before = self.timers(t) if self.has_timers else ()
        if self.judge.memories:
            self.judge.note(t, cells, at)
        judged_at = max(at, t.at) if self.judge.memories else at
        limits = self.limits.of(self.prefix + key.partition(PART)[0], on if self.limits.is_dated else None)
        found = self.judge.judge(t, cells, limits, judged_at)
        if found is not None:
            met, kept = found.met, found.kept
            if on is not None and not self._is_valid(on):
                met = kept = NO_LEVEL
            if self.rule.n_of is not None:
                met, kept = _n_of(t, self.rule.n_of, at, met, kept)
            if judged_at >= t.at:
                t.last = found.last
                self._see_place(t, i, columns)
                for level, hit in enumerate(found.hits):
                    t.hits[level] = hit or t.hits[level]  # n of m may be reached by a row that meets nothing itself
            self.levels.take(t, judged_at, received, met, kept, found.hits, self.say, late_us=received - at)
        if self.has_timers:
            for due in self.timers(t):
                if due not in before:
                    self.push(due, self, key)
        if self.judge.memories:
            self.judge.forget(t)
        if t.is_idle:
            del self.tracks[key]

    def _is_valid(self, on: date) -> bool:
        rule = self.rule
        return (rule.valid_from is None or on >= rule.valid_from) and (rule.valid_to is None or on <= rule.valid_to)

    @staticmethod
    def _see_place(t: Track, i: int, columns: Mapping[str, Sequence[Any]]) -> None:
        lon, lat, area = (columns.get(name) for name in ("_lon", "_lat", "_area_code"))
        if lon is not None and lat is not None and lon[i] is not None and lat[i] is not None:
            t.place = lon[i], lat[i], area[i] if area is not None else None


def levels_of(rule: Rule, count: int) -> Levels:
    """The state machine of a rule."""
    return Levels(
        count=count,
        hold_us=rule.hold_s * _SECOND_US,
        clear_us=rule.clear_s * _SECOND_US,
        is_cleared_by_rest=rule.clear_by == "rest",
        max_late_us=rule.max_late_s * _SECOND_US,
    )


def _n_of(t: Track, n_of: tuple[int, int], at: int, met: int, kept: int) -> tuple[int, int]:
    """The level that n of the last m readings reach, and the one that n of them do not contradict."""
    n, m = n_of
    if t.recent and at < t.recent[-1][0]:
        return NO_LEVEL, max((k for _, _, k in t.recent), default=NO_LEVEL)
    if t.recent and at == t.recent[-1][0]:
        t.recent.pop()
    t.recent = [*t.recent, (at, met, kept)][-m:]
    nth = [sorted(column, reverse=True) for column in ([r[1] for r in t.recent], [r[2] for r in t.recent])]
    met, kept = (column[n - 1] if len(column) >= n else NO_LEVEL for column in nth)
    return met, max(met, kept)


def _key_column(rule: Rule, shape: FeedShape) -> str:
    column = {"device": shape.device or shape.object, "object": shape.object, "area": shape.area}.get(rule.key)
    if column is None:
        raise ValueError(f"rule {rule.rule_id}: feed {shape.feed_id} has no column for the key {rule.key}")
    return column


def _beijing_day(at: int) -> date:
    return EPOCH.date() + timedelta(days=(at + _BEIJING_US) // _DAY_US)

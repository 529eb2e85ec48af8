"""Rules on rows of one feed: what thresholds, events, faults and rows of unknown devices have in common.

Batches in, judgements into the state machine of each device.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from alerting.engine.changes import Subject, change_of
from alerting.engine.context import Context
from alerting.engine.episode import EpisodeChange
from alerting.engine.evaluators.evaluator import PART, SECOND_US, Columns, Evaluator, device_subject, levels_of
from alerting.engine.gates import gates_of
from alerting.engine.judge import Judge, Judgement
from alerting.engine.levels import NO_LEVEL, Track, Transition
from alerting.engine.limits import Limit, RuleLimits, word_of
from alerting.engine.rule import Rule
from alerting.engine.series import Series
from alerting.engine.states import Tracks
from alerting.engine.world import FeedShape
from alerting.marks import CLOCK_WRONG, OVER_RANGE, Marks, Received
from alerting.spots import spot_of
from core.civil_time import CIVIL_OFFSET_US
from core.stream.live import EPOCH

PAST = "\x01"  # before the key of a timer of past danger, and before the department of its states

PAST_REST_US = 60_000_000  # so long after the last late row nobody waits for another one that would end a past danger

_DAY_US = 24 * 3600 * SECOND_US


@dataclass(slots=True)
class _Row:
    """One row as a rule sees it: `at` is rule time, `receipt` the first door, `received` stream time."""

    i: int
    cells: dict[str, Any]
    at: int
    receipt: int
    received: int
    marks: Marks


class ReadingEvaluator(Evaluator):
    """One rule on one feed. Feeds of one department share `tracks`: a device may speak through two of them.

    `past` are the states of late rows: what they show is past danger, and nothing in them touches the present. A code
    or an alarm bit in a late row is an event instead: nobody may know of it yet, so it starts an episode like any
    other, but ends none.
    """

    def __init__(
        self, rule: Rule, context: Context, shape: FeedShape, limits: RuleLimits, tracks: Tracks, past: Tracks
    ):
        self.judge = Judge(rule, shape)
        super().__init__(rule, context, tracks, levels_of(rule, self.judge.ranks), shape.feed_id)
        self.shape, self.limits, self.past = shape, limits, past
        self.gates = gates_of(limits)
        self.past_levels = replace(self.levels, is_past=True)
        self.is_event = all(c.comparison in ("in", "bits") for c in rule.conditions)
        self.max_late_us = rule.max_late_s * SECOND_US
        self.key = _key_column(rule, shape)
        self.prefix = "" if rule.key == "area" else f"{shape.department}:"
        self.has_timers = bool(rule.hold_s) or rule.clear_by == "rest"
        self.is_dated = limits.is_dated or bool(rule.valid_from or rule.valid_to)

    # ── rows ──────────────────────────────────────────────────────────────────────────────────────────────────────────
    def fold(self, columns: Columns, received: int) -> None:
        """Take a batch's usable rows in order; quiet ones of devices without a state cost next to nothing."""
        keys, tracks, past = columns.get(self.key), self.tracks, self.past
        if not keys:
            return
        gates = []
        for gate in self.gates:
            values = columns.get(gate.metric)
            if values is not None and gate.may_open(values):
                gates.append((gate, values))
        if not (gates or tracks or past or self.rule.reset_when):
            return
        devices, resets = keys, self._resets(columns)
        if self.rule.part_column is not None:
            parts = columns.get(self.rule.part_column) or [None] * len(keys)
            keys = [f"{key}{PART}{part}" for key, part in zip(keys, parts, strict=True)]
        is_busy = not (tracks.keys().isdisjoint(keys) and past.keys().isdisjoint(keys))
        if not (gates or is_busy or resets):
            return
        receipts = Received(columns, received)
        for i, key in enumerate(keys):
            if i in resets:
                self._reset(devices[i], min(columns[self.shape.at or ""][i], receipts.at(i)), received)
            if key is None or not (
                key in tracks or key in past or any(gate.passes(values[i]) for gate, values in gates)
            ):
                continue
            self._row(key, i, columns, receipts, received)

    def _resets(self, columns: Columns) -> frozenset[int]:
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
            self.levels.pass_holds(t, at, received, self.emit)
            self.levels.end(t, at, received, "reading", self.emit)
            t.at = at
            if t.is_idle:
                del self.tracks[key]

    def on_timer(self, key: str, due: int) -> None:
        """A timer went off; its track may have moved on or gone."""
        if key.startswith(PAST):
            self._end_past(key.removeprefix(PAST), due)
            return
        t = self.tracks.get(key)
        if t is not None:
            self.levels.on_timer(t, due, self.emit)
            if t.is_idle:
                del self.tracks[key]

    def timers(self) -> Iterator[tuple[int, str]]:
        """Those of the present, and those that end past danger."""
        yield from super().timers()
        for t in self.past.values():
            yield t.rest_due, PAST + t.key

    def _row(self, key: str, i: int, columns: Columns, receipts: Received, received: int) -> None:
        receipt, marks = receipts.at(i), receipts.marks(i)
        told_at = columns[self.shape.at or ""][i]
        at = receipt if told_at is None else min(told_at, receipt)  # the future owns no state
        is_late = marks.is_late if self.shape.is_stream else receipt - at > self.max_late_us
        if self.shape.is_stream and not is_late:
            at = max(at, receipt - self.max_late_us)
        cells = {m: columns[m][i] for m in self.judge.metrics if m in columns}
        row = _Row(i, cells, at, receipt, received, marks)
        if not is_late or self.is_event:
            self._present(key, row, columns, is_late=is_late)
        elif not self._is_of_known(key, row):
            self._past(key, row, columns)

    def _present(self, key: str, row: _Row, columns: Columns, *, is_late: bool) -> None:
        """A row of now, or an event that is told late."""
        at = row.at
        on = _beijing_day(at) if self.is_dated else None
        t = self.tracks.get(key)
        if t is None:
            if on is not None and not self._is_valid(on):
                return
            t = self.tracks[key] = Track(key, self.levels.count)
        if self.shape.is_stream and not is_late:
            at = self._in_arrival_order(t, row)
        before = self.dues(t) if self.has_timers else ()
        if self.judge.memories:
            self.judge.note(t, row.cells, at, row.marks.outside)
        judged_at = max(at, t.at) if self.judge.memories else at
        found = self.judge.judge(t, row.cells, self._limits(key, on), judged_at, row.marks.outside)
        # what a device kept and sends later ends nothing; a service's newest word counts whatever its age
        if found is not None and (not is_late or found.met > NO_LEVEL or not self.shape.is_stream):
            met, kept = found.met, found.kept
            if on is not None and not self._is_valid(on):
                met = kept = NO_LEVEL
            if self.rule.n_of is not None:
                met, kept = _n_of(t, self.rule.n_of, at, met, kept)
            if judged_at >= t.at:
                t.last = found.last
                self._see_place(t, row.i, columns)
                for level, hit in enumerate(found.hits):
                    t.hits[level] = hit or t.hits[level]  # n of m may be reached by a row that meets nothing itself
            if found.met > NO_LEVEL:
                self._mark(t, row, found, columns)
            late_us = row.receipt - row.at if not is_late else self.max_late_us + 1
            self.levels.take(t, judged_at, row.received, met, kept, found.hits, self.emit, late_us=late_us)
        if self.has_timers:
            for due in self.dues(t):
                if due not in before:
                    self.context.set_timer(due, self, key)
        if self.judge.memories:
            self.judge.forget(t)
        if t.is_idle:
            del self.tracks[key]

    def _past(self, key: str, row: _Row, columns: Columns) -> None:
        """A late row's levels: judged among themselves, by their own times."""
        on = _beijing_day(row.at) if self.is_dated else None
        if on is not None and not self._is_valid(on):
            return
        if self.judge.memories and key in self.tracks:
            self.judge.note(self.tracks[key], row.cells, row.at, row.marks.outside)  # rain that fell fell
        t = self.past.get(key)
        if t is None:
            t = self.past[key] = Track(key, self.levels.count)
        if self.judge.memories:
            self.judge.note(t, row.cells, row.at, row.marks.outside)
        judged_at = max(row.at, t.at) if self.judge.memories else row.at
        found = self.judge.judge(t, row.cells, self._limits(key, on), judged_at, row.marks.outside)
        if found is not None:
            met, kept = found.met, found.kept
            if self.rule.n_of is not None:
                met, kept = _n_of(t, self.rule.n_of, row.at, met, kept)
            if judged_at >= t.at:
                t.last = found.last
                for level, hit in enumerate(found.hits):
                    t.hits[level] = hit or t.hits[level]
            if found.met > NO_LEVEL:
                self._mark(t, row, found, columns)
            self.past_levels.take(t, judged_at, row.received, met, kept, found.hits, self.emit)
        if self.judge.memories:
            self.judge.forget(t)
        if t.is_idle:
            del self.past[key]
        else:
            t.rest_due = row.received + PAST_REST_US
            self.context.set_timer(t.rest_due, self, PAST + key)

    def _end_past(self, key: str, due: int) -> None:
        """No late row came for a while: what the last one showed stood until its hold had passed, and is over."""
        t = self.past.get(key)
        if t is not None and t.rest_due == due:
            self.past_levels.pass_holds(t, t.at + self.levels.hold_us, due, self.emit)
            self.past_levels.end(t, t.at, due, "rest", self.emit)
            del self.past[key]

    def _is_of_known(self, key: str, row: _Row) -> bool:
        """Whether a late row lies in the episode that holds now; then at most its worst value is told."""
        t = self.tracks.get(key)
        if t is None or t.level == NO_LEVEL or not t.started_at <= row.at <= t.at or self.judge.memories:
            return False
        on = _beijing_day(row.at) if self.is_dated else None
        found = self.judge.judge(Track(key, self.levels.count), row.cells, self._limits(key, on), row.at)
        if found is not None and row.at < t.at:
            self.levels.take(t, row.at, row.received, found.met, found.kept, found.hits, self.emit)
        return True

    def _in_arrival_order(self, t: Track, row: _Row) -> int:
        """The rule time of a row whose clock says that it is older than what came before it.

        A clock that jumps back must not mute: what came in later is newer. Only a reading that a window has already
        stays where it is, so that what is sent twice counts once.
        """
        if row.at >= t.at and not t.series:
            return row.at
        newest = max([t.at, *(kept.newest for kept in t.series.values() if isinstance(kept, Series))])
        if row.at >= newest or any(isinstance(kept, Series) and kept.has(row.at) for kept in t.series.values()):
            return row.at
        return row.receipt

    def _limits(self, key: str, on: date | None) -> Sequence[Limit | None]:
        return self.limits.of(self.prefix + key.partition(PART)[0], on if self.limits.is_dated else None)

    def _mark(self, t: Track, row: _Row, found: Judgement, columns: Columns) -> None:
        """Keep what a person must know of a reading that met a condition, and where in the object it was made."""
        if found.is_over_range:
            t.marks.add(OVER_RANGE)
        if row.marks.is_clock_wrong:
            t.marks.add(CLOCK_WRONG)
        if self.shape.spot:
            cells = ((role, columns[name][row.i]) for role, name in self.shape.spot if name in columns)
            t.spot = spot_of(cells) or t.spot

    def _is_valid(self, on: date) -> bool:
        rule = self.rule
        return (rule.valid_from is None or on >= rule.valid_from) and (rule.valid_to is None or on <= rule.valid_to)

    @staticmethod
    def _see_place(t: Track, i: int, columns: Columns) -> None:
        lon, lat, area = (columns.get(name) for name in ("_lon", "_lat", "_area_code"))
        if lon is not None and lat is not None and lon[i] is not None and lat[i] is not None:
            t.place = lon[i], lat[i], area[i] if area is not None else None

    # ── telling ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def emit(self, transition: Transition) -> None:
        """Tell a change; past danger is told as it is, for no rule looks at it and nobody counts it."""
        if transition.is_past:
            self.context.publish(self.change_of(transition))
        else:
            super().emit(transition)

    def change_of(self, transition: Transition) -> EpisodeChange:
        """Past danger of a member stands in the list by itself, under the rule that looks at it."""
        subject = self.subject(transition.track.key)
        if transition.is_past and self.rule.is_member_only:
            rule_id = self.rule.rule_id
            owners = (one.rule_id for one in self.context.ruleset.rules if rule_id in one.members)
            subject = replace(subject, rule_id=next(owners, rule_id))
        return change_of(transition, subject, self.context.registry, self.marks)

    def subject(self, key: str) -> Subject:
        """The device and its object, or the object or area that the rule's key names."""
        if self.rule.key == "device":
            return device_subject(self.rule.rule_id, self.prefix + key, self.context)
        return Subject(self.rule.rule_id, self.prefix + key, None)


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
    return EPOCH.date() + timedelta(days=(at + CIVIL_OFFSET_US) // _DAY_US)

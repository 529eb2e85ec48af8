"""The state machine that every kind of rule ends in: holds, levels, clearing, for one object and one rule.

Levels are nested: an object at orange is at yellow too. Each level has its own start and its own way down, the episode
shows the highest that is on. Everything is decided in rule time, which is event time within the bounds of receipt, so
neither ticks nor delays move an episode; a timer only tells earlier what the next reading would have told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from alerting.engine.episode import Change
from alerting.engine.rule import Condition
from alerting.spots import Spot

PEAK_EVERY_US = 300_000_000  # a rising value is told at most every five minutes; `cleared` has the last word
NO_LEVEL = -1


@dataclass(frozen=True, slots=True)
class Hit:
    """A condition that was met, with what was compared. `text` is the code of an event."""

    condition: Condition
    value: float | None
    threshold: float | None
    text: str | None = None
    others: tuple[tuple[str, float | None, float | None], ...] = ()  # further conditions of the same level


Hits = Sequence[Hit | None]


class Track:
    """The state of one rule for one key: kept only while something is not quiet. Instants are microseconds, 0 none."""

    __slots__ = (
        "at",
        "breach_at",
        "clear",
        "due",
        "episode_id",
        "hits",
        "is_late",
        "key",
        "known",
        "last",
        "level",
        "marks",
        "number",
        "peak",
        "place",
        "recent",
        "rest_due",
        "series",
        "since",
        "spot",
        "started_at",
        "told_at",
    )

    def __init__(self, key: str, levels: int) -> None:
        self.key = key
        self.at = 0  # newest event time
        self.level = NO_LEVEL
        self.since = [0] * levels  # start of the breach of a level that is not on yet
        self.due = [0] * levels  # stream instant at which its hold has passed
        self.clear = [0] * levels  # start of the normal readings of a level that is on
        self.hits: list[Hit | None] = [None] * levels
        self.breach_at = 0
        self.rest_due = 0
        self.episode_id = ""
        self.number = 0
        self.started_at = 0
        self.last: float | None = None  # newest value, met or not
        self.peak: float | None = None
        self.told_at = 0
        self.is_late = False
        self.known: dict[int, tuple[bool, bool, float | None]] = {}  # last word on conditions of several metrics
        self.series: dict[int, Any] = {}
        self.recent: list[tuple[int, int, int]] = []  # n of m: event time, level met, level not contradicted
        self.place: tuple[float, float, str | None] | None = None  # of a moving device
        self.spot: Spot = ()  # where inside the object the newest reading that met a condition is
        self.marks: set[str] = set()  # what a person must know of the readings behind the episode

    @property
    def is_idle(self) -> bool:
        """Whether nothing is on, pending or remembered."""
        return (
            self.level == NO_LEVEL
            and not any(self.since)
            and not self.known
            and not self.series
            and all(met == NO_LEVEL for _, met, _ in self.recent)
        )


@dataclass(frozen=True, slots=True)
class Transition:
    """What a judgement or a timer changed in a track, which is as it stands after it; instants are microseconds."""

    track: Track
    change: Change
    rank: int  # of the level concerned: 4 red … 1 blue
    hit: Hit
    at: int
    known_at: int
    evidence: str
    is_past: bool


Emit = Callable[[Transition], None]


@dataclass(frozen=True, slots=True)
class Levels:
    """How the levels of one rule open and end; `ranks` are their colours, mildest first."""

    ranks: tuple[int, ...]
    hold_us: int
    clear_us: int
    is_cleared_by_rest: bool
    max_late_us: int
    is_past: bool = False  # of past danger: judged in event time alone, and told only once its hold has passed
    count: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", len(self.ranks))

    def take(
        self, t: Track, at: int, received: int, met: int, kept: int, hits: Hits, emit: Emit, late_us: int | None = None
    ) -> None:
        """One judgement: the highest level met, the highest not contradicted (-1 none), what was compared.

        A judgement older than the newest one leaves the state alone; a worse value within the episode is told.
        `late_us` is the delay of the reading behind it where that is not `received - at`: an old reading may tip a
        window over.
        """
        if at < t.at:
            if NO_LEVEL < met == t.level and at >= t.started_at:
                self._peak(t, hits[met], at, received, emit)
            return
        self.pass_holds(t, at, received, emit, met)
        t.at = at
        was_silent = t.level == NO_LEVEL and not any(t.since)
        if met > NO_LEVEL:
            if was_silent:
                self._start(t, at, received - at if late_us is None else late_us)
            self._rise(t, at, received, met, hits)
        self._fall(t, at, received, met, kept, emit)
        if was_silent and self.hold_us and any(t.since):
            first = next(i for i, since in enumerate(t.since) if since)
            self._emit(t, Change.PENDING, first, at, received, "reading", emit)
        if not self.hold_us:
            self.pass_holds(t, at, received, emit)
        if met == t.level > NO_LEVEL:
            self._peak(t, hits[met], at, received, emit)

    def pass_holds(self, t: Track, until: int, known: int, emit: Emit, sure: int = NO_LEVEL) -> None:
        """Switch on the levels whose hold passed at or before an event instant, each at its own.

        Levels above `sure` have no reading that confirms them at `until`: a clock that jumped forward is no hold, so
        theirs must have passed in stream time too.
        """
        before = t.level
        for i in range(t.level + 1, self.count):
            if not t.since[i] or t.since[i] + self.hold_us > until:
                return
            if i > sure and known < t.due[i] and not self.is_past:
                return
            at = t.since[i] + self.hold_us
            t.since[i] = t.due[i] = 0
            t.level = i
            if i + 1 < self.count and t.since[i + 1] and t.since[i + 1] + self.hold_us == at:
                continue  # a higher level comes on at the same instant: only that one is told
            self._emit(t, Change.OPENED if before == NO_LEVEL else Change.UPGRADED, i, at, known, "reading", emit)
            before, t.told_at = i, at
            hit = t.hits[i]
            t.peak = hit.value if hit else None

    def on_timer(self, t: Track, due: int, emit: Emit) -> None:
        """A timer of this track went off at stream instant `due`; one that was overtaken does nothing."""
        if due in t.due:
            highest = max(i for i, found in enumerate(t.due) if found == due)
            self.pass_holds(t, t.since[highest] + self.hold_us, due, emit)
        if due == t.rest_due:
            t.rest_due = 0
            self.end(t, t.breach_at + self.clear_us, due, "rest", emit)

    def end(self, t: Track, at: int, known: int, evidence: str, emit: Emit) -> None:
        """End what is on or pending at once."""
        level = t.level
        pending = next((i for i, since in enumerate(t.since) if since), NO_LEVEL)
        t.level = NO_LEVEL
        t.since, t.due, t.clear = [0] * self.count, [0] * self.count, [0] * self.count
        if level > NO_LEVEL:
            self._emit(t, Change.CLEARED, level, at, known, evidence, emit)
        elif pending > NO_LEVEL:
            self._emit(t, Change.WITHDRAWN, pending, at, known, evidence, emit)
        t.known.clear()
        t.hits = [None] * self.count
        t.number, t.peak, t.rest_due, t.spot = 0, None, 0, ()
        t.marks.clear()

    def _start(self, t: Track, at: int, late_us: int) -> None:
        t.started_at, t.number, t.told_at, t.peak, t.episode_id = at, 0, 0, None, ""
        t.breach_at, t.is_late = 0, self.is_past or late_us > self.max_late_us

    def _rise(self, t: Track, at: int, received: int, met: int, hits: Hits) -> None:
        for i in range(met + 1):
            t.hits[i] = hits[i] or t.hits[i]
            if i > t.level and not t.since[i]:
                t.since[i] = at
                t.due[i] = max(at, received) + self.hold_us if self.hold_us else 0
        if at > t.breach_at and self.is_cleared_by_rest:  # an event that is sent again prolongs nothing
            t.rest_due = max(at, received) + self.clear_us
        t.breach_at = at

    def _fall(self, t: Track, at: int, received: int, met: int, kept: int, emit: Emit) -> None:
        """Pending levels that are not met any more, and levels that have been normal for the clear time."""
        is_pending = any(t.since)
        for i in range(max(met, t.level) + 1, self.count):
            t.since[i] = t.due[i] = 0
        if t.level == NO_LEVEL:
            if is_pending and not any(t.since):
                pending = next(i for i, hit in enumerate(t.hits) if hit)
                self._emit(t, Change.WITHDRAWN, pending, at, received, "reading", emit)
                t.number, t.hits, t.spot = 0, [None] * self.count, ()
                t.marks.clear()
            return
        if self.is_cleared_by_rest:
            return
        level = t.level
        for i in range(t.level + 1):
            t.clear[i] = 0 if i <= kept else t.clear[i] or at
        while level > NO_LEVEL and t.clear[level] and at - t.clear[level] >= self.clear_us:
            t.clear[level] = 0
            level -= 1
        if level == NO_LEVEL:
            self.end(t, at, received, "reading", emit)
        elif level < t.level:
            t.level = level
            self._emit(t, Change.DOWNGRADED, level, at, received, "reading", emit)

    def grow(self, t: Track, hit: Hit | None, at: int, received: int, emit: Emit) -> None:
        """Tell at once that more take part in what is on, also where no value is worse for it."""
        t.hits[t.level] = hit or t.hits[t.level]
        if hit is not None and hit.value is not None and (t.peak is None or hit.value > t.peak):
            t.peak = hit.value
        t.told_at = at
        self._emit(t, Change.PEAK, t.level, at, received, "reading", emit)

    def _peak(self, t: Track, hit: Hit | None, at: int, received: int, emit: Emit) -> None:
        if hit is None or hit.value is None:
            return
        if t.peak is not None and not is_worse(hit.condition, hit.value, t.peak):
            return
        t.peak = hit.value
        if at - t.told_at >= PEAK_EVERY_US:
            t.told_at = at
            self._emit(t, Change.PEAK, t.level, at, received, "reading", emit)

    def _emit(self, t: Track, change: Change, level: int, at: int, known: int, evidence: str, emit: Emit) -> None:
        if self.is_past and change in (Change.PENDING, Change.WITHDRAWN):
            return
        hit = t.hits[level] or next((h for h in t.hits if h is not None), None)
        if hit is None:
            raise AssertionError(f"episode of {t.key} has a level but nothing that was compared")
        t.number += 1
        emit(Transition(t, change, self.ranks[level], hit, at, known, evidence, self.is_past))


def is_worse(condition: Condition, value: float, than: float) -> bool:
    """Whether a value lies further on the dangerous side."""
    return value < than if condition.comparison in ("le", "lt") else value > than

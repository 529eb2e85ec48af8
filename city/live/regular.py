"""A device that reports at even intervals, with the small disorders of real lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from city.live.incident import Incident
from city.live.noise import between, chance
from city.live.utterance import Utterance

# Shares of reports that come twice, after the next one, or after a time without a line.
TWICE, SWAPPED, KEPT = 0.002, 0.002, 0.001
KEPT_S = (900, 1800)
# Every so many spells of reports is one in which somebody works at the device: its values say nothing.
SPELL_REPORTS = 6
SERVICED = 0.004
_SERVICE_FLAGS = ("maintenance", "calibration")
_ODD, _WHEN, _SPELL, _FLAG, _PHASE, _LAG = 1, 2, 3, 4, 5, 6


@dataclass(slots=True)
class Regular:
    """What all speakers share. `key` is a number of the device's own that its chances hang on.

    A subclass says one report in `say`; `every_s` may be changed for the whole fleet to make it speak less.
    """

    device_id: str
    key: int
    every_s: int
    incidents: tuple[Incident, ...] = field(default=(), kw_only=True)

    channel = ""
    raw_feed = ""

    def say(self, at: int, sent_at: float) -> Iterator[Utterance]:
        """The report of a moment, sent at `sent_at`."""
        raise NotImplementedError

    def moments(self, start: int, end: int) -> Iterator[int]:
        """When it reports, from `start` to `end` (excluded); never on a full minute, where other sources report."""
        phase = 1 + int(chance(self.key, _PHASE) * (self.every_s - 1))
        phase += phase % 60 == 0
        first = start + (phase - start) % self.every_s
        yield from range(first, end, self.every_s)

    def utterances(self, start: int, end: int) -> Iterator[Utterance]:
        """Every report, and what lines do to it. Reports of an incident come at once and in order."""
        for at in self.moments(start, end):
            if self.incidents and self.is_silent(at):
                continue
            lag = between(0.1, 1.9, self.key, at, _LAG)
            odd = 1.0 if self.incidents and self.is_tense(at) else chance(self.key, at, _ODD)
            if odd < KEPT:
                lag = between(*KEPT_S, self.key, at, _WHEN)
            elif odd < KEPT + SWAPPED:
                lag += 1.2 * self.every_s
            for one in self.say(at, at + lag):
                yield one
                if KEPT + SWAPPED <= odd < KEPT + SWAPPED + TWICE:
                    yield replace(one, at=one.at + 2.5)

    def is_tense(self, at: int) -> bool:
        """Whether an incident is on, or about to be."""
        return any(i.starts_at - 3600 <= at < i.ends_at + 3600 for i in self.incidents)

    def is_silent(self, at: int) -> bool:
        """Whether an incident keeps it from speaking."""
        return any(
            i.is_on(at) and at - i.starts_at >= float(i.marks["silent"]) for i in self.incidents if "silent" in i.marks
        )

    def mark(self, name: str, at: int) -> str | int | float | bool | None:
        """A mark of the incident that is on, None without."""
        for incident in self.incidents:
            if incident.is_on(at) and name in incident.marks:
                return incident.marks[name]
        return None

    def value(self, metric: str, at: int, quiet: float) -> float:
        """A metric as an incident has it, else the quiet value."""
        for incident in self.incidents:
            found = incident.value(metric, at)
            if found is not None:
                return found
        return quiet

    def flag(self, at: int) -> str:
        """The quality flag of a moment: now and then a spell of maintenance or calibration, never in an incident."""
        if self.incidents and (said := self.mark("flag", at)) is not None:
            return str(said)
        spell = at // (self.every_s * SPELL_REPORTS)
        if chance(self.key, spell, _SPELL) >= SERVICED or (self.incidents and self.is_tense(at)):
            return "normal"
        return _SERVICE_FLAGS[int(chance(self.key, spell, _FLAG) * len(_SERVICE_FLAGS))]

"""What one rule remembers, and its tracks as plain lists and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from alerting.engine.judge import Judge
from alerting.engine.levels import Hit, Track
from alerting.engine.rule import Rule
from alerting.spots import spot_back

Tracks = dict[str, Track]


@dataclass(slots=True)
class RuleState:
    """Tracks by department and key, and of silences when each key spoke last."""

    tracks: dict[str, Tracks] = field(default_factory=dict)
    heard: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Tracks that are on, pending or remembered."""
        return sum(map(len, self.tracks.values()))


def tracks_packed(state: RuleState) -> dict[str, list[Any]]:
    """The tracks in an order that does not depend on history."""
    return {
        department: [_track(t) for _, t in sorted(tracks.items())]
        for department, tracks in state.tracks.items()
        if tracks
    }


def tracks_back(packed: dict[str, list[Any]], rule: Rule) -> dict[str, Tracks]:
    """The tracks of a rule whose rows have not changed since."""
    judge = Judge(rule)
    return {department: dict(_tracks_back(rows, judge)) for department, rows in packed.items()}


def _track(t: Track) -> list[Any]:
    series = [[number, kept.pack()] for number, kept in sorted(t.series.items())]
    return [
        t.key,
        t.at,
        t.level,
        t.since,
        t.due,
        t.clear,
        [_hit(hit) for hit in t.hits],
        t.breach_at,
        t.rest_due,
        t.episode_id,
        t.number,
        t.started_at,
        t.last,
        t.peak,
        t.told_at,
        t.is_late,
        sorted(t.known.items()),
        series,
        t.recent,
        t.place,
        sorted(t.marks),
        t.spot,
    ]


def _tracks_back(rows: list[Any], judge: Judge) -> Iterator[tuple[str, Track]]:
    for row in rows:
        t = Track(row[0], len(judge.ranks))
        (
            _,
            t.at,
            t.level,
            t.since,
            t.due,
            t.clear,
            hits,
            t.breach_at,
            t.rest_due,
            t.episode_id,
            t.number,
            t.started_at,
            t.last,
            t.peak,
            t.told_at,
            t.is_late,
            known,
            series,
            recent,
            place,
            *newer,
        ) = row
        # a state from before there were marks and spots has none
        t.marks = set(newer[0]) if newer else set()
        t.spot = spot_back(newer[1]) if len(newer) > 1 else ()
        t.hits = [_hit_back(hit, judge.rule) for hit in hits]
        t.known = {number: (met, kept, value) for number, (met, kept, value) in known}
        t.recent = [(at, met, kept) for at, met, kept in recent]
        t.place = (place[0], place[1], place[2]) if place else None
        for number, body in series:
            kept = t.series[number] = judge.memories[number].make()
            kept.unpack(body)
        yield t.key, t


def _hit(hit: Hit | None) -> list[Any] | None:
    if hit is None:
        return None
    c = hit.condition
    authority = [c.standard, c.clause, c.evidence_grade]  # an override's where one applies
    return [c.condition_id, authority, hit.value, hit.threshold, hit.text, hit.others]


def _hit_back(packed: list[Any] | None, rule: Rule) -> Hit | None:
    if packed is None:
        return None
    condition_id, (standard, clause, grade), value, threshold, text, others = packed
    condition = next(c for c in rule.conditions if c.condition_id == condition_id)
    condition = replace(condition, standard=standard, clause=clause, evidence_grade=grade)
    return Hit(condition, value, threshold, text, tuple((m, v, limit) for m, v, limit in others))

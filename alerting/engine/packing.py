"""The engine's state as bytes and back: only what is not quiet, in an order that does not depend on history."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import orjson

from alerting.engine.judge import Judge
from alerting.engine.levels import Hit, Track
from alerting.engine.members import Member, OpenEpisodes
from alerting.rules.model import Rule, RuleSet
from alerting.spots import spot_back

LAYOUT = 1  # raised when the bytes mean something else


@dataclass(frozen=True, slots=True)
class Saved:
    """The parts of a state: rule → department → key."""

    now: int
    tracks: dict[str, dict[str, dict[str, Track]]]
    heard: dict[str, dict[str, dict[str, int]]]
    episodes: OpenEpisodes


def pack(saved: Saved, ruleset: RuleSet) -> bytes:
    """The state as JSON."""
    return orjson.dumps(
        {
            "layout": LAYOUT,
            "generation": ruleset.generation,
            "now": saved.now,
            "rules": {rule.rule_id: _rule(saved, rule) for rule in ruleset.rules},
            "shown": {
                rule_id: [
                    _member(m) for _, m in sorted(members.items(), key=lambda item: (item[0][0], item[0][1] or ""))
                ]
                for rule_id, members in saved.episodes.by_rule.items()
            },
            "dirty": saved.episodes.dirty,
        },
        option=orjson.OPT_SORT_KEYS,
    )


def generation_of(body: bytes) -> str:
    """The rules generation that a snapshot was made under."""
    return str(orjson.loads(body)["generation"])


def unpack(body: bytes, ruleset: RuleSet) -> Saved:
    """The state from bytes; what belongs to rules that say something else now is left out.

    Raises ValueError for another layout.
    """
    document = orjson.loads(body)
    if document.get("layout") != LAYOUT:
        raise ValueError(f"snapshot of layout {document.get('layout')!r}, expected {LAYOUT}; fold the stream anew")
    episodes = OpenEpisodes({m for rule in ruleset.rules for m in rule.members})
    episodes.dirty = document["dirty"]
    tracks: dict[str, dict[str, dict[str, Track]]] = {}
    heard: dict[str, dict[str, dict[str, int]]] = {}
    for rule in ruleset.rules:
        found = document["rules"].get(rule.rule_id)
        if found is None or found["fingerprint"] != rule.fingerprint:
            tracks[rule.rule_id] = {}
            continue
        tracks[rule.rule_id] = {
            department: {packed[0]: _track_back(packed, rule) for packed in rows}
            for department, rows in found["tracks"].items()
        }
        if found["heard"]:
            heard[rule.rule_id] = found["heard"]
        for packed in document["shown"].get(rule.rule_id, ()):
            member = _member_back(packed)
            if rule.rule_id in episodes.by_rule:
                episodes.by_rule[rule.rule_id][member.object_id, member.device_id] = member
    return Saved(document["now"], tracks, heard, episodes)


def _rule(saved: Saved, rule: Rule) -> dict[str, Any]:
    return {
        "fingerprint": rule.fingerprint,
        "tracks": {
            department: [_track(t) for _, t in sorted(tracks.items())]
            for department, tracks in saved.tracks[rule.rule_id].items()
            if tracks
        },
        "heard": {d: found for d, found in saved.heard.get(rule.rule_id, {}).items() if found},
    }


def _track(t: Track) -> list[Any]:
    series = [[number, kept.pack()] for number, kept in sorted(t.series.items())]
    return [
        t.key, t.at, t.level, t.since, t.due, t.clear, [_hit(hit) for hit in t.hits], t.breach_at, t.rest_due,
        t.episode_id, t.number, t.started_at, t.last, t.peak, t.told_at, t.is_late, sorted(t.known.items()), series,
        t.recent, t.place, sorted(t.marks), t.spot,
    ]  # fmt: skip


def _track_back(packed: list[Any], rule: Rule) -> Track:
    judge = Judge(rule)
    t = Track(packed[0], len(judge.ranks))
    (
        _, t.at, t.level, t.since, t.due, t.clear, hits, t.breach_at, t.rest_due, t.episode_id, t.number, t.started_at,
        t.last, t.peak, t.told_at, t.is_late, known, series, recent, place, *newer,
    ) = packed  # fmt: skip
    # a state from before there were marks and spots has none
    t.marks = set(newer[0]) if newer else set()
    t.spot = spot_back(newer[1]) if len(newer) > 1 else ()
    t.hits = [_hit_back(hit, rule) for hit in hits]
    t.known = {number: (met, kept, value) for number, (met, kept, value) in known}
    t.recent = [(at, met, kept) for at, met, kept in recent]
    t.place = (place[0], place[1], place[2]) if place else None
    for number, body in series:
        kept = t.series[number] = judge.memories[number].make()
        kept.unpack(body)
    return t


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


def _member(m: Member) -> list[Any]:
    return [m.rule_id, m.object_id, m.device_id, m.rank, m.at, m.value, m.lon, m.lat, m.area_code, m.compared,
            m.spot, m.is_told]  # fmt: skip


def _member_back(packed: list[Any]) -> Member:
    spot = spot_back(packed[10]) if len(packed) > 10 else ()
    is_told = bool(packed[11]) if len(packed) > 11 else False  # rather named twice than never
    return replace(Member(*packed[:10]), compared=tuple(packed[9]), spot=spot, is_told=is_told)

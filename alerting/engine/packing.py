"""The engine's state as bytes and back: only what is not quiet, in an order that does not depend on history."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import orjson

from alerting.engine.evaluators import evaluator_of, watched_by
from alerting.engine.open_episodes import OpenEpisode, OpenEpisodes
from alerting.engine.rule import RuleSet
from alerting.engine.states import RuleState
from alerting.spots import spot_back

LAYOUT = 1  # raised when the bytes mean something else


@dataclass(frozen=True, slots=True)
class Saved:
    """The parts of a state."""

    now: int
    states: dict[str, RuleState]
    episodes: OpenEpisodes


def pack(saved: Saved, ruleset: RuleSet) -> bytes:
    """The state as JSON."""
    return orjson.dumps(
        {
            "layout": LAYOUT,
            "generation": ruleset.generation,
            "now": saved.now,
            "rules": {
                rule.rule_id: {
                    "fingerprint": rule.fingerprint,
                    **evaluator_of(rule).pack(saved.states[rule.rule_id]),
                }
                for rule in ruleset.rules
            },
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
    episodes = OpenEpisodes(watched_by(ruleset))
    episodes.dirty = document["dirty"]
    states: dict[str, RuleState] = {}
    for rule in ruleset.rules:
        found = document["rules"].get(rule.rule_id)
        if found is None or found["fingerprint"] != rule.fingerprint:
            states[rule.rule_id] = RuleState()
            continue
        states[rule.rule_id] = evaluator_of(rule).unpack(found, rule)
        for packed in document["shown"].get(rule.rule_id, ()):
            member = _member_back(packed)
            if rule.rule_id in episodes.by_rule:
                episodes.by_rule[rule.rule_id][member.object_id, member.device_id] = member
    return Saved(document["now"], states, episodes)


def _member(m: OpenEpisode) -> list[Any]:
    return [
        m.rule_id,
        m.object_id,
        m.device_id,
        m.rank,
        m.at,
        m.value,
        m.lon,
        m.lat,
        m.area_code,
        m.compared,
        m.spot,
        m.is_told,
    ]


def _member_back(packed: list[Any]) -> OpenEpisode:
    spot = spot_back(packed[10]) if len(packed) > 10 else ()
    is_told = bool(packed[11]) if len(packed) > 11 else False  # rather named twice than never
    return replace(OpenEpisode(*packed[:10]), compared=tuple(packed[9]), spot=spot, is_told=is_told)

"""Put a transition of a track into the words of the life cycle."""

from __future__ import annotations

from dataclasses import dataclass

from alerting.engine.episode import Change, EpisodeChange, episode_id_of
from alerting.engine.levels import Transition
from alerting.engine.world import Registry
from alerting.marks import LATE, PAST_DANGER
from core.severity import COLOURS
from core.stream.live import instant

_BACK = (Change.CLEARED, Change.DOWNGRADED, Change.WITHDRAWN)


@dataclass(frozen=True, slots=True)
class Subject:
    """What an episode is about: under which rule it is told, and at which object and device."""

    rule_id: str
    object_id: str
    device_id: str | None


def change_of(
    transition: Transition, subject: Subject, registry: Registry, marks: frozenset[str] = frozenset()
) -> EpisodeChange:
    """The numbered change of a track's episode; `marks` are those that each change of the rule has."""
    t, hit, condition = transition.track, transition.hit, transition.hit.condition
    if not t.episode_id:
        t.episode_id = episode_id_of(subject.rule_id, subject.object_id, subject.device_id, instant(t.started_at))
    lon, lat, area_code = t.place or registry.place(subject.object_id, subject.device_id)
    # the value of a way back is the newest one
    is_way_back = transition.change in _BACK and transition.evidence == "reading"
    return EpisodeChange(
        episode_id=t.episode_id,
        number=t.number,
        change=transition.change,
        rule_id=subject.rule_id,
        object_id=subject.object_id,
        device_id=subject.device_id,
        metric=condition.metric,
        colour=COLOURS[transition.rank],
        severity_rank=transition.rank,
        value=t.last if is_way_back else hit.value,
        threshold=hit.threshold,
        unit=condition.unit,
        threshold_id=condition.threshold_id,
        standard=condition.standard,
        clause=condition.clause,
        evidence_grade=condition.evidence_grade,
        source_label=condition.source_label,
        at=instant(transition.at),
        known_at=instant(transition.known_at),
        evidence=transition.evidence,
        is_late=t.is_late,
        details=_details(transition, marks),
        lon=lon,
        lat=lat,
        area_code=area_code,
        condition_id=condition.condition_id,
        is_past=transition.is_past,
        spots=(t.spot,) if t.spot else (),
    )


def _details(transition: Transition, marks: frozenset[str]) -> dict[str, object]:
    """What a person may ask: since when, what was compared, and what to know of the readings behind it."""
    t, hit = transition.track, transition.hit
    details: dict[str, object] = {"started_at": instant(t.started_at).isoformat()}
    if hit.text is not None:
        details["code"] = hit.text
    if hit.others:
        details["conditions"] = [
            {"metric": metric, "value": found, "threshold": limit}
            for metric, found, limit in ((hit.condition.metric, hit.value, hit.threshold), *hit.others)
        ]
    found = {*t.marks, *marks, *([LATE] if t.is_late else ()), *([PAST_DANGER] if transition.is_past else ())}
    if found:
        details["marks"] = sorted(found)
    if transition.change is Change.CLEARED and t.peak is not None:
        details["peak"] = t.peak
    return details


def marks_of(change: EpisodeChange) -> list[str]:
    """The marks that a change has already."""
    marks = change.details.get("marks")
    return marks if isinstance(marks, list) else []

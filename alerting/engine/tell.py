"""Put a change of a track into the words of the life cycle."""

from __future__ import annotations

from alerting.engine.levels import Hit, Track
from alerting.engine.marks import DEVICE_FAULT, LATE, PAST_DANGER
from alerting.engine.world import Registry
from alerting.episode import Change, EpisodeChange, episode_id_of
from alerting.rules.model import Rule
from core.severity import COLOURS
from ingest.stream.live import instant

_BACK = (Change.CLEARED, Change.DOWNGRADED, Change.WITHDRAWN)


def change_of(
    rule: Rule, registry: Registry, who: tuple[str, str | None], t: Track, change: Change, hit: Hit, colour_rank: int,
    at: int, known: int, evidence: str, *, is_past: bool = False,
) -> EpisodeChange:  # fmt: skip
    """The numbered change of a track; `who` is object and device. The value of a way back is the newest one."""
    object_id, device_id = who
    started_at = instant(t.started_at)
    if not t.episode_id:
        t.episode_id = episode_id_of(rule.rule_id, object_id, device_id, started_at)
    condition = hit.condition
    lon, lat, area_code = t.place or registry.place(object_id, device_id)
    value = t.last if change in _BACK and evidence == "reading" else hit.value
    details: dict[str, object] = {"started_at": started_at.isoformat()}
    if hit.text is not None:
        details["code"] = hit.text
    if hit.others:
        details["conditions"] = [
            {"metric": metric, "value": found, "threshold": limit}
            for metric, found, limit in ((condition.metric, hit.value, hit.threshold), *hit.others)
        ]
    marks = {*t.marks, *([LATE] if t.is_late else ()), *([PAST_DANGER] if is_past else ())}
    if rule.kind == "fault":
        marks.add(DEVICE_FAULT)
    if marks:
        details["marks"] = sorted(marks)
    if change is Change.CLEARED and t.peak is not None:
        details["peak"] = t.peak
    return EpisodeChange(
        episode_id=t.episode_id,
        number=t.number,
        change=change,
        rule_id=rule.rule_id,
        object_id=object_id,
        device_id=device_id,
        metric=condition.metric,
        colour=COLOURS[colour_rank],
        severity_rank=colour_rank,
        value=value,
        threshold=hit.threshold,
        unit=condition.unit,
        threshold_id=condition.threshold_id,
        standard=condition.standard,
        clause=condition.clause,
        evidence_grade=condition.evidence_grade,
        source_label=condition.source_label,
        at=instant(at),
        known_at=instant(known),
        evidence=evidence,
        is_late=t.is_late,
        details=details,
        lon=lon,
        lat=lat,
        area_code=area_code,
        condition_id=condition.condition_id,
        is_past=is_past,
        spots=(t.spot,) if t.spot else (),
    )

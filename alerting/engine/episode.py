"""What the rule engine tells the life cycle: the changes of an episode, and nothing about people or channels.

An episode is one stretch of time in which one rule held for one object. Its changes are numbered, and the same
readings in the same order give the same changes live and on history, so applying one twice is recognised.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from alerting.spots import Spot


class Change(StrEnum):
    """What happened to an episode."""

    PENDING = "pending"  # the condition holds, its hold time has not passed yet
    WITHDRAWN = "withdrawn"  # a pending one ended before its hold time: no alert ever was
    OPENED = "opened"
    UPGRADED = "upgraded"
    DOWNGRADED = "downgraded"
    PEAK = "peak"  # the same colour, a worse value
    CLEARED = "cleared"  # positive evidence that the danger is over, see `evidence`


@dataclass(frozen=True, slots=True)
class EpisodeChange:
    """One numbered change of one episode.

    `at` is event time (the device's clock), `known_at` stream time (when the reading that told came in). `evidence`:
    reading, rest (time enough since the last event), silence, composite, rollup, rule (the rule says something else
    now: no proof that the danger is over). `details` carries what a person may ask: the readings of several
    conditions, the members of a composite or roll-up, and as `marks` what to know of its readings.
    """

    episode_id: str
    number: int
    change: Change
    rule_id: str
    object_id: str
    device_id: str | None
    metric: str
    colour: str  # red, orange, yellow, blue
    severity_rank: int  # 4 red … 1 blue
    value: float | None
    threshold: float | None
    unit: str
    threshold_id: str  # the row of thresholds.csv behind it: standard, clause, evidence grade and label come from there
    standard: str
    clause: str
    evidence_grade: str
    source_label: str
    at: datetime
    known_at: datetime
    evidence: str = "reading"
    is_late: bool = False
    details: Mapping[str, object] = field(default_factory=dict)
    lon: float | None = None  # of a moving device where it was, else of the register
    lat: float | None = None
    area_code: str | None = None
    condition_id: str = ""  # the row of alert_conditions.csv; it has the standard where `threshold_id` is empty
    is_past: bool = False  # levels in late rows: it is listed that there was danger, never that there is
    passed_on_by: str = ""  # of a reading over its range: gateway or feed, by which many of them are one alert
    spots: tuple[Spot, ...] = ()  # where inside the object: one of a reading, several of a roll-up


def started_at_of(change: EpisodeChange) -> datetime:
    """When the danger began: of past danger, which is told only once its hold has passed, before its first change."""
    told = change.details.get("started_at")
    return datetime.fromisoformat(told) if change.is_past and isinstance(told, str) else change.at


def episode_id_of(rule_id: str, object_id: str, device_id: str | None, started_at: datetime) -> str:
    """The same episode has the same id whoever computes it, live or on history."""
    text = "\0".join((rule_id, object_id, device_id or "", started_at.isoformat()))
    return hashlib.sha256(text.encode()).hexdigest()[:32]

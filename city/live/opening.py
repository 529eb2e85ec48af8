"""What happens first in a span: of each colour the incident that is told of soonest, so that nobody waits for alarms.

How soon follows from what is declared: when the curve is at its worst, how often such a device reports in an incident,
and how long the condition of its rule must hold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from city.live.fleet import Fleet
from city.live.incident import Curve, Incident
from city.live.noise import hour_of
from core.declarations import seconds

Placed = tuple[Mapping[str, Any], Sequence[Incident]]

# Devices begin to connect with the span; and later than so many seconds after its start is no opening.
OPENS_AFTER_S, OPENING_S = 5, 300
_OF_ONE_REPORT = ("reading", "event")


def with_opening(fleet: Fleet, placed: Sequence[Placed], start: int) -> list[Incident]:
    """All incidents of the placed entries; those that open the span are moved to its start."""
    begin = start + OPENS_AFTER_S
    first: dict[str, tuple[int, int]] = {}  # colour → seconds until it is told of, and which entry
    for number, (entry, incidents) in enumerate(placed):
        within_s = told_within_s(fleet, entry, incidents[0])
        if within_s is None or OPENS_AFTER_S + within_s > OPENING_S or not may_begin(entry, begin):
            continue
        first[entry["colour"]] = min(first.get(entry["colour"], (within_s, number)), (within_s, number))
    opening = {number for _, number in first.values()}
    return [
        incident
        for number, (_, incidents) in enumerate(placed)
        for incident in (_moved(incidents, begin) if number in opening else incidents)
    ]


def may_begin(entry: Mapping[str, Any], at: int) -> bool:
    """Whether an instant lies in the hours of an entry; one without may begin at any."""
    hours = entry.get("hours")
    return hours is None or hours[0] <= hour_of(at) < hours[1] or hours[0] <= hour_of(at) + 24 < hours[1]


def told_within_s(fleet: Fleet, entry: Mapping[str, Any], incident: Incident) -> int | None:
    """Seconds from an incident's begin within which its rule tells of it; None where one report is not enough."""
    rule = fleet.declared.rules.get(entry["rule"])
    if rule is None or not _is_of_one_report(rule) or "silent" in entry.get("marks", {}) or "beside" in entry:
        return None
    worst_s = max((_worst_after_s(curve) for curve in incident.curves.values()), default=0.0)
    return math.ceil(worst_s) + fleet.reports_within_s(entry["feed"]) + seconds(rule.get("hold", "0 s"))


def _is_of_one_report(rule: Mapping[str, Any]) -> bool:
    """Whether a rule needs no more than the newest report: no window, no count, no member, no silence."""
    conditions = [{**rule.get("each", {}), **one} for one in rule["conditions"]]
    return (
        rule.get("kind", "reading") in _OF_ONE_REPORT
        and "n_of" not in rule
        and all(one.get("aggregate", "last") == "last" for one in conditions)
    )


def _worst_after_s(curve: Curve) -> float:
    """When a curve matters: at its begin, if it stays there and ends elsewhere, else where it is farthest from that."""
    first, *following = curve.values
    if following and first == following[0] and first != following[-1]:
        return curve.seconds[0]
    return max(zip(curve.seconds, curve.values, strict=True), key=lambda point: abs(point[1] - first))[0]


def _moved(incidents: Sequence[Incident], begin: int) -> list[Incident]:
    """The same, the first of them from `begin` on."""
    by_s = begin - incidents[0].starts_at
    return [replace(one, starts_at=one.starts_at + by_s, ends_at=one.ends_at + by_s) for one in incidents]

"""Which incidents happen, where and when: those that the systems declare, laid over a city and a span of time."""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from city.clock import BEIJING
from city.declared import suits, where_of
from city.geography import METRES_PER_DEGREE
from city.live.fleet import Fleet
from city.live.incident import Curve, Incident
from city.live.noise import chance
from city.live.opening import Placed, may_begin, with_opening
from city.live.quantity import level
from city.truth import Truth

Mode = Literal["default", "quiet"]
Row = Mapping[str, Any]

# Quiet time that devices get before an incident and rules after it; what opens a span begins earlier.
_BEFORE_S, _AFTER_S = 600, 900
_BESIDE_M = 400.0
_DEVICE, _START = 101, 102


@dataclass(frozen=True)
class Plan:
    """A span of the city's life, whole seconds since 1970 UTC, with its incidents."""

    starts_at: int
    ends_at: int
    incidents: tuple[Incident, ...] = ()

    def note(self, truth: Truth) -> None:
        """Put every expected alert into the truth of a city."""
        for incident in self.incidents:
            if not incident.rule_id:
                continue
            span = _local(incident.starts_at), _local(incident.ends_at)
            for rule_id, colour in ((incident.rule_id, incident.colour), *incident.also):
                truth.incident(incident.feed_id, incident.object_id, rule_id, colour, *span)


def make_plan(fleet: Fleet, starts_at: datetime, ends_at: datetime, mode: Mode = "default") -> Plan:
    """A plan for a span. An incident that the span is too short for, or the city has no device for, is left out.

    No two incidents share a device. Of each colour one that is told of soon begins with the span. Raises ValueError
    for naive instants or a span turned round.
    """
    if starts_at.tzinfo is None or ends_at.tzinfo is None or ends_at <= starts_at:
        raise ValueError(f"span {starts_at} to {ends_at}: expected two aware instants, the earlier one first")
    start, end = int(starts_at.timestamp()), int(ends_at.timestamp())
    if mode == "quiet":
        return Plan(start, end)
    used: set[str] = set()
    placed: list[Placed] = []
    for words, entry in fleet.declared.incidents:
        number = zlib.crc32(words.encode())
        row = _pick(fleet, entry, number, used)
        begin = _begin(fleet, entry, number, start, end)
        if row is None or begin is None:
            continue
        several = _of_entry(fleet, entry, row, begin, used)
        if used & {i.device_id for i in several}:
            continue
        for incident in several:
            used |= {incident.object_id, incident.device_id}
        placed.append((entry, several))
    incidents = with_opening(fleet, placed, start)
    return Plan(start, end, tuple(sorted(incidents, key=lambda i: (i.starts_at, i.device_id))))


def _of_entry(fleet: Fleet, entry: Mapping[str, Any], row: Row, begin: int, used: set[str]) -> list[Incident]:
    """What one entry makes happen: at one device, at one beside it as well, or at all behind a gateway."""
    if gateway := entry.get("gateway"):
        return _behind(fleet, entry, row, gateway, begin)
    several = [_incident(fleet, entry, row, begin)]
    if beside := entry.get("beside"):
        neighbour = _neighbours(fleet, beside, row, used)[0]
        several.append(_incident(fleet, beside, neighbour, begin + beside["after"] * 60))
    return several


def _rows(fleet: Fleet, feed_id: str) -> Sequence[Row]:
    """Register rows of a feed's devices."""
    return fleet.registers[fleet.speaker_column(feed_id)[0]]


def _pick(fleet: Fleet, entry: Mapping[str, Any], number: int, used: set[str]) -> Row | None:
    """A device that suits an entry and nothing happens to yet."""
    _, device, owner = fleet.speaker_column(entry["feed"])
    wanted = where_of(entry.get("where"))
    rows, gateway = _rows(fleet, entry["feed"]), entry.get("gateway")
    behind = Counter(row[gateway] for row in rows) if gateway else Counter()
    suited = [
        row
        for row in rows
        if suits(row, wanted)
        # In a small city one gateway may have nearly all devices, and nothing could happen to the rest any more.
        and (gateway is None or behind[row[gateway]] * 3 <= len(rows))
        and not used & {str(row[device]), "" if entry.get("shares") else str(row[owner])}
        and ("beside" not in entry or _neighbours(fleet, entry["beside"], row, used))
    ]
    return suited[int(chance(fleet.seed, number, _DEVICE) * len(suited))] if suited else None


def _behind(fleet: Fleet, entry: Mapping[str, Any], row: Row, gateway: str, begin: int) -> list[Incident]:
    """The same for every device behind a device's gateway; only the gateway itself is expected to be told of."""
    rows = _rows(fleet, entry["feed"])
    mates = [_incident(fleet, entry, other, begin) for other in rows if other[gateway] == row[gateway]]
    told = replace(mates[0], object_id=str(row[gateway]))
    return [told, *(replace(mate, rule_id="") for mate in mates[1:])]


def _neighbours(fleet: Fleet, beside: Mapping[str, Any], row: Row, used: set[str]) -> list[Row]:
    """Stations of another kind at the same place, to which nothing happens yet."""
    _, device, owner = fleet.speaker_column(beside["feed"])
    wanted = where_of(beside.get("where"))
    return [
        other
        for other in _rows(fleet, beside["feed"])
        if suits(other, wanted)
        and not used & {str(other[device]), str(other[owner])}
        and math.hypot((other["_lon"] - row["_lon"]) * math.cos(math.radians(row["_lat"])), other["_lat"] - row["_lat"])
        * METRES_PER_DEGREE
        < _BESIDE_M
    ]


def _begin(fleet: Fleet, entry: Mapping[str, Any], number: int, start: int, end: int) -> int | None:
    """When it begins: anywhere in the span that leaves room for all of it, in its hours if it has any."""
    first, last = start + _BEFORE_S, end - _AFTER_S - entry["minutes"] * 60
    if last < first:
        return None
    for attempt in range(200):
        at = first + int(chance(fleet.seed, number, attempt, _START) * (last - first + 1))
        if may_begin(entry, at):
            return at // 60 * 60
    return None


def _incident(fleet: Fleet, entry: Mapping[str, Any], row: Row, begin: int) -> Incident:
    _, device, owner = fleet.speaker_column(entry["feed"])
    return Incident(
        rule_id=entry["rule"],
        colour=entry["colour"],
        feed_id=entry["feed"],
        object_id=str(row[owner]),
        device_id=str(row[device]),
        starts_at=begin,
        ends_at=begin + entry["minutes"] * 60,
        curves={metric: _curve(points, row) for metric, points in entry.get("curves", {}).items()},
        marks=entry.get("marks", {}),
        also=tuple((str(rule), str(colour)) for rule, colour in entry.get("also", ())),
    )


def _curve(points: Sequence[Sequence[Any]], row: Row) -> Curve:
    times = tuple(float(point[0]) * 60 for point in points)
    return Curve(times, tuple(level(list(point[1:]) if len(point) > 2 else point[1], row) for point in points))


def _local(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC).astimezone(BEIJING).replace(tzinfo=None)

"""Which incidents happen, where and when: the entries of `data/incidents.yaml` laid over a city and a span of time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, Literal

import numpy as np
import yaml

from city.clock import BEIJING
from city.geography import METRES_PER_DEGREE
from city.live.fleet import Fleet, point_kind
from city.live.incident import Curve, Incident
from city.live.noise import chance, hour_of
from city.truth import Truth

Mode = Literal["default", "quiet"]
Row = Mapping[str, Any]

# Feed → its register, and the columns there that name device and object.
_TARGETS = {
    "urban.gas_reading": ("urban.gas_device", "设备编码", "监测部位编码"),
    "urban.tunnel_reading": ("urban.tunnel_device", "设备编码", "舱室编码"),
    "emergency.tailings_sensor": ("emergency.tailings_point", "测点编码", "尾矿库编码"),
    "water.river_reading": ("water.station", "rtuAddr", "stcd"),
    "water.rain_reading": ("water.station", "rtuAddr", "stcd"),
    "transport.vehicle_position": ("transport.vehicle", "zdh", "clbh"),
    "transport.driver_behaviour": ("transport.vehicle", "zdh", "clbh"),
    "fire.device_state": ("fire.device", "czdz", "dwbm"),
    "fire.device_reading": ("fire.device", "czdz", "dwbm"),
    "housing.dust_reading": ("housing.dust_monitor", "mn", "project_code"),
    "ecology.outfall_reading": ("ecology.outfall", "mn", "outfallCode"),
}
# Red depth of the phreatic line by dam height, straight between the ends that GB 50863 gives.
_HEIGHTS_M, _RED_DEPTHS_M = (0, 30, 60, 100, 150, 300), (2, 2, 4, 6, 8, 10)
# Quiet time that devices get before an incident and rules after it.
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

    No two incidents share a device. Raises ValueError for naive instants or a span turned round.
    """
    if starts_at.tzinfo is None or ends_at.tzinfo is None or ends_at <= starts_at:
        raise ValueError(f"span {starts_at} to {ends_at}: expected two aware instants, the earlier one first")
    start, end = int(starts_at.timestamp()), int(ends_at.timestamp())
    if mode == "quiet":
        return Plan(start, end)
    used: set[str] = set()
    incidents: list[Incident] = []
    for number, entry in enumerate(_entries()):
        row = _pick(fleet, entry, number, used)
        begin = _begin(fleet, entry, number, start, end)
        if row is None or begin is None:
            continue
        several = [_incident(entry, row, begin)]
        if beside := entry.get("beside"):
            neighbour = _neighbours(fleet, beside, row, used)[0]
            several.append(_incident(beside, neighbour, begin + beside["after"] * 60))
        elif gateway := entry.get("gateway"):
            several = _behind(fleet, entry, row, gateway, begin)
        if used & {i.device_id for i in several}:
            continue
        for incident in several:
            used |= {incident.object_id, incident.device_id}
        incidents += several
    return Plan(start, end, tuple(sorted(incidents, key=lambda i: (i.starts_at, i.device_id))))


def _entries() -> list[dict[str, Any]]:
    text = files("city").joinpath("data/incidents.yaml").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = yaml.load(text, Loader=yaml.CSafeLoader)
    return found


def _rows(fleet: Fleet, feed_id: str) -> Iterator[Row]:
    """Register rows of a feed's devices, with what incidents need to know of their objects."""
    register, _, _ = _TARGETS[feed_id]
    rows = fleet.registers[register]
    if register != "emergency.tailings_point":
        yield from rows
        return
    ponds = {row["WKKBM"]: row for row in fleet.registers["emergency.tailings_pond"]}
    for row in rows:
        pond = ponds[row["尾矿库编码"]]
        depth = float(np.interp(float(pond["BG"]), _HEIGHTS_M, _RED_DEPTHS_M))
        yield {**pond, **row, "_kind": point_kind(row["测点编码"]), "_red_depth_m": depth}


def _pick(fleet: Fleet, entry: Mapping[str, Any], number: int, used: set[str]) -> Row | None:
    """A device that suits an entry and nothing happens to yet."""
    _, device, owner = _TARGETS[entry["feed"]]
    wanted: Mapping[str, Sequence[str]] = entry.get("where", {})
    rows, gateway = list(_rows(fleet, entry["feed"])), entry.get("gateway")
    behind = Counter(row[gateway] for row in rows) if gateway else Counter()
    suited = [
        row
        for row in rows
        if all(row[name] in values for name, values in wanted.items())
        # In a small city one gateway may have nearly all devices, and nothing could happen to the rest any more.
        and (gateway is None or behind[row[gateway]] * 3 <= len(rows))
        and not used & {str(row[device]), "" if entry.get("shares") else str(row[owner])}
        and ("beside" not in entry or _neighbours(fleet, entry["beside"], row, used))
    ]
    return suited[int(chance(fleet.seed, number, _DEVICE) * len(suited))] if suited else None


def _behind(fleet: Fleet, entry: Mapping[str, Any], row: Row, gateway: str, begin: int) -> list[Incident]:
    """The same for every device behind a device's gateway; only the gateway itself is expected to be told of."""
    rows = _rows(fleet, entry["feed"])
    mates = [_incident(entry, other, begin) for other in rows if other[gateway] == row[gateway]]
    told = replace(mates[0], object_id=str(row[gateway]))
    return [told, *(replace(mate, rule_id="") for mate in mates[1:])]


def _neighbours(fleet: Fleet, beside: Mapping[str, Any], row: Row, used: set[str]) -> list[Row]:
    """Stations of another kind at the same place, to which nothing happens yet."""
    wanted: Mapping[str, Sequence[str]] = beside["where"]
    return [
        other
        for other in _rows(fleet, beside["feed"])
        if all(other[name] in values for name, values in wanted.items())
        and not used & {str(other["rtuAddr"]), str(other["stcd"])}
        and math.hypot((other["lgtd"] - row["lgtd"]) * math.cos(math.radians(row["lttd"])), other["lttd"] - row["lttd"])
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
        hours = entry.get("hours")
        if hours is None or hours[0] <= hour_of(at) < hours[1] or hours[0] <= hour_of(at) + 24 < hours[1]:
            return at // 60 * 60
    return None


def _incident(entry: Mapping[str, Any], row: Row, begin: int) -> Incident:
    _, device, owner = _TARGETS[entry["feed"]]
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
    seconds, values = [], []
    for minute, value, *scaled in points:
        seconds.append(float(minute) * 60)
        values.append(float(row[value]) * scaled[0] + scaled[1] if scaled else float(value))
    return Curve(tuple(seconds), tuple(values))


def _local(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC).astimezone(BEIJING).replace(tzinfo=None)

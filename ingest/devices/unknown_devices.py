"""How much devices in no register may say: enough for an alarm to be heard, too little to fill anything.

What they send lands nowhere; alerting rings when there is danger in it. Each is heard every few seconds, and of each
department only so many a minute, however many ids somebody makes up. Chatter never takes the place of danger: what a
protocol calls an alarm, and the devices with the highest and lowest values of a feed in a minute, have room of their
own. Several devices are: one that is broken at the end of its range hides no other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import inf, isfinite
from typing import Any

from core.contract import Column, Contract
from ingest.parse.columns import physical_names

EVERY = timedelta(seconds=5)
MOST_A_MINUTE = 200  # messages of one department's strangers, and as many again of alarms and of extreme values
FEW = 3  # devices whose values are the highest, and as many the lowest
_MINUTE = timedelta(minutes=1)
_NUMBERS = ("number", "integer", "boolean")

Record = Mapping[str, Any]
_Key = tuple[str, str]  # raw feed, device


@dataclass(frozen=True, slots=True)
class _Range:
    """What a field can mean: values that are codes mean nothing, those beyond its limits no more than the limit."""

    lowest: float = -inf
    highest: float = inf
    codes: frozenset[float] = frozenset()

    def value(self, sent: Any) -> float | None:
        value = _number(sent)
        return None if value is None or value in self.codes else min(max(value, self.lowest), self.highest)

    def also(self, other: _Range) -> _Range:
        """Of a field that several contracts read: what either allows."""
        return _Range(min(self.lowest, other.lowest), max(self.highest, other.highest), self.codes & other.codes)


@dataclass(slots=True)
class _Room:
    """Messages of one kind: each device every few seconds, so many together."""

    heard: dict[_Key, datetime] = field(default_factory=dict)
    count: int = 0

    @property
    def is_full(self) -> bool:
        return self.count >= MOST_A_MINUTE

    def take(self, key: _Key, now: datetime, *, at_once: bool = False) -> bool:
        """Whether there is room; `at_once` for what cannot wait until its device is due again."""
        is_due = at_once or now - self.heard.get(key, now - EVERY) >= EVERY
        if not is_due or self.is_full:
            return False
        self.heard[key] = now
        self.count += 1
        return True

    def begin(self, now: datetime) -> None:
        """A new minute."""
        self.heard = {key: at for key, at in self.heard.items() if now - at < EVERY}
        self.count = 0


@dataclass(slots=True)
class _Department:
    """One minute of one department. Of equal extremes those that came first count."""

    began_at: datetime
    alarms: _Room = field(default_factory=_Room)
    extremes: _Room = field(default_factory=_Room)
    held: _Room = field(default_factory=_Room)  # extremes that go on
    others: _Room = field(default_factory=_Room)
    furthest: dict[tuple[str, str, int], dict[str, float]] = field(default_factory=dict)  # feed, field, sign → devices

    def begin(self, now: datetime) -> None:
        """A new minute."""
        self.began_at = now
        for room in (self.alarms, self.extremes, self.held, self.others):
            room.begin(now)
        self.furthest.clear()


class UnknownDevices:
    """Remembers one minute of each department."""

    def __init__(self, contracts: Mapping[str, Contract]) -> None:
        self._departments: dict[str, _Department] = {}
        self._fields: defaultdict[str, dict[str, _Range]] = defaultdict(dict)
        for contract in contracts.values():
            for column in contract.columns:
                is_measured = column.logical_type in _NUMBERS and column.concept not in ("lon", "lat")
                if contract.is_stream and is_measured and column.key_position is None:
                    fields, found = self._fields[contract.raw_feed], _range_of(column)
                    fields.update({name: fields.get(name, found).also(found) for name in physical_names(column)})

    def may_speak(
        self, feed_id: str, device_id: str, records: Iterable[Record], now: datetime, *, is_alarm: bool = False
    ) -> bool:
        """Whether a message is let through; `is_alarm` when its protocol sees an alarm in it.

        `records` are looked at only where they can decide it: reading them may cost more than letting them through.
        """
        name, key = feed_id.partition(".")[0], (feed_id, device_id)
        department = self._departments.setdefault(name, _Department(now))
        if now - department.began_at >= _MINUTE:
            department.begin(now)
        if (is_alarm and department.alarms.take(key, now)) or department.others.take(key, now):
            return True
        if department.extremes.is_full and department.held.is_full:
            return False
        is_new, is_held = self._extreme(department, feed_id, device_id, records)
        if is_new and department.extremes.take(key, now, at_once=True):
            department.held.heard[key] = now
            return True
        return (is_new or is_held) and department.held.take(key, now)

    def _extreme(
        self, department: _Department, feed_id: str, device_id: str, records: Iterable[Record]
    ) -> tuple[bool, bool]:
        """Whether a value is among the furthest of the minute, and whether it still is."""
        is_new = is_held = False
        for record in records:
            for name in self._fields[feed_id].keys() & record.keys():
                value = self._fields[feed_id][name].value(record[name])
                if value is None:
                    continue
                for sign in (1, -1):
                    furthest = department.furthest.setdefault((feed_id, name, sign), {})
                    is_new |= _goes_further(furthest, device_id, sign * value)
                    is_held |= furthest.get(device_id) == sign * value
        return is_new, is_held


def _goes_further(furthest: dict[str, float], device_id: str, reach: float) -> bool:
    """Whether a device comes among the few that went furthest, or goes further than before; it is noted there."""
    if device_id not in furthest and len(furthest) >= FEW:
        nearest = min(reversed(furthest), key=furthest.__getitem__)  # of equals the last
        if reach <= furthest[nearest]:
            return False
        del furthest[nearest]
    elif reach <= furthest.get(device_id, -inf):
        return False
    furthest[device_id] = reach
    return True


def _range_of(column: Column) -> _Range:
    """The limits of a column as its source sends it; none where that is in another unit."""
    codes = frozenset(column.fault_codes)
    if column.source_unit != column.unit:
        return _Range(codes=codes)
    return _Range(
        -inf if column.minimum is None else column.minimum, inf if column.maximum is None else column.maximum, codes
    )


def _number(value: Any) -> float | None:
    """A finite number as devices write one; None for anything else."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):  # an integer may be beyond every float
        return None
    return found if isfinite(found) else None

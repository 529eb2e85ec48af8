"""How much devices in no register may say: enough for an alarm to be heard, too little to fill anything.

What they send lands nowhere; alerting rings when there is danger in it. Each is heard every few seconds, and of each
department only so many a minute, however many ids somebody makes up. Chatter never takes the place of danger: what a
protocol calls an alarm, and the highest and lowest value of a feed in a minute, have room of their own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import isfinite
from typing import Any

from ingest.contract import Contract
from ingest.parse.columns import physical_names

EVERY = timedelta(seconds=5)
MOST_A_MINUTE = 200  # messages of one department's strangers, and as many again of alarms and of extreme values
_MINUTE = timedelta(minutes=1)
_NUMBERS = ("number", "integer", "boolean")

Record = Mapping[str, Any]
_Key = tuple[str, str]  # raw feed, device


@dataclass(slots=True)
class _Room:
    """Messages of one kind: each device every few seconds, so many together."""

    heard: dict[_Key, datetime] = field(default_factory=dict)
    count: int = 0

    def take(self, key: _Key, now: datetime, *, at_once: bool = False) -> bool:
        """Whether there is room; `at_once` for what cannot wait until its device is due again."""
        is_due = at_once or now - self.heard.get(key, now - EVERY) >= EVERY
        if not is_due or self.count >= MOST_A_MINUTE:
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
    """One minute of one department. An extreme belongs to the device that sent it first."""

    began_at: datetime
    alarms: _Room = field(default_factory=_Room)
    extremes: _Room = field(default_factory=_Room)
    others: _Room = field(default_factory=_Room)
    highest: dict[_Key, tuple[float, str]] = field(default_factory=dict)  # raw feed and field → value, device
    lowest: dict[_Key, tuple[float, str]] = field(default_factory=dict)

    def begin(self, now: datetime) -> None:
        """A new minute."""
        self.began_at = now
        for room in (self.alarms, self.extremes, self.others):
            room.begin(now)
        self.highest.clear()
        self.lowest.clear()


class Strangers:
    """Remembers one minute of each department."""

    def __init__(self, contracts: Mapping[str, Contract]) -> None:
        self._departments: dict[str, _Department] = {}
        self._fields: defaultdict[str, set[str]] = defaultdict(set)
        for contract in contracts.values():
            for column in contract.columns:
                is_measured = column.logical_type in _NUMBERS and column.concept not in ("lon", "lat")
                if contract.is_stream and is_measured and column.key_position is None:
                    self._fields[contract.raw_feed].update(physical_names(column))

    def may_speak(
        self, feed_id: str, device_id: str, records: Iterable[Record], now: datetime, *, is_alarm: bool = False
    ) -> bool:
        """Whether a message is let through; `is_alarm` when its protocol sees an alarm in it."""
        name, key = feed_id.partition(".")[0], (feed_id, device_id)
        department = self._departments.setdefault(name, _Department(now))
        if now - department.began_at >= _MINUTE:
            department.begin(now)
        is_new, is_held = self._extreme(department, feed_id, device_id, records)
        return (
            (is_alarm and department.alarms.take(key, now))
            or department.others.take(key, now)
            or ((is_new or is_held) and department.extremes.take(key, now, at_once=is_new))
        )

    def _extreme(
        self, department: _Department, feed_id: str, device_id: str, records: Iterable[Record]
    ) -> tuple[bool, bool]:
        """Whether a value lies beyond all others of the minute, and whether it is still the one that does."""
        is_new = is_held = False
        for record in records:
            for name in self._fields[feed_id] & record.keys():
                value = _number(record[name])
                if value is None:
                    continue
                for sign, known in ((1, department.highest), (-1, department.lowest)):
                    before = known.get((feed_id, name))
                    if before is None or sign * value > sign * before[0]:
                        known[feed_id, name] = (value, device_id)
                        is_new = True
                    elif before == (value, device_id):
                        is_held = True
        return is_new, is_held


def _number(value: Any) -> float | None:
    """A finite number as devices write one; None for anything else."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):  # an integer may be beyond every float
        return None
    return found if isfinite(found) else None

"""What intake's marks of a row mean to rules: when it counts, whether it is past, which values lie beyond their range.

Time is judged against receipt at the first door. The future owns no state; a device's clock that runs behind counts as
late at most as a rule allows; only rows that intake marks `late` are past. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

RECEIVED, FLAGS, SENDER = "_received_at", "_flags", "_sender"  # columns of a LIVE batch beside the contract's
LATE, CLOCK_WRONG, OVER_RANGE, PAST_DANGER = "late", "clock_wrong", "over_range", "past_danger"
LAST_KNOWN, STALE = "last_known", "stale"  # of what landed before alerting began, see `alerting.last_values`
UNKNOWN_DEVICE, UNREADABLE, DEVICE_FAULT = "unknown_device", "unreadable", "device_fault"
# In Chinese and in English, for people.
WORDS = {
    CLOCK_WRONG: ("时钟错误", "Clock wrong"),
    LATE: ("迟到数据", "Late data"),
    OVER_RANGE: ("超量程", "Over range"),
    PAST_DANGER: ("过去险情", "Past danger"),
    LAST_KNOWN: ("按最后已知值判定", "Judged from the last known value"),
    STALE: ("数据已过约定时限", "Older than agreed"),
    UNKNOWN_DEVICE: ("未登记设备", "Unknown device"),
    UNREADABLE: ("无法解读", "Unreadable"),
    DEVICE_FAULT: ("设备故障", "Device fault"),
}
NEEDS_TWO_NAMES = frozenset(
    {OVER_RANGE, LATE, LAST_KNOWN, STALE}
)  # nothing of it is published before one asked and another released it
NEVER_PUBLIC = frozenset({PAST_DANGER, UNKNOWN_DEVICE, UNREADABLE, DEVICE_FAULT})
_OUT, FAULT_FLAG = "out_of_range:", "device_fault:"


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks of one row; `outside` and `faulty` name columns."""

    is_late: bool = False
    is_clock_wrong: bool = False
    outside: frozenset[str] = frozenset()
    faulty: frozenset[str] = frozenset()


PLAIN = Marks()


@lru_cache(maxsize=4096)
def marks_of(flags: str) -> Marks:
    """The marks in a row's `_flags`; what rules do not know says nothing to them."""
    words = [word.strip() for word in flags.split(",")]
    return Marks(
        LATE in words,
        CLOCK_WRONG in words,
        frozenset(word.removeprefix(_OUT) for word in words if word.startswith(_OUT)),
        frozenset(word.removeprefix(FAULT_FLAG) for word in words if word.startswith(FAULT_FLAG)),
    )


class Received:
    """When each row of a batch came in, and how it is marked."""

    __slots__ = ("_flags", "_receipts", "_received")

    def __init__(self, columns: Mapping[str, Sequence[Any]], received: int) -> None:
        self._flags = columns.get(FLAGS)
        self._receipts = columns.get(RECEIVED)
        self._received = received

    def marks(self, i: int) -> Marks:
        """The marks of a row."""
        text = self._flags[i] if self._flags is not None else None
        return marks_of(text) if text else PLAIN

    def at(self, i: int) -> int:
        """Receipt of a row at the first door; never after the batch, which came later."""
        receipt = self._receipts[i] if self._receipts is not None else None
        return self._received if receipt is None else min(receipt, self._received)

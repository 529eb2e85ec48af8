"""How far device clocks are from receipt at the first door, for the page *Device health*.

A clock is what the device says of its sending, else the event time of what it sent live. Only devices whose clock is
off, or was, are remembered, so that a city of right clocks costs nothing. A restart goes on with what was written.
Not here: whose time is believed.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import sqlalchemy as sa

from core.contract import Contract
from core.store import tables
from core.stream.live import instant
from ingest.values.times import read_instants

NEAR = timedelta(minutes=1)  # a clock so close to receipt is right
MOST_LATENESS = timedelta(hours=1)  # a reading within its feed's lateness, but no more, says nothing about the clock
JUMP = timedelta(minutes=10)
READINGS = 5  # that the median is of
MOST_DEVICES = 20_000
ROWS_A_WRITE = 2000
WORTH_WRITING_S = 30

Key = tuple[str, str]
_US = timedelta(microseconds=1)
UNSET = np.iinfo(np.int64).min


@dataclass(slots=True)
class DeviceClock:
    """One device's last readings: offsets in seconds, None where it told no time, and which of them were off."""

    since_at: datetime
    seen_at: datetime
    offsets: deque[int | None] = field(default_factory=lambda: deque(maxlen=READINGS))
    off: deque[bool] = field(default_factory=lambda: deque(maxlen=READINGS))
    jumped_at: datetime | None = None
    written: tuple[int | None, bool] | None = None

    @property
    def offset_s(self) -> int | None:
        """The median of the last readings, positive when the clock is ahead; None when most had no time."""
        known = [one for one in self.offsets if one is not None]
        return round(median(known)) if 2 * len(known) >= len(self.offsets) else None

    @property
    def is_off(self) -> bool:
        """Whether most of the last readings had a wrong time."""
        return 2 * sum(self.off) > len(self.off)

    def hear(self, offset_s: int | None, is_off: bool, at: datetime) -> None:
        """One more reading."""
        if is_off and not self.is_off:
            self.since_at = at
        if self.offsets and _is_jump(self.offsets[-1], offset_s):
            self.jumped_at = at
        self.offsets.append(offset_s)
        self.off.append(is_off)
        self.seen_at = at

    @property
    def is_news(self) -> bool:
        """Whether the page would show something else than what was written last."""
        if self.written is None or self.jumped_at == self.seen_at:
            return True
        offset_s, was_off = self.written
        now_s = self.offset_s
        if was_off != self.is_off or (offset_s is None) != (now_s is None):
            return True
        return offset_s is not None and now_s is not None and abs(offset_s - now_s) >= WORTH_WRITING_S


class ClockTracker:
    """Clocks that are off, of all feeds. One thread notes; `take_changed` gives rows of its own."""

    def __init__(self) -> None:
        self._clocks: dict[str, OrderedDict[str, DeviceClock]] = {}
        self._changed: OrderedDict[Key, None] = OrderedDict()

    def load(self, engine: sa.Engine) -> None:
        """Go on from what was written before."""
        with engine.connect() as connection:
            for row in connection.execute(sa.select(tables.device_clock)).mappings():
                clock = DeviceClock(row["since_at"], row["seen_at"], jumped_at=row["jumped_at"])
                clock.offsets.append(row["offset_s"])
                clock.off.append(row["is_off"])
                clock.written = row["offset_s"], row["is_off"]
                self._clocks.setdefault(row["raw_feed"], OrderedDict())[row["device_id"]] = clock

    def note(self, contract: Contract, frame: pl.DataFrame) -> None:
        """Look at conformed rows in arrival order."""
        owner = contract.by_concept("device_id")
        if owner is None or contract.event_time is None or frame.is_empty():
            return
        offsets_us = _offsets_us(contract, frame)
        behind = NEAR if contract.by_concept("transmitted_at") else NEAR + min(contract.late_after, MOST_LATENESS)
        is_off = (offsets_us > NEAR // _US) | (offsets_us < -(behind // _US))
        clocks = self._clocks.setdefault(contract.raw_feed, OrderedDict())
        if not clocks and not is_off.any():
            return
        devices, received_us = frame[owner.landed_name].to_list(), frame["_received_at"].to_physical().to_list()
        for row in np.flatnonzero(_tells(contract, frame)).tolist():
            device = devices[row]
            if device is not None and (is_off[row] or device in clocks):
                offset_us = int(offsets_us[row])
                offset_s = None if offset_us == UNSET else round(offset_us / 1_000_000)
                self._hear(contract.raw_feed, device, offset_s, bool(is_off[row]), instant(received_us[row]))

    def take_changed(self) -> list[dict[str, Any]]:
        """Rows of clocks of which the page would show something new, those first that have waited longest."""
        keys = [self._changed.popitem(last=False)[0] for _ in range(min(ROWS_A_WRITE, len(self._changed)))]
        return [row for key in keys if (row := self._row(key)) is not None]

    def _hear(self, raw_feed: str, device_id: str, offset_s: int | None, is_off: bool, at: datetime) -> None:
        clocks = self._clocks[raw_feed]
        clock = clocks.setdefault(device_id, DeviceClock(at, at))
        clock.hear(offset_s, is_off, at)
        if clock.is_news:
            self._changed[raw_feed, device_id] = None
        if len(clocks) > MOST_DEVICES:
            clocks.popitem(last=False)

    def _row(self, key: Key) -> dict[str, Any] | None:
        raw_feed, device_id = key
        clock = self._clocks[raw_feed].get(device_id)
        if clock is None:
            return None
        clock.written = clock.offset_s, clock.is_off
        return {
            "raw_feed": raw_feed,
            "device_id": device_id,
            "offset_s": clock.offset_s,
            "is_off": clock.is_off,
            "since_at": clock.since_at,
            "seen_at": clock.seen_at,
            "jumped_at": clock.jumped_at,
        }


def write_clocks(engine: sa.Engine, rows: list[dict[str, Any]]) -> None:
    """Replace the rows of these devices, in one transaction."""
    if not rows:
        return
    clock = tables.device_clock
    keys = [{"feed": row["raw_feed"], "device": row["device_id"]} for row in rows]
    with engine.begin() as connection:
        where = (clock.c.raw_feed == sa.bindparam("feed"), clock.c.device_id == sa.bindparam("device"))
        connection.execute(sa.delete(clock).where(*where), keys)
        connection.execute(sa.insert(clock), rows)


def _offsets_us(contract: Contract, frame: pl.DataFrame) -> npt.NDArray[np.int64]:
    """The device's time less receipt, `UNSET` where it told none."""
    event, sent = contract.event_time, contract.by_concept("transmitted_at")
    assert event is not None
    told = frame[event.landed_name]
    replaced = frame["_event_time_sent"]
    if replaced.null_count() < len(replaced):
        as_sent = read_instants(replaced, event, is_sheet=False)
        told = told.zip_with(replaced.is_null(), as_sent)
    if sent is not None:
        told = frame[sent.landed_name].zip_with(frame[sent.landed_name].is_not_null(), told)
    times, received = told.to_physical(), frame["_received_at"].to_physical().to_numpy()
    known: npt.NDArray[np.int64] = times.fill_null(UNSET).to_numpy()
    return np.where(known == UNSET, UNSET, known - received) if times.null_count() else known - received


def _tells(contract: Contract, frame: pl.DataFrame) -> npt.NDArray[np.bool_]:
    """Rows that tell of the clock: those with a time of sending, and of the others all but late ones."""
    is_late = frame["_flags"].str.split(",").list.contains("late")
    sent = contract.by_concept("transmitted_at")
    return (~is_late if sent is None else ~is_late | frame[sent.landed_name].is_not_null()).to_numpy()


def _is_jump(before_s: int | None, after_s: int | None) -> bool:
    if before_s is None or after_s is None:
        return before_s is not after_s
    return abs(after_s - before_s) > JUMP.total_seconds()

"""Event times of devices against receipt at the first door: whose clock is believed, and what came late.

A device's clock never decides whether it is heard. A time that is unset, impossible, from before devices spoke this
way, or from the future is replaced by receipt, and so is an old time that nothing explains. An old time is explained
when it came as history, or looks like back-fill: after a silence, in a burst, each time newer than what the device
said last. A clock that stands or runs slow can look so once, for one reading interval at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import repeat
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from core.contract import Contract

Mask = npt.NDArray[np.bool_]
Instants = npt.NDArray[np.int64]  # microseconds since 1970 UTC

UNSET = np.iinfo(np.int64).min
FUTURE_TOLERANCE = timedelta(minutes=10)
MOST_LATENESS = timedelta(hours=2)  # an event feed may be silent for days; its frames may not be so late unmarked
# What devices of none of our protocols can have seen: JT/T 808 and GB/T 26875.3 are of 2011.
EARLIEST = datetime(2011, 1, 1, tzinfo=UTC)

_US = timedelta(microseconds=1)
_EARLIEST_US = (EARLIEST - datetime(1970, 1, 1, tzinfo=UTC)) // _US
_MOST_DEVICES = 2_000_000
_MANY_ROWS = 10_000  # more rows than that are worth a search for the last of each device


@dataclass(frozen=True, slots=True)
class Judged:
    """Rows whose clock is wrong: receipt stands for their time; rows that are late: they keep their past."""

    wrong: Mask
    late: Mask


class _Heard(NamedTuple):
    """What a device said last: event time and receipt (µs); `burst_us` is where its old times began, 0 while live."""

    event_us: int
    received_us: int
    burst_us: int = 0


class DeviceClocks:
    """Remembers what each device of one feed said last. A device that is forgotten is judged as if new."""

    def __init__(self) -> None:
        self._heard: dict[str | None, tuple[int, int, int]] = {}  # fields of _Heard: bare tuples are kept every tick

    def judge(
        self, contract: Contract, devices: pl.Series, events: Instants, received: Instants, history: Mask
    ) -> Judged:
        """Judge rows in order of receipt: event times (`UNSET` where there is none), receipts, what came as history."""
        lateness_us = min(contract.late_after, MOST_LATENESS) // _US
        wrong = (events < _EARLIEST_US) | (events > received + FUTURE_TOLERANCE // _US)
        old = ~wrong & (events < received - lateness_us)
        late = old & history
        if len(self._heard) > _MOST_DEVICES:
            self._heard.clear()
        if not (old & ~history).any():
            self._hear(devices, np.where(wrong, received, events), received, ~history | wrong)
            return Judged(wrong, late)
        names, interval_us = devices.to_list(), contract.cadence // _US
        told = np.flatnonzero(~history | wrong)
        # One message may bring its buffer newest first: what came at one instant is judged oldest first.
        for row in told[np.lexsort((events[told], received[told]))].tolist():
            device, at = names[row] or "", int(received[row])
            if not old[row]:
                self._heard[device] = _Heard(at if wrong[row] else int(events[row]), at)
            elif (burst := self._burst(device, int(events[row]), at, interval_us)) is not None:
                late[row] = True
                self._heard[device] = _Heard(int(events[row]), at, burst)
            else:
                wrong[row] = True
                self._heard[device] = _Heard(at, at)
        return Judged(wrong, late)

    def _burst(self, device: str, event: int, at: int, interval_us: int) -> int | None:
        """The start of the burst of back-fill that an old time belongs to; None for one that nothing explains."""
        known = self._heard.get(device)
        if known is None:
            return at
        last = _Heard._make(known)
        if event <= last.event_us:
            return None
        if not last.burst_us:
            return at
        is_catching_up = event - last.event_us > at - last.received_us
        return last.burst_us if is_catching_up and at - last.burst_us <= interval_us else None

    def _hear(self, devices: pl.Series, events: Instants, received: Instants, chosen: Mask) -> None:
        """The last row of each device, when none of them needs a closer look."""
        if not chosen.all():
            devices, events, received = devices.filter(pl.Series(chosen)), events[chosen], received[chosen]
        if len(devices) > _MANY_ROWS:
            last = np.flatnonzero(devices.is_last_distinct().to_numpy())
            devices, events, received = devices.gather(last), events[last], received[last]
        heard = zip(events.tolist(), received.tolist(), repeat(0))  # endless: not strict
        self._heard.update(zip(devices.to_list(), heard, strict=True))

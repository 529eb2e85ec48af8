"""Which rows of a feed were seen before: devices send again what they are not sure of.

A row is known by a 64-bit hash of all its landed values, kept by feed and Beijing day of the event for today, its
neighbours, and no other day. The first row of a day that a process sees loads the hashes of what landed on it, so the
cost of a tick does not grow with history. The same key with other values is another row: a correction, which stays.
A row that returns to values of before a correction is a late retry: a device cannot say that it is none, its rules have
judged both values, and the correction came later.

Hashes live in one process only; two different rows share one once in 10^12 rows at a million rows a day, and a row
taken for a repeat is noted with its place. Rows of older days are compared with files where they land
(`ingest.land.repeats`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from core.civil_time import CIVIL_ZONE_NAME
from core.contract import Contract
from core.stages import value_schema

Hashes = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

FIRST_SLOTS = 1 << 12
MOST_SLOTS = 1 << 22  # 32 MB
FILLED = 0.7
_SEED = 20260701

Day = date | None
LandedRows = Callable[[Contract, Day], pl.DataFrame]


class HashTable:
    """A set of 64-bit hashes in open addressing; once full it remembers the newer half to all of it (2 × 2.9 M)."""

    def __init__(self, most_slots: int = MOST_SLOTS) -> None:
        self._most_slots = most_slots
        self._slots: Hashes = np.zeros(FIRST_SLOTS, dtype=np.uint64)
        self._older: Hashes | None = None
        self._count = 0

    def add(self, hashes: Hashes) -> Mask:
        """Remember hashes; gives which of them were not known. Of equal ones among them the first is new."""
        hashes = np.maximum(hashes, np.uint64(1))  # 0 is an empty slot
        fresh = ~_found(self._slots, hashes)
        if self._older is not None:
            fresh &= ~_found(self._older, hashes)
        places = np.flatnonzero(fresh)
        values, first = np.unique(hashes[places], return_index=True)
        fresh[:] = False
        fresh[places[first]] = True
        for start in range(0, len(values), FIRST_SLOTS // 2):
            part = values[start : start + FIRST_SLOTS // 2]
            self._make_room(len(part))
            _place(self._slots, part)
            self._count += len(part)
        return fresh

    def _make_room(self, n: int) -> None:
        while self._count + n > FILLED * len(self._slots):
            if len(self._slots) * 2 > self._most_slots:
                self._older, self._slots, self._count = self._slots, np.zeros_like(self._slots), 0
                return
            grown = np.zeros(len(self._slots) * 2, dtype=np.uint64)
            _place(grown, self._slots[self._slots != 0])
            self._slots = grown


class SeenRows:
    """The hashes of all feeds. `landed` reads what landed of a feed on a Beijing day (None: all of a register)."""

    def __init__(self, landed: LandedRows, most_slots: int = MOST_SLOTS) -> None:
        self._landed = landed
        self._most_slots = most_slots
        self._tables: dict[tuple[str, Day], HashTable] = {}
        self._today: Day = None

    def split(self, frame: pl.DataFrame, contract: Contract, today: date) -> tuple[Mask, Mask]:
        """Which rows were not seen before, and which of those are of a day that is not kept: nobody knows those."""
        self._forget(today)
        hashes = row_hashes(frame, contract)
        if contract.event_time is None:
            return self._table(contract, None).add(hashes), np.zeros(frame.height, dtype=bool)
        days = _civil_days(frame[contract.event_time.landed_name])
        fresh, unknown = np.ones(frame.height, dtype=bool), np.zeros(frame.height, dtype=bool)
        for number in np.unique(days):
            day, rows = date(1970, 1, 1) + timedelta(days=int(number)), days == number
            if abs(day - today) > timedelta(days=1):
                unknown |= rows
            else:
                fresh[rows] = self._table(contract, day).add(hashes[rows])
        return fresh, unknown

    def forget(self, contract: Contract, waiting: Sequence[pl.DataFrame]) -> None:
        """Know of a feed only what has landed and what waits to land: something of it was taken back."""
        for feed_id, day in list(self._tables):
            if feed_id == contract.id:
                del self._tables[feed_id, day]
        for frame in waiting:
            if self._today is not None:
                self.split(frame, contract, self._today)

    def _table(self, contract: Contract, day: Day) -> HashTable:
        table = self._tables.get((contract.id, day))
        if table is None:
            table = self._tables[contract.id, day] = HashTable(self._most_slots)
            table.add(row_hashes(self._landed(contract, day), contract))
        return table

    def _forget(self, today: date) -> None:
        if today == self._today:
            return
        self._today = today
        for feed_id, day in list(self._tables):
            if day is not None and abs(day - today) > timedelta(days=1):
                del self._tables[feed_id, day]


def row_hashes(frame: pl.DataFrame, contract: Contract) -> Hashes:
    """The hash of every row's values."""
    return frame.select(value_schema(contract).keys()).hash_rows(seed=_SEED).to_numpy()


def _civil_days(moments: pl.Series) -> npt.NDArray[np.int64]:
    """Days since 1970 in the city's zone."""
    local = moments.dt.convert_time_zone(CIVIL_ZONE_NAME).dt.date()
    return local.to_physical().to_numpy().astype(np.int64)


def _found(slots: Hashes, hashes: Hashes) -> Mask:
    """Which hashes stand in a table."""
    mask, found = len(slots) - 1, np.zeros(len(hashes), dtype=bool)
    rows, at = np.arange(len(hashes)), (hashes & np.uint64(mask)).astype(np.int64)
    while len(rows):
        there = slots[at]
        hit = there == hashes[rows]
        found[rows[hit]] = True
        go_on = ~hit & (there != 0)
        rows, at = rows[go_on], (at[go_on] + 1) & mask
    return found


def _place(slots: Hashes, values: Hashes) -> None:
    """Put distinct hashes that are not there into a table with room for them."""
    mask, at = len(slots) - 1, (values & np.uint64(len(slots) - 1)).astype(np.int64)
    while len(values):
        free = slots[at] == 0
        slots[at[free]] = values[free]  # of several for one slot the last stays, the others go on
        left = slots[at] != values
        values, at = values[left], (at[left] + 1) & mask

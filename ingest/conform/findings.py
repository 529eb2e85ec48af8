"""Collect what is wrong with rows, and decide at the end: one reason a row, notes, flags.

A row is lost for the first reason in the order of REASONS, whatever order the rules ran in; flags of rows that are
lost are dropped with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from core.contract import Column
from core.mask import mask_text
from core.stages import Note

Rows = npt.NDArray[np.int64]

# The order in which reasons claim a row.
REASONS = (
    "unknown_device",
    "foreign_device",
    "missing_key",
    "wrong_type",
    "device_fault",
    "out_of_range",
    "unit_mismatch",
    "duplicate",
    "late",
    "clock_wrong",
    "future_time",
    "wrong_time_zone",
    "swapped_lat_lon",
    "undeclared_datum",
    "unknown_area_code",
    "retired_area_code",
    "bad_check_digit",
    "invisible_character",
    "superseded",
)
# Reasons about one value: their mark in `_flags` names its column, so that its neighbours are not doubted.
VALUE_REASONS = frozenset({"wrong_type", "device_fault", "out_of_range", "unit_mismatch"})
_RANK = {reason: rank for rank, reason in enumerate(REASONS)}
_CLEAN = len(REASONS)
_FOUND_LENGTH = 80


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule's verdict on some rows of one column; `found` is the column as it was sent."""

    reason: str
    outcome: str
    rows: Rows
    column: Column | None
    found: pl.Series | None
    expected: str | None

    @property
    def mark(self) -> str:
        """How `_flags` says it."""
        if self.column is None or self.reason not in VALUE_REASONS:
            return self.reason
        return f"{self.reason}:{self.column.landed_name}"

    def note(self, row: int, locator: str) -> Note:
        """The note for one row, with personal values masked."""
        text = None if self.found is None else self.found[row]
        if text is not None and self.column is not None and self.column.is_personal:
            text = mask_text(text)
        name = None if self.column is None else self.column.name
        found = None if text is None else text[:_FOUND_LENGTH]
        return Note(self.reason, "row", self.outcome, locator, name, found, self.expected)


@dataclass
class Findings:
    """Everything found in one payload of `height` rows."""

    height: int
    _losses: list[Finding] = field(default_factory=list)
    _flags: list[Finding] = field(default_factory=list)
    _groups: list[Note] = field(default_factory=list)
    _rank: npt.NDArray[np.int8] = field(init=False)
    _winner: Rows = field(init=False)

    def __post_init__(self) -> None:
        """Start with every row clean."""
        self._rank = np.full(self.height, _CLEAN, dtype=np.int8)
        self._winner = np.full(self.height, -1, dtype=np.int64)

    def lose(
        self,
        reason: str,
        rows: Rows,
        column: Column | None,
        found: pl.Series | None,
        expected: str | None,
        outcome: str = "quarantined",
    ) -> None:
        """Take rows out, unless an earlier reason already has them."""
        claimed = self._claim(reason, rows)
        if len(claimed):
            self._winner[claimed] = len(self._losses)
            self._losses.append(Finding(reason, outcome, claimed, column, found, expected))

    def lose_group(
        self, reason: str, rows: Rows, column: Column | None, found: str, expected: str, locator: str = ""
    ) -> None:
        """Take a group of rows out with one note for all of them."""
        claimed = self._claim(reason, rows)
        if len(claimed):
            self._winner[claimed] = -1
            name = None if column is None else column.name
            self._groups.append(Note(reason, "batch", "quarantined", locator, name, found, expected, len(claimed)))

    def flag(
        self, reason: str, outcome: str, rows: Rows, column: Column | None, found: pl.Series | None, expected: str
    ) -> None:
        """Keep rows and say so: outcome `flagged` or `corrected`."""
        if len(rows):
            self._flags.append(Finding(reason, outcome, rows, column, found, expected))

    def open_for(self, reason: str) -> npt.NDArray[np.bool_]:
        """Which rows no earlier reason has claimed: those that a rule for `reason` should look at."""
        unclaimed: npt.NDArray[np.bool_] = self._rank > _RANK[reason]
        return unclaimed

    @property
    def kept(self) -> npt.NDArray[np.bool_]:
        """Which rows stay."""
        kept: npt.NDArray[np.bool_] = self._rank == _CLEAN
        return kept

    def notes(self, locators: pl.Series) -> tuple[Note, ...]:
        """One note a lost row, a note for each flag of a kept row, and the groups' notes."""
        return (*self._row_notes(locators), *self._groups)

    def flags(self) -> pl.Series:
        """Marks of flagged and corrected rows, comma-joined in order of REASONS; empty text when clean."""
        if not self._flags:
            return pl.Series("_flags", [""], dtype=pl.String).new_from_index(0, self.height)
        texts = [""] * self.height
        for finding in sorted(self._flags, key=lambda f: _RANK[f.reason]):
            for row in finding.rows.tolist():
                if finding.mark not in texts[row].split(","):
                    texts[row] = f"{texts[row]},{finding.mark}".removeprefix(",")
        return pl.Series("_flags", texts, dtype=pl.String)

    def _claim(self, reason: str, rows: Rows) -> Rows:
        rank = _RANK[reason]
        claimed: Rows = rows[self._rank[rows] > rank]
        self._rank[claimed] = rank
        return claimed

    def _row_notes(self, locators: pl.Series) -> Iterator[Note]:
        for number, finding in enumerate(self._losses):
            for row in finding.rows[self._winner[finding.rows] == number].tolist():
                yield finding.note(row, locators[row])
        kept = self.kept
        for finding in self._flags:
            for row in finding.rows[kept[finding.rows]].tolist():
                yield finding.note(row, locators[row])

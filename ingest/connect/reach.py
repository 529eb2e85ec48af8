"""What one pull of an HTTP feed has taken so far, and whether its pages moved while they were read.

Services page by offset. A row that is ranked anew, deleted or inserted between two pages shifts all others, and the one
at the border is never seen. So pages are watched, and read again until a reading brings nothing that was skipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.contract import Contract
from ingest.connect.mark import SEEN_LIMIT, Mark, Unseen, digest
from ingest.connect.progress import Progress, Rank
from ingest.parse.columns import physical_names


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: records as they were sent, their cursor values and keys, and the total that the answer states."""

    records: list[bytes]
    values: list[Any]
    keys: list[tuple[str, ...] | None]
    total: int | None


class Reach:
    """How far the records go that were taken so far, in whatever order they come."""

    def __init__(self, contract: Contract, mark: Mark, now: datetime) -> None:
        self.progress = Progress(contract, now)
        self._overlap = contract.overlap
        mark = self.progress.trusted(mark)
        self.floor_value = self.progress.floor(mark.since, self._overlap)
        self._floor = self.progress.rank(self.floor_value)
        self._unseen = mark.unseen()
        self._rank, self._value = self.progress.rank(mark.since), mark.since
        self._last: Rank | None = None  # the highest of this reading
        self._recent: list[tuple[Rank, str]] = []
        self._before = list(mark.seen) if self._rank is not None else []
        self._taken: list[str] = [*mark.seen, *mark.without]
        self._without = list(mark.without)
        self._border: Rank | None = None
        self.n_skipped = 0  # new records that an earlier reading of these pages had gone past
        self.is_ordered = True  # a mark in the middle is safe only while values never step back

    def again(self) -> None:
        """Begin another reading of the same pages: what was taken is known, and what is not was skipped."""
        self._unseen = Unseen(self._taken)
        self._before = [name for _, name in self._in_span()] or self._before
        self._border, self._last, self._recent = self._rank, None, []
        self.n_skipped = 0

    def take(self, record: bytes, value: Any) -> bool:
        """Whether the record is new; takes it in."""
        rank = self.progress.rank(value)
        if rank is None or self.progress.is_ahead(value):
            return self._take_aside(record)
        if self._floor is not None and rank < self._floor:
            return False
        if self._last is not None and rank < self._last:
            self.is_ordered = False
        self._last = rank if self._last is None else max(self._last, rank)
        if self._rank is None or rank > self._rank:
            self._rank, self._value, self._before = rank, value, []
        name = digest(record)
        self._recent.append((rank, name))
        if len(self._recent) > 4 * SEEN_LIMIT:
            self._recent = self._in_span()
        if not self._unseen.is_new_name(name):
            return False
        self._taken.append(name)
        self.n_skipped += self._border is not None and rank <= self._border
        return True

    def _take_aside(self, record: bytes) -> bool:
        """Records that no cursor can pass are remembered one by one."""
        name = digest(record)
        if not self._unseen.is_new_name(name):
            return False
        self._without.append(name)
        self._taken.append(name)
        return True

    def _in_span(self) -> list[tuple[Rank, str]]:
        """The records that the next read will be given again: those at the cursor, and in the overlap below it."""
        floor = self.progress.rank(self.progress.floor(self._value, self._overlap))
        return [one for one in self._recent if floor is None or one[0] >= floor]

    def mark(self) -> Mark:
        """Where a next read starts."""
        names = [name for _, name in self._in_span()]
        known = set(names)
        kept = [name for name in self._before if name not in known]  # at the cursor, and not given again this time
        return Mark(self._value, (*kept, *names), tuple(self._without))


class PageWatch:
    """Looks at one reading of a service's pages for signs that rows moved from page to page meanwhile."""

    def __init__(self, contract: Contract) -> None:
        columns = [] if contract.explode else [contract.column(name) for name in contract.key]
        self.names = [name.split(".") for column in columns for name in physical_names(column)]
        self._first: list[bytes] | None = None
        self._keys: set[tuple[str, ...]] = set()
        self._totals: list[int] = []
        self._n_pages = 0
        self.sign = ""  # what was seen, '' while everything stands still

    def see(self, page: Page) -> None:
        """Look at the next page."""
        self._n_pages += 1
        if self._first is None:
            self._first = page.records
        if page.total is not None:
            if self._totals and page.total < self._totals[-1]:
                self.sign = f"the total fell from {self._totals[-1]} to {page.total}"
            self._totals.append(page.total)
        keys = {key for key in page.keys if key is not None}
        again = self._keys & keys
        if again:
            self.sign = f"{len(again)} rows of page {self._n_pages} stood on a page before it"
        self._keys |= keys

    @property
    def asks_first_page(self) -> bool:
        """Whether only the first page, asked again, can show that rows moved."""
        return not self.sign and self._n_pages > 1

    def see_first_again(self, records: Sequence[bytes]) -> None:
        """Compare the first page with what it is now; rows that only joined it behind the others moved nothing."""
        before = self._first or []
        if list(records[: len(before)]) != before:
            self.sign = "the first page is another one than before"

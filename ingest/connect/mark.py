"""How far an incremental feed was read, so that no row is lost or handed over twice at any border.

Departments stamp many rows with one time, and a page, a chunk or a crash may end in the middle of them. So a mark is
a value of the cursor field *and* the digests of the rows with that value that were handed over: the next read asks
for everything from that value on, inclusive, and leaves those rows out.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from core.civil_time import CIVIL_ZONE_NAME
from core.contract import Contract
from ingest.values.times import EPOCH_FORMATS

Value = str | int | float
SEEN_LIMIT = 20_000  # digests that a cursor keeps; rows beyond come again and are recognised when they land


@dataclass(frozen=True, slots=True)
class Mark:
    """Everything before `since` was handed over, of the rows at it those in `seen`, of those with no value `without`.

    Where the contract asks for an overlap, `seen` holds the rows of that span below `since` as well. `count` stands in
    for `seen` when too many rows share the value to list them.
    """

    since: Value | None = None
    seen: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    count: int | None = None

    def text(self) -> str:
        """The mark as a cursor to store."""
        record: dict[str, object] = {"since": self.since, "seen": self.seen[-SEEN_LIMIT:]}
        record |= {"without": self.without[-SEEN_LIMIT:]} if self.without else {}
        record |= {"count": self.count} if self.count is not None else {}
        return json.dumps(record, ensure_ascii=False)

    def unseen(self) -> Unseen:
        """A filter that knows what was handed over."""
        return Unseen((*self.seen, *self.without))


class Unseen:
    """Leaves out each row as often as it was handed over before: a department's own repeats still come through."""

    def __init__(self, seen: Sequence[str]) -> None:
        self._left = Counter(seen)

    def __bool__(self) -> bool:
        return bool(self._left)

    def is_new(self, row: bytes) -> bool:
        """Whether this row was not handed over yet; asks about each row once."""
        return self.is_new_name(digest(row))

    def is_new_name(self, name: str) -> bool:
        """The same by the row's digest."""
        if self._left[name] > 0:
            self._left[name] -= 1
            return False
        return True


def read_mark(cursor: str | None) -> Mark:
    """The mark of a stored cursor. Raises ValueError for text that is none."""
    if cursor is None:
        return Mark()
    record = json.loads(cursor)
    return Mark(record["since"], tuple(record.get("seen", ())), tuple(record.get("without", ())), record.get("count"))


def digest(row: bytes) -> str:
    """A short name of a row's content."""
    return hashlib.blake2b(row, digest_size=8).hexdigest()


def cursor_at(contract: Contract, since: datetime) -> str:
    """A cursor that asks a feed again from an instant on, written as the department writes its times."""
    column = next((c for c in contract.columns if c.physical_name == contract.cursor_field), None)
    zone = ZoneInfo(column.source_time_zone if column else CIVIL_ZONE_NAME)
    form = column.source_formats[0] if column and column.source_formats else "%Y-%m-%d %H:%M:%S"
    if form in EPOCH_FORMATS:
        return Mark(round(since.timestamp() * 1_000_000) // EPOCH_FORMATS[form]).text()
    local = since.astimezone(zone)
    text = local.isoformat(timespec="seconds") if "%z" in form else local.strftime(form)
    return Mark(text).text()

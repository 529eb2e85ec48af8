"""What a change of a contract does to what has landed under the contract before: types, lost columns, keys.

Landed files carry their own types, so nothing has to be remembered: a file is compared with today's contract. What does
not fit is read where it can be and left empty where it cannot; the feed says so until it is landed again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import sqlalchemy as sa

from core.contract import Contract
from core.settings import Home
from core.store import tables

_TYPES: Mapping[str, type[pl.DataType]] = {
    "string": pl.String,
    "number": pl.Float64,
    "integer": pl.Int64,
    "boolean": pl.Boolean,
    "date": pl.Date,
    "timestamp": pl.Datetime,
}
_WORDS = {kind: word for word, kind in _TYPES.items()}
# Every value of the first is one of the second: the build casts them without loss.
_WIDENED = {("integer", "number"), ("date", "timestamp"), *((word, "string") for word in _TYPES)}


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """How a feed's landed files differ from its contract of today."""

    feed_id: str
    files: int  # that differ
    retyped: tuple[tuple[str, str, str], ...]  # column, landed as, contract says
    lost: tuple[str, ...]  # landed, in the contract no more: no longer read
    new: tuple[str, ...]  # in the contract, not landed: empty until it lands again
    key: tuple[str, ...]  # key columns among the new: rows that landed before cannot be told apart
    as_text: Mapping[Path, tuple[str, ...]]  # by file that has any: retyped columns, which the build reads leniently

    @property
    def is_broken(self) -> bool:
        """Whether the build cannot read all that the contract promises of what has landed."""
        return bool(self.retyped or self.key)

    @property
    def description(self) -> str:
        """What differs, what it breaks and the command that mends it, in one line."""
        parts = [
            f"{name} landed as {was}, the contract says {now}: read where it can be" for name, was, now in self.retyped
        ]
        parts += [f"key column {name} has not landed: the rows before it are left out" for name in self.key]
        parts += [f"column {name} is read no more" for name in self.lost]
        parts += [f"column {name} is empty in what landed before" for name in self.new if name not in self.key]
        return f"{self.feed_id}: {'; '.join(parts)} ({self.files} files); `cityrisk reland {self.feed_id}`"


def schema_changes(
    home: Home, engine: sa.Engine, contracts: Mapping[str, Contract], *, but: Collection[str] = ()
) -> list[SchemaChange]:
    """Every feed whose live files differ from its contract; `but`: ledger paths that cannot be read."""
    f = tables.file.c
    with engine.connect() as connection:
        rows = connection.execute(sa.select(f.feed_id, f.path).where(f.state == "live").order_by(f.path)).all()
    paths: dict[str, list[Path]] = {}
    for row in rows:
        if row.feed_id in contracts and row.path not in but:
            paths.setdefault(str(row.feed_id), []).append(home.landing / str(row.path))
    changes = [_change(contracts[feed_id], found) for feed_id, found in sorted(paths.items())]
    return [change for change in changes if change is not None]


def _change(contract: Contract, paths: Collection[Path]) -> SchemaChange | None:
    wanted = {c.landed_name: "string" if c.mask == "hash" else c.logical_type for c in contract.landed_columns}
    retyped: dict[str, tuple[str, str, str]] = {}
    lost: dict[str, None] = {}
    new: dict[str, None] = {}
    columns: dict[Path, frozenset[str]] = {}
    differing = 0
    for path in paths:
        try:
            landed = pl.read_parquet_schema(path)
        except (OSError, pl.exceptions.ComputeError):  # gone or damaged: `ingest.reprocess.restore` says so
            continue
        columns[path] = frozenset(landed)
        found = {name: _WORDS.get(dtype.base_type(), str(dtype)) for name, dtype in landed.items()}
        other = {n: (n, found[n], w) for n, w in wanted.items() if n in found and not _fits(found[n], w)}
        gone = [name for name in found if name not in wanted and not name.startswith("_")]
        missing = [name for name in wanted if name not in found]
        if other or gone or missing:
            differing += 1
            retyped |= other
            lost |= dict.fromkeys(gone)
            new |= dict.fromkeys(missing)
    if not differing:
        return None
    key = tuple(name for name in (contract.column(n).landed_name for n in contract.key) if name in new)
    as_text = {path: had for path, names in columns.items() if (had := tuple(n for n in retyped if n in names))}
    return SchemaChange(contract.id, differing, tuple(retyped.values()), tuple(lost), tuple(new), key, as_text)


def _fits(landed: str, wanted: str) -> bool:
    return landed == wanted or (landed, wanted) in _WIDENED

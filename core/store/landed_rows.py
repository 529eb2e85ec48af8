"""Landed files read as today's columns, file by file: what is gone or damaged costs itself, never the feed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

_UNREADABLE = (OSError, pl.exceptions.ComputeError)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A landed file that cannot be read, and what the reader said."""

    path: Path
    says: str


@dataclass(frozen=True, slots=True)
class LandedRows:
    """What can be read of some landed files, and the files that cannot."""

    rows: pl.LazyFrame
    unreadable: tuple[Unreadable, ...]


def scan_landed(paths: Sequence[Path], schema: Mapping[str, pl.DataType]) -> LandedRows:
    """Rows of landed files in the columns of `schema`, files of one layout together.

    A column is null where a file is older than it; one of another type is read where it can be. A file whose footer
    cannot be read is left out and named.
    """
    alike: dict[tuple[tuple[str, pl.DataType], ...], list[Path]] = {}
    unreadable: list[Unreadable] = []
    for path in paths:
        try:
            alike.setdefault(tuple(pl.read_parquet_schema(path).items()), []).append(path)
        except _UNREADABLE as error:
            unreadable.append(Unreadable(path, str(error)))
    parts = [_as_now(found, dict(layout), schema) for layout, found in alike.items()]
    return LandedRows(pl.concat([pl.LazyFrame(schema=dict(schema)), *parts]), tuple(unreadable))


def without_damaged(paths: Sequence[Path]) -> tuple[list[Path], tuple[Unreadable, ...]]:
    """Which files can be read to their last page: a look at every byte, for when reading them together failed."""
    whole: list[Path] = []
    damaged: list[Unreadable] = []
    for path in paths:
        try:
            pl.read_parquet(path)
        except _UNREADABLE as error:
            damaged.append(Unreadable(path, str(error)))
        else:
            whole.append(path)
    return whole, tuple(damaged)


def _as_now(paths: list[Path], found: Mapping[str, pl.DataType], schema: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    return pl.scan_parquet(paths).select(
        pl.col(name).cast(kind, strict=False) if name in found else pl.lit(None, dtype=kind).alias(name)
        for name, kind in schema.items()
    )

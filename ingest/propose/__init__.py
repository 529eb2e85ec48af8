"""Propose a contract from a sample file: `cityrisk feed new SAMPLE`.

A proposal is a start for two people who know the data. Every guess comes with its reason; what a sample cannot tell
(the datum above all) is filled in so that the file loads, and marked CHECK.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from core.contract import ContractError
from ingest.propose.document import write_document
from ingest.propose.guess import Guess, guess_column
from ingest.propose.sample import ProposalSample, SampleError, read_sample
from ingest.propose.shape import find_shape

__all__ = ["Proposal", "SampleError", "propose"]

_FEED_ID = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
_CLOCK_PARTS = ("year", "month", "day", "hour")


@dataclass(frozen=True, slots=True)
class Proposal:
    """A contract file's text, and why it says what it says, in plain words."""

    feed_id: str
    yaml_text: str
    reasons: list[str]


def propose(sample: Path, feed_id: str | None = None) -> Proposal:
    """A contract for feeds like this sample: CSV, XLSX, JSON, NDJSON, GeoJSON or GeoPackage.

    Without `feed_id` the department is `new` and the feed is named after the file. Raises SampleError for a file that
    nothing can be learnt from, ContractError for a feed id that is none.
    """
    if feed_id is not None and not _FEED_ID.fullmatch(feed_id):
        raise ContractError(f"feed id {feed_id!r}, expected <department>.<feed> in lower case")
    found = read_sample(sample)
    reasons = [f"file: {reason}" for reason in found.reasons]
    if feed_id is None:
        feed_id = f"new.{_word(sample.stem) or 'feed'}"
        reasons.append(f"id: {feed_id} after the file; CHECK: put the department's code before the dot")
    frame = _join_clock(found.frame)
    guesses = [guess_column(name, frame[name], _leaf(name, found)) for name in frame.columns]
    _name_all(guesses)
    shape = find_shape(guesses, frame)
    for guess in guesses:
        reasons += [f"{guess.name} ({guess.physical_name}): {reason}" for reason in guess.reasons]
    reasons += shape.reasons
    if any(guess.role in ("lon", "lat", "geometry") for guess in guesses):
        stated = f"the file states {found.datum}, which is often wrong" if found.datum else "the file states none"
        reasons.append(
            f"datum: undeclared, CHECK: {stated}; ask the department (GCJ-02 is off by 300 to 1,500 m), "
            f"{found.datum or 'WGS84'} stands in so that the contract loads"
        )
    return Proposal(feed_id, write_document(feed_id, found, guesses, shape, sample.suffix.lower()), reasons)


def _join_clock(frame: pl.DataFrame) -> pl.DataFrame:
    """Year, month, day (and hour) in columns of their own become one, named as the contract joins them."""
    by_name = {name.lower(): name for name in frame.columns}
    parts = [by_name[part] for part in _CLOCK_PARTS if part in by_name]
    if len(parts) < 3:
        return frame
    joined = pl.concat_str(parts, separator=" ").alias("+".join(parts))
    first = next(name for name in frame.columns if name in parts)
    kept = [joined if name == first else pl.col(name) for name in frame.columns if name == first or name not in parts]
    return frame.select(kept)


def _leaf(name: str, sample: ProposalSample) -> str:
    """A column's own name, without the objects or the group cell that it stands in."""
    if sample.media in ("json", "ndjson"):
        return name.rpartition(".")[2]
    return name.partition("/")[2] or name if sample.options.get("headerRows", 1) > 1 else name


def _word(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_").lstrip("0123456789_")


def _name_all(guesses: list[Guess]) -> None:
    """Give every column a name of its own; a header without a known word is numbered and marked."""
    taken: set[str] = set()
    for position, guess in enumerate(guesses, 1):
        if not guess.name:
            guess.name = f"column_{position}"
            guess.reasons.append("CHECK: give it an English name (quantity and unit)")
        stem, number = guess.name, 2
        while guess.name in taken:
            guess.name, number = f"{stem}_{number}", number + 1
        taken.add(guess.name)

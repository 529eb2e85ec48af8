"""Settle the columns of a parsed payload against its contract: missing, unknown, renamed, in another order.

What happens to an unknown column is the contract's drift mode: `evolve` keeps it (conform writes it to `_extra`),
`freeze` refuses the file, `discard_row` gives up the rows that hold a value in it, `discard_value` drops the column.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

import polars as pl

from core.characters import visible
from core.contract import Column, Contract
from core.stages import Note, RawTable
from ingest.parse.fault import FileFault

ROW = "_row"


def physical_names(column: Column) -> tuple[str, ...]:
    """The department's columns that make up ours: one, or several joined by `+` (`year+month+day+hour`)."""
    return tuple(column.physical_name.split("+"))


def expected_names(contract: Contract) -> tuple[str, ...]:
    """Every column that the contract expects, in contract order, each once."""
    return tuple(dict.fromkeys(name for column in contract.columns for name in physical_names(column)))


def fold(name: str) -> str:
    """A column name without differences nobody sees: full-width forms, outer blanks, invisible characters, line breaks.

    A line break is a wrapped cell: between Chinese characters and signs it is nothing, between words a blank.
    """
    plain = unicodedata.normalize("NFKC", visible(name)).strip()
    plain = re.sub(r"(?<=[A-Za-z0-9_])\s*[\r\n]\s*(?=[A-Za-z0-9_])", " ", plain)
    return re.sub(r"\s*[\r\n]\s*", "", plain)


def header_names(contract: Contract, found: Sequence[str | None]) -> list[str]:
    """Names for a header as found: the contract's spelling where it is meant, blanks numbered, doubles told apart."""
    ours = {fold(name): name for name in expected_names(contract)}
    squeezed = {re.sub(r"\s", "", name): ours for name, ours in ours.items()}
    names: list[str] = []
    taken = {ROW}
    for position, text in enumerate(found, 1):
        folded = fold(text or "") or f"column_{position}"
        name = ours.get(folded) or squeezed.get(re.sub(r"\s", "", folded), folded)
        while name in taken:
            name += f"#{position}"
        taken.add(name)
        names.append(name)
    return names


def settle(frame: pl.DataFrame, contract: Contract, notes: Iterable[Note] = (), *, is_ordered: bool) -> RawTable:
    """Give every expected column a place and treat unknown ones by drift mode.

    `is_ordered` says whether column order means anything in this medium (CSV and XLSX: yes). Raises FileFault for a
    renamed column, for none of the expected columns, and for an unknown column under `freeze`.
    """
    found, expected = list(notes), expected_names(contract)
    present = [name for name in frame.columns if name != ROW]
    missing = [name for name in expected if name not in present]
    unknown = [name for name in present if name not in expected]
    if expected and present and len(missing) == len(expected):
        raise FileFault("unreadable_file", f"columns {_listed(present)}; expected {_listed(expected)}")
    if len(unknown) == 1 and _is_rename(missing, contract):
        raise FileFault("renamed_column", f"{_listed(unknown)} found, expected {_listed(missing)}")
    if missing and (is_ordered or _is_needed(missing, contract)):
        found.append(Note("missing_column", "file", "flagged", "", _listed(missing), None, _listed(missing)))
    known = [name for name in present if name in expected]
    if is_ordered and known != [name for name in expected if name in known]:
        found.append(Note("column_order", "file", "corrected", "", None, _listed(known), _listed(expected)))
    if unknown:
        frame, more = _drift(frame, unknown, contract)
        found += more
    frame = frame.with_columns(pl.lit(None, pl.String).alias(name) for name in missing)
    kept = [name for name in unknown if name in frame.columns]
    return RawTable(frame.select(ROW, *expected, *kept), tuple(found))


def _is_rename(missing: Sequence[str], contract: Contract) -> bool:
    """Whether one unknown column may be the missing one: one is gone, or rows cannot live without what is gone."""
    return len(missing) == 1 or _is_needed(missing, contract)


def _is_needed(names: Sequence[str], contract: Contract) -> bool:
    """Whether rows cannot live without one of the columns."""
    needed = {n for c in contract.columns if c.required or c.key_position is not None for n in physical_names(c)}
    return any(name in needed for name in names)


def _drift(frame: pl.DataFrame, unknown: list[str], contract: Contract) -> tuple[pl.DataFrame, list[Note]]:
    names, expected = _listed(unknown), f"{len(expected_names(contract))} agreed columns"
    if contract.drift_mode == "freeze":
        raise FileFault("extra_column", f"{names} found; the contract is frozen at {expected}")
    notes = [Note("extra_column", "file", "flagged", "", names, names, expected)]
    if contract.drift_mode == "evolve":
        return frame, notes
    if contract.drift_mode == "discard_row":
        filled = pl.any_horizontal(pl.col(name).is_not_null() & (pl.col(name) != "") for name in unknown)
        lost = frame.filter(filled)[ROW].to_list()
        notes += [Note("extra_column", "row", "quarantined", place, names, None, expected) for place in lost]
        frame = frame.filter(~filled)
    return frame.drop(unknown), notes


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)

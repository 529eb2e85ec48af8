"""Rows of totals that people leave in the sheets they export: they describe no thing and repeat what stands above."""

from __future__ import annotations

import re
import unicodedata

import polars as pl

from core.contract import Contract
from core.stages import Note
from ingest.parse.columns import ROW, physical_names

TOTAL_ROW = "total_row"
_TOTAL = re.compile(
    r"(本?[页月日周年]|分类|全市|全区|全县|以上)?(合计|小计|总计|共计)数?:?|(sub|grand)?total:?", re.IGNORECASE
)


def is_total(text: str | None) -> bool:
    """Whether a cell says `合计`, `小计`, `总 计:` or `Total` and nothing else."""
    return text is not None and _TOTAL.fullmatch(re.sub(r"\s+", "", unicodedata.normalize("NFKC", text))) is not None


def split_totals(frame: pl.DataFrame, contract: Contract) -> tuple[pl.DataFrame, list[Note]]:
    """Rows of totals taken out, one note each: those whose first filled cell, or a cell of the key, says so."""
    names = [name for name in frame.columns if name != ROW]
    keyed = {name for key in contract.key for name in physical_names(contract.column(key))}
    first = pl.coalesce(pl.when(pl.col(name).str.strip_chars() != "").then(pl.col(name)) for name in names)
    cells = frame.select(first.alias("first"), *(pl.col(name).alias(f"key {name}") for name in names if name in keyed))
    words = {word for cell in cells.get_columns() for word in cell.drop_nulls().unique().to_list() if is_total(word)}
    if not words:
        return frame, []
    totals = cells.select(total=pl.any_horizontal(pl.all().is_in(words))).fill_null(False)["total"]
    notes = [total_note(place) for place in frame.filter(totals)[ROW].to_list()]
    return frame.filter(~totals), notes


def total_note(place: str) -> Note:
    """What is said of one of them."""
    return Note(TOTAL_ROW, "row", "ignored", place, None, None, "a row about one thing")

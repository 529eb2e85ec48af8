"""Rows that were said before: by what landed, or under the same key by what came earlier in the batch.

Within one table conform has looked already; here tables that were conformed one by one, and landed files.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from core.contract import Contract
from core.stages import META_COLUMNS, value_schema
from core.store.landed_rows import scan_landed
from ingest.conform.rows import is_last_word

log = logging.getLogger(__name__)

# By what landed rows follow each other.
_ORDER: Mapping[str, pl.DataType] = {name: META_COLUMNS[name] for name in ("_received_at", "_batch_id")}


def landed_values(contract: Contract, landed: Sequence[Path]) -> pl.LazyFrame:
    """The values in landed files as the contract has them now, with the time and the batch in which each landed.

    A column is null where a file is older than it; one of another type is read where it can be. A file that is gone
    or damaged is left out, since those who deliver cannot wait until it is restored.
    """
    found = scan_landed(landed, {**value_schema(contract), **_ORDER})
    for lost in found.unreadable:
        log.warning(
            "%s: %s cannot be read (%s); what is in it may land again, see `cityrisk doctor`",
            contract.id,
            lost.path,
            lost.says,
        )
    return found.rows


def split_duplicates(frame: pl.DataFrame, contract: Contract, landed: Sequence[Path]) -> tuple[pl.DataFrame, list[str]]:
    """Take out rows that say what the last row of their key in the `landed` files says, and give their places.

    A row with a known key and other values is a correction and stays: the newest wins in staging. So does one that
    returns to what was said before a correction.
    """
    if not landed or frame.is_empty():
        return frame, []
    names, key = list(value_schema(contract)), _key(contract)
    known = landed_values(contract, landed).join(frame.lazy().select(key).unique(), on=key, how="semi").collect()
    last = known.sort(*_ORDER, maintain_order=True, nulls_last=False).unique(key, keep="last", maintain_order=True)
    again = frame.join(last, on=names, how="semi", nulls_equal=True).select("_row")
    if again.is_empty():
        return frame, []
    return frame.join(again, on="_row", how="anti"), again["_row"].to_list()


def split_superseded(frame: pl.DataFrame, contract: Contract) -> tuple[pl.DataFrame, list[str]]:
    """Take out rows whose key a later row of the frame has, and say their places: one batch says a key once."""
    is_last = is_last_word(frame.select(_key(contract)))
    if is_last.all():
        return frame, []
    return frame.filter(is_last), frame.filter(~is_last)["_row"].to_list()


def _key(contract: Contract) -> list[str]:
    return [contract.column(name).landed_name for name in contract.key]

"""Rows that were said before: by what landed, or under the same key by what came earlier in the batch.

Within one table conform has looked already; here tables that were conformed one by one, and landed files.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from core.contract import Contract
from ingest.conform.output import value_schema
from ingest.conform.rows import is_last_word

log = logging.getLogger(__name__)


def landed_values(contract: Contract, landed: Sequence[Path]) -> pl.LazyFrame:
    """The values in landed files, each column null where a file is older than it.

    A file that is gone from disk is left out, since those who deliver cannot wait until it is restored.
    """
    schema = value_schema(contract)
    present = [path for path in landed if path.exists()]
    for path in set(landed) - set(present):
        log.warning("%s: %s is not on disk; what is in it may land again, see `cityrisk doctor`", contract.id, path)
    if not present:
        return pl.LazyFrame(schema=schema)
    files = pl.scan_parquet(present, schema=schema, missing_columns="insert", extra_columns="ignore")
    return files.select(list(schema))


def split_duplicates(frame: pl.DataFrame, contract: Contract, landed: Sequence[Path]) -> tuple[pl.DataFrame, list[str]]:
    """Take out rows that stand in `landed` files with the same key and the same values, and say their places.

    A row with a known key and other values is a correction and stays: the newest wins in staging.
    """
    if not landed or frame.is_empty():
        return frame, []
    names, key = list(value_schema(contract)), _key(contract)
    known = landed_values(contract, landed).join(frame.lazy().select(key).unique(), on=key, how="semi").collect()
    again = frame.join(known.unique(), on=names, how="semi", nulls_equal=True).select("_row")
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

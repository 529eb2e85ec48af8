"""One table of every derived column and its type, so that a review sees what a changed contract does to the warehouse.

A feed's columns are the same in its landed files and in its staging view, so they stand once, under both; what landing
adds to every feed stands once, under `*`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from core.contract import ENTITY_CONCEPTS, Contract
from orchestration.derive.entities import fields_of
from orchestration.derive.properties import META_FIELDS

HEADER = ("layers", "table", "column", "type")


def snapshot(contracts: Iterable[Contract]) -> str:
    """The table as CSV: feeds in order of id, columns in order of the contract."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(_rows(contracts))
    return text.getvalue()


def _rows(contracts: Iterable[Contract]) -> Iterator[tuple[str, str, str, str]]:
    for field in META_FIELDS:
        yield "landed staging", "*", field.name, field.logical_type
    for contract in contracts:
        for column in contract.landed_columns:
            # A hash is text, whatever the department sends.
            yield "landed staging", contract.slug, column.landed_name, _landed_type(column.mask, column.logical_type)
    for entity in ENTITY_CONCEPTS:
        for field in fields_of(entity):
            yield "conformed", f"all_{entity}", field.name, field.logical_type


def _landed_type(mask: str | None, logical_type: str) -> str:
    return "string" if mask == "hash" else logical_type

"""JSON pages of services and JSON lines of databases: nested objects become dotted columns, values stay as sent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Set
from typing import Any

import polars as pl

from core.contract import Contract
from core.stages import RawTable
from ingest.parse.columns import ROW, expected_names, physical_names, settle
from ingest.parse.fault import FileFault
from ingest.parse.lenient_json import read_json
from ingest.parse.plain_lines import plain_columns

Record = dict[str, Any]
MOST_UNKNOWN = 1_000  # names beyond the contract's in one payload


def parse_json(body: bytes, contract: Contract) -> RawTable:
    """One page: the list at option `recordsPath`, or the document itself when it is a list or one record.

    A page without records is no fault. Raises FileFault for what is not JSON to its end.
    """
    if body.startswith(b"[{") and body.endswith(b"}]") and b"\n" not in body:
        first = body[1 : body.find(b":") + 1]  # how each record begins where all are alike
        plain = _plain_table(body[1:-1].replace(b"}," + first, b"}\n" + first), contract)
        if plain is not None:
            return plain
    return _table(_records(read_json(body, numbers_as_text=True), contract), contract)


def parse_ndjson(body: bytes, contract: Contract) -> RawTable:
    """One JSON object a line. Raises FileFault with the line that is none."""
    if not body.strip():
        raise FileFault("empty_file", "no line with content")
    plain = _plain_table(body, contract)
    if plain is not None:
        return plain
    records = []
    for number, line in enumerate(body.split(b"\n"), 1):
        if line.strip():
            record = read_json(line, numbers_as_text=True, line=number)
            if not isinstance(record, dict):
                raise FileFault("truncated_file", f"a {type(record).__name__} found, expected an object", number)
            records.append(record)
    return _table(records, contract)


def _records(document: Any, contract: Contract) -> list[Record]:
    path = contract.server.options.get("recordsPath")
    if path and not isinstance(document, list):
        for part in str(path).split("."):
            if not isinstance(document, dict) or part not in document:
                raise FileFault("unreadable_file", f"nothing at {part!r} of {path!r}")
            document = document[part]
    if isinstance(document, dict):
        document = [document]
    if not isinstance(document, list) or not all(isinstance(record, dict) for record in document):
        raise FileFault("unreadable_file", f"a {type(document).__name__} found, expected a list of objects")
    return document


def _plain_table(lines: bytes, contract: Contract) -> RawTable | None:
    """The table of lines that can be read by columns; None where they have to be read one by one."""
    if _parents(contract) or contract.explode:
        return None
    columns = plain_columns(lines)
    if columns is None or ROW in columns:
        return None
    _check_width(set(columns), contract)
    return _settled(columns, len(next(iter(columns.values()))), contract)


def _parents(contract: Contract) -> set[str]:
    """The paths below which the contract expects columns."""
    return {name[:at] for name in expected_names(contract) for at, sign in enumerate(name) if sign == "."}


def _table(records: list[Record], contract: Contract) -> RawTable:
    parents = _parents(contract)
    walked = (flatten(part, parents) for record in records for part in explode(record, contract.explode))
    flat = list(walked) if parents or contract.explode else records
    _check_width(_names(flat), contract)
    try:
        columns = _columns(flat)
    except TypeError:  # something else than text in records that should be flat
        deep = list(walked)
        _check_width(_names(deep), contract)
        columns = _columns(deep)
    if not records:
        columns = {name: pl.Series([], dtype=pl.String) for name in expected_names(contract)}
    return _settled(columns, len(flat), contract)


def _settled(columns: dict[str, pl.Series], n_rows: int, contract: Contract) -> RawTable:
    frame = pl.DataFrame({ROW: pl.int_range(1, n_rows + 1, eager=True), **columns})
    return settle(frame.with_columns(_place(frame, contract).alias(ROW)), contract, is_ordered=False)


def _names(flat: list[Record]) -> set[str]:
    return {name for record in flat for name in record}


def _check_width(names: set[str], contract: Contract) -> None:
    """Raises FileFault for names without end: rows with a key each would make a column of every row."""
    unknown = names - set(expected_names(contract))
    if len(unknown) > MOST_UNKNOWN:
        raise FileFault(
            "unreadable_file", f"{len(unknown)} names that the contract does not know; expected at most {MOST_UNKNOWN}"
        )


def _columns(flat: list[Record]) -> dict[str, pl.Series]:
    """A column for every name that some record has. Raises TypeError for a value that is no text."""
    names = dict.fromkeys(name for record in flat for name in record)
    names.pop(ROW, None)
    return {name: pl.Series([record.get(name) for record in flat], dtype=pl.String) for name in names}


def _place(frame: pl.DataFrame, contract: Contract) -> pl.Expr:
    """The key values joined by `|`; the record's number where the key is personal or wholly missing."""
    number = pl.format("#{}", ROW)
    keyed = [contract.column(name) for name in contract.key]
    if not keyed or any(column.is_personal for column in keyed):
        return number
    names = [name for column in keyed for name in physical_names(column)]
    texts = [pl.col(name).fill_null("") if name in frame.columns else pl.lit("") for name in names]
    key = pl.concat_str(texts, separator="|")
    return pl.when(key.str.strip_chars("|") != "").then(key).otherwise(number)


def explode(record: Record, member: str | None) -> Iterator[Record]:
    """One record for each element of a list member; a record without elements stays one record."""
    items = record.get(member) if member else None
    if not isinstance(items, list):
        yield record
        return
    for item in items or [None]:
        yield {**record, str(member): item}


def flatten(record: Record, parents: Set[str]) -> dict[str, str | None]:
    """Dotted paths to text values; a list of one object reads as that object, other lists as JSON text.

    `parents` are the paths below which columns are expected: a null there says that they are all empty.
    """
    flat: dict[str, str | None] = {}
    pending: list[tuple[str, Any]] = [("", record)]
    while pending:
        path, value = pending.pop()
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
            value = value[0]
        if isinstance(value, dict):
            members = reversed(value.items())
            pending += [(f"{path}.{name}" if path else name, member) for name, member in members]
        elif value is None and path in parents:
            continue
        else:
            flat[path] = as_text(value)
    return flat


def as_text(value: Any) -> str | None:
    """A JSON value as text: true and false in lower case, lists as JSON, null as None."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False)

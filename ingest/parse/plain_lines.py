"""JSON lines of one plain form, read by columns: the same texts as one by one, without a Python object each.

Plain are lines of one object each with the same names in the same order, no blank between its parts and no escape in
its texts, as databases and services are written down here. The form is checked on every cell; whatever has another is
left to the reader that knows all of JSON (`ingest.parse.records`).
"""

from __future__ import annotations

import io
import json
import re

import orjson
import polars as pl

_CONTROLS = bytes(sign for sign in range(32) if sign != ord("\n"))  # JSON allows none of them inside a text
_SEPARATOR = "\x1f"  # one of them, so that it stands in no body that is read here
_VALUE = r'(?:"[^"]*"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null)'


def plain_columns(body: bytes) -> dict[str, pl.Series] | None:
    """Text columns of lines in the plain form, numbers as they were sent; None for any other form."""
    lines = body.removesuffix(b"\n")
    names = _names_of(lines[: lines.find(b"\n") + 1 or len(lines)])
    if not names or b"\\" in body or b"\n\n" in body or lines.translate(None, _CONTROLS) != lines:
        return None
    heads = [json.dumps(name, ensure_ascii=False) + ":" for name in names]
    for head in heads[1:]:
        # Without escapes a quote begins or ends a text, so that this stands nowhere but before a member.
        lines = lines.replace(f",{head}".encode(), f"{_SEPARATOR}{head}".encode())
    try:
        cells = pl.read_csv(
            io.BytesIO(lines),
            has_header=False,
            schema=dict.fromkeys(names, pl.String()),
            separator=_SEPARATOR,
            quote_char=None,
        )
    except pl.exceptions.PolarsError:  # not UTF-8, or lines of different length
        return None
    if cells.height != lines.count(b"\n") + 1:
        return None
    heads[0], ends = "{" + heads[0], [""] * len(heads)
    ends[-1] = "}"
    parts = list(zip(names, heads, ends, strict=True))
    is_plain = (
        pl.col(name).str.contains(f"^{re.escape(head)}{_VALUE}{end}$").fill_null(value=False).all()
        for name, head, end in parts
    )
    if not all(cells.select(is_plain).row(0)):
        return None
    return cells.select(_text(name, head, end) for name, head, end in parts).to_dict()


def _names_of(line: bytes) -> list[str]:
    """The names of the first line's members, none when it is no object."""
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return []
    return list(record) if isinstance(record, dict) else []


def _text(name: str, head: str, end: str) -> pl.Expr:
    """The value of a cell as text."""
    value = pl.col(name).str.strip_prefix(head).str.strip_suffix(end)
    text = value.str.strip_prefix('"').str.strip_suffix('"')
    return pl.when(value != "null").then(text).alias(name)

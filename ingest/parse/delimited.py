"""CSV as departments write it: any declared encoding, lines of another encoding mixed in, files cut short."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import polars as pl

from ingest.contract import Contract
from ingest.parse.columns import ROW, header_names, settle
from ingest.parse.fault import FileFault
from ingest.stages import Note, RawTable

_BOM = b"\xef\xbb\xbf"
_DEFAULT_ENCODING = "utf-8"


def parse_csv(body: bytes, contract: Contract) -> RawTable:
    """A CSV file; options `encoding` (default utf-8) and `delimiter` (default comma) come from the contract.

    `_row` is the 1-based line in the file. Raises FileFault for an empty file, one that ends inside a row, and one
    whose quoting cannot be followed.
    """
    options = contract.server.options
    encoding = str(options.get("encoding", _DEFAULT_ENCODING))
    text, other = decode(body.removeprefix(_BOM), encoding)
    notes = [_mixed(encoding, other)] if other else []
    rows = list(_rows(text, str(options.get("delimiter", ","))))
    if len(rows) < 2:
        raise FileFault("empty_file", "header only" if rows else "no line with content")
    header, cells = rows[0][1], rows[1:]
    if len(cells[-1][1]) < len(header) and not text.endswith(("\n", "\r")):
        raise FileFault("truncated_file", f"last line has {len(cells[-1][1])} of {len(header)} fields", cells[-1][0])
    fitting = [(line, fields) for line, fields in cells if len(fields) == len(header)]
    notes += [_ragged(line, len(fields), len(header)) for line, fields in cells if len(fields) != len(header)]
    columns = list(zip(*(fields for _, fields in fitting), strict=True)) or [()] * len(header)
    data = {ROW: pl.Series([str(line) for line, _ in fitting], dtype=pl.String)}
    for name, values in zip(header_names(contract, header), columns, strict=True):
        if name.startswith("column_") and not any(values):
            continue  # a separator at every line's end makes an empty column without a name
        data[name] = pl.Series(values, dtype=pl.String)
    return settle(pl.DataFrame(data), contract, notes, is_ordered=True)


def decode(body: bytes, encoding: str) -> tuple[str, list[int]]:
    """Text of a file that should be in `encoding`, and the 1-based lines that were in the other one.

    GB18030 and UTF-8 are tried for each other line by line. Bytes that are neither become U+FFFD, which conform
    refuses row by row.
    """
    is_utf8 = encoding.lower().replace("-", "") in ("utf8", "utf8sig")
    declared, second = ("utf-8", "gb18030") if is_utf8 else (encoding, "utf-8")
    lines, other = [], []
    for number, line in enumerate(body.split(b"\n"), 1):
        if line.isascii():
            lines.append(line.decode("ascii"))
            continue
        first_choice = _strict(line, declared)
        if not is_utf8 and (as_utf8 := _strict(line, "utf-8")) is not None and _is_meant(as_utf8):
            other.append(number)
            lines.append(as_utf8)
        elif first_choice is not None:
            lines.append(first_choice)
        elif (second_choice := _strict(line, second)) is not None:
            other.append(number)
            lines.append(second_choice)
        else:
            lines.append(line.decode(declared, "replace"))
    return "\n".join(lines), other


def _strict(line: bytes, encoding: str) -> str | None:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError:
        return None


def _is_meant(text: str) -> bool:
    """Whether text that decodes as UTF-8 was meant so: GB18030 pairs that happen to fit give Latin or Greek letters."""
    foreign = [c for c in text if not c.isascii()]
    return any(c >= "\u2000" for c in foreign) and all(c >= "\u2000" or c in "°±²³µ·×÷" for c in foreign)


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line they start on; blank lines are left out."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for fields in reader:
            if any(fields):
                yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        raise FileFault("truncated_file", f"quoting cannot be followed: {error}", line) from error


def _mixed(encoding: str, lines: list[int]) -> Note:
    found = f"{len(lines)} lines, first at line {lines[0]}"
    return Note("mixed_encodings", "file", "corrected", "", None, found, f"every line in {encoding}")


def _ragged(line: int, fields: int, expected: int) -> Note:
    return Note("wrong_type", "row", "quarantined", str(line), None, f"{fields} fields", f"{expected} fields")

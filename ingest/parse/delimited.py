"""CSV as departments write it: any declared encoding, lines of another encoding mixed in, files cut short."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from core.contract import Contract
from core.stages import Note, RawTable
from ingest.parse.columns import ROW, header_names, settle
from ingest.parse.fault import FileFault
from ingest.parse.quotes import OddRow, rows_around_quotes
from ingest.parse.totals import is_total, split_totals, total_note

_BOM = b"\xef\xbb\xbf"
_DEFAULT_ENCODING = "utf-8"


@dataclass(frozen=True, slots=True)
class _Table:
    """Cells of a file: header, the line that each fitting row starts on, columns, and rows that do not fit."""

    header: list[str]
    lines: pl.Series
    columns: list[pl.Series]
    odd: list[OddRow]
    last_line: int


def parse_csv(body: bytes, contract: Contract) -> RawTable:
    """A CSV file; options `encoding` (default utf-8) and `delimiter` (default comma) come from the contract.

    A UTF-16 byte order mark says more than the contract does: "Unicode text" of Excel, whose separator is a tab.
    `_row` is the 1-based line in the file. Raises FileFault for an empty file and one that ends inside a row.
    """
    options = contract.server.options
    encoding, delimiter = str(options.get("encoding", _DEFAULT_ENCODING)), str(options.get("delimiter", ","))
    text, notes = _text(body, encoding)
    if delimiter not in text and "\t" in text:
        delimiter = "\t"
    is_plain = '"' not in text and text.count("\r") == text.count("\r\n")
    table = _split(text, delimiter) if is_plain else _read(text, delimiter)
    notes += _odd_notes(table, text)
    data = {ROW: table.lines.cast(pl.String)}
    for name, values in zip(header_names(contract, table.header), table.columns, strict=True):
        if name.startswith("column_") and (values == "").all():
            continue  # a separator at every line's end makes an empty column without a name
        data[name] = values
    frame, totals = split_totals(pl.DataFrame(data), contract)
    return settle(frame, contract, [*notes, *totals], is_ordered=True)


def _text(body: bytes, encoding: str) -> tuple[str, list[Note]]:
    """The text of a file, and a note where it is not in the agreed encoding throughout."""
    is_utf16 = body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    agreed = encoding.lower().replace("-", "").startswith("utf16")
    if not is_utf16 and not agreed:
        text, other = decode(body.removeprefix(_BOM), encoding)
        return text, [_mixed(encoding, other)] if other else []
    try:
        text = body.decode("utf-16" if is_utf16 else encoding)
    except UnicodeDecodeError as error:
        raise FileFault("truncated_file", f"not UTF-16 to its end: {error.reason}", error.start) from error
    note = Note(
        "mixed_encodings", "file", "corrected", "", None, "UTF-16 by its byte order mark", f"text in {encoding}"
    )
    return text, [] if agreed else [note]


def _odd_notes(table: _Table, text: str) -> list[Note]:
    """A note for each row that does not fit. Raises FileFault where the file ends inside a row."""
    notes, width = list[Note](), len(table.header)
    last_fitting = int(table.lines[-1]) if len(table.lines) else 0
    for odd in table.odd:
        if is_total(odd.first) and odd.fault is None:
            notes.append(total_note(str(odd.line)))
            continue
        if odd.line == table.last_line and odd.fields < width and not text.endswith(("\n", "\r")):
            raise FileFault("truncated_file", f"last line has {odd.fields} of {width} fields", odd.line)
        if odd.fault is not None and odd.line > last_fitting:
            raise FileFault("truncated_file", f"{odd.fault}, and no whole row follows", odd.line)
        found = odd.fault or f"{odd.fields} fields"
        notes.append(Note("wrong_type", "row", "quarantined", str(odd.line), None, found, f"{width} fields"))
    return notes


def _split(text: str, delimiter: str) -> _Table:
    """Files without quotes, which are most: a line is a row and every delimiter ends a cell."""
    lines = pl.Series("text", text.split("\n")).str.strip_chars_end("\r")
    frame = pl.DataFrame({"line": pl.int_range(1, len(lines) + 1, eager=True), "text": lines})
    frame = frame.filter(pl.col("text").str.strip_chars(delimiter) != "")
    if frame.height < 2:
        raise _empty(frame.height)
    header = str(frame["text"][0]).split(delimiter)
    frame = frame.with_columns(pl.col("text").str.count_matches(delimiter, literal=True).alias("n") + 1).slice(1)
    others = frame.filter(pl.col("n") != len(header)).select("line", "n", "text").rows()
    odd = [OddRow(line, fields, row.partition(delimiter)[0]) for line, fields, row in others]
    fitting = frame.filter(pl.col("n") == len(header))
    cells = fitting["text"].str.split_exact(delimiter, len(header) - 1).struct.unnest()
    return _Table(header, fitting["line"], cells.get_columns(), odd, int(frame["line"][-1]))


def _read(text: str, delimiter: str) -> _Table:
    """Files with quotes, whose cells may hold delimiters and line ends."""
    broken: list[OddRow] = []
    try:
        rows = list(_rows(text, delimiter))
    except csv.Error:  # a stray quote: it costs its row
        rows, broken = rows_around_quotes(text, delimiter)
    if len(rows) < 2 and not broken:
        raise _empty(len(rows))
    header = rows[0][1]
    fitting = [(line, fields) for line, fields in rows[1:] if len(fields) == len(header)]
    odd = [OddRow(line, len(fields), fields[0]) for line, fields in rows[1:] if len(fields) != len(header)]
    columns = list(zip(*(fields for _, fields in fitting), strict=True)) or [()] * len(header)
    lines = pl.Series([line for line, _ in fitting], dtype=pl.Int64)
    last = max(rows[-1][0], broken[-1].line if broken else 0)
    series = [pl.Series(column, dtype=pl.String) for column in columns]
    return _Table(header, lines, series, sorted([*odd, *broken], key=lambda one: one.line), last)


def decode(body: bytes, encoding: str) -> tuple[str, list[int]]:
    """Text of a file that should be in `encoding`, and the 1-based lines that were in the other one.

    GB18030 and UTF-8 are tried for each other line by line. Bytes that are neither become U+FFFD, which conform
    refuses row by row.
    """
    is_utf8 = encoding.lower().replace("-", "") in ("utf8", "utf8sig")
    if encoding.lower().replace("-", "") in ("gb2312", "gbk", "cp936"):
        encoding = "gb18030"  # what systems write under the older labels; it holds both of them
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
    """Rows with the line they start on; blank lines are left out. Raises csv.Error for a stray quote."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    for fields in reader:
        if any(fields):
            yield line, fields
        line = reader.line_num + 1


def _mixed(encoding: str, lines: list[int]) -> Note:
    found = f"{len(lines)} lines, first at line {lines[0]}"
    return Note("mixed_encodings", "file", "corrected", "", None, found, f"every line in {encoding}")


def _empty(rows: int) -> FileFault:
    return FileFault("empty_file", "header only" if rows else "no line with content")

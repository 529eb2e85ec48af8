"""CSV rows around a stray quote: the line that holds it is lost, the others are read."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from ingest.parse.fault import FileFault

MOST_LINES = 20  # that the cell of a row may run over, once quotes cannot be followed
MOST_BROKEN = 10_000
_STRAY = "a quote that cannot be followed"


@dataclass(frozen=True, slots=True)
class OddRow:
    """A row that does not fit: the line it starts on, its fields and the first one; `fault` where a quote is stray."""

    line: int
    fields: int
    first: str
    fault: str | None = None


def rows_around_quotes(text: str, delimiter: str) -> tuple[list[tuple[int, list[str]]], list[OddRow]]:
    """Rows with the line they start on, the header first, and the lines whose quotes cannot be followed.

    A row may run over several lines where that gives it the header's number of fields. Raises FileFault for a header
    that cannot be read, and for more stray quotes than a file of rows has.
    """
    lines = list(io.StringIO(text, newline=""))
    rows: list[tuple[int, list[str]]] = []
    broken: list[OddRow] = []
    at = 0
    while at < len(lines):
        fields, taken = _row_at(lines, at, delimiter, len(rows[0][1]) if rows else None)
        if fields is None and not rows:
            raise FileFault("unreadable_file", f"{_STRAY} in the header", at + 1)
        if fields is None:
            broken.append(OddRow(at + 1, lines[at].count(delimiter) + 1, "", _STRAY))
        elif any(fields):
            rows.append((at + 1, fields))
        if len(broken) > MOST_BROKEN:
            raise FileFault("unreadable_file", f"more than {MOST_BROKEN} lines with {_STRAY}", at + 1)
        at += taken
    return rows, broken


def _row_at(lines: list[str], at: int, delimiter: str, width: int | None) -> tuple[list[str] | None, int]:
    """The row that starts on a line and how many lines it takes; None for one that cannot be followed."""
    quotes = 0
    for taken, line in enumerate(lines[at : at + MOST_LINES], 1):
        quotes += line.count('"')
        if taken > 1 and quotes % 2:
            continue
        try:
            fields = next(csv.reader(lines[at : at + taken], delimiter=delimiter, strict=True), [])
        except csv.Error:
            if quotes % 2 == 0:
                break
            continue
        if taken == 1 or len(fields) == width or width is None:
            return fields, taken
        break
    return None, 1

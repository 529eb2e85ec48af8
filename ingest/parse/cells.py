"""What a workbook says of its cells beyond their plain values: shown as percent, in error, never calculated, too long.

A value reader gives numbers as floats and errors as nothing. These cells are few, so the cells of a sheet are walked
only where it holds one.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from lxml import etree

from ingest.parse.extent import column_number

# Error values of sheets, which CSV exports carry as text, and our word for a formula without a result.
UNCALCULATED = "#UNCALCULATED!"
SHEET_ERRORS = (
    "#N/A",
    "#REF!",
    "#VALUE!",
    "#DIV/0!",
    "#NAME?",
    "#NUM!",
    "#NULL!",
    "#SPILL!",
    "#CALC!",
    "#GETTING_DATA",
    UNCALCULATED,
)

_EXACT = 2**53  # below it every whole number has a float of its own
_PERCENT_FORMATS = frozenset({9, 10})  # of those that every workbook has
_NOTABLE = re.compile(rb"""\st=["']e["']|[<:]f[ />]|[<:]v>-?[0-9]{16}|[<:]v>[-0-9.]+[eE]""")
_DIGITS = re.compile(r"-?\d+")
_PLACE = re.compile(r"([A-Z]{1,3})(\d{1,7})")
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    etree.XMLSyntaxError,
    NotImplementedError,
    RuntimeError,
    EOFError,
    KeyError,
    OSError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class SheetPart:
    """A sheet by its name in the workbook: whether people see it, and the part of the package that holds it."""

    name: str
    is_visible: bool
    part: str


@dataclass(frozen=True, slots=True)
class Workbook:
    """The sheets of a package in their order, and whether plain numbers count days from 1904."""

    sheets: tuple[SheetPart, ...] = ()
    is_1904: bool = False


def read_workbook(body: bytes) -> Workbook:
    """What a package says of itself; nothing for workbooks of another form (xls, xlsb)."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as package:
            book = _tree(package, "xl/workbook.xml")
            targets = {
                relation.get("Id"): relation.get("Target", "")
                for relation in _tree(package, "xl/_rels/workbook.xml.rels")
            }
            properties = book.find("{*}workbookPr")
            sheets = tuple(
                SheetPart(
                    sheet.get("name", ""),
                    sheet.get("state", "visible") == "visible",
                    _part(next((targets.get(v, "") for k, v in sheet.items() if k.endswith("}id")), "")),
                )
                for sheet in book.iterfind("{*}sheets/{*}sheet")
            )
            is_1904 = properties is not None and properties.get("date1904", "0") in ("1", "true")
            return Workbook(sheets, is_1904)
    except _UNREADABLE:
        return Workbook()


def notable_cells(body: bytes, part: str) -> Mapping[tuple[int, int], str]:
    """(row, column) from 0 → the text that stands for a cell whose plain value says too little."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as package:
            percents = _percent_styles(package)
            sheet = package.read(part)
    except _UNREADABLE:
        return {}
    if not percents and not _NOTABLE.search(sheet):
        return {}
    try:
        found = {place: _text(cell, percents) for place, cell in _cells(sheet)}
    except _UNREADABLE:
        return {}
    return {place: text for place, text in found.items() if text is not None}


def _cells(sheet: bytes) -> Iterator[tuple[tuple[int, int], Any]]:
    """Cells with their places; those without one stand right of the cell before."""
    row, column = -1, -1
    events = etree.iterparse(io.BytesIO(sheet), events=("start", "end"), tag=("{*}row", "{*}c"), resolve_entities=False)
    for event, element in events:
        is_row = element.tag.endswith("row")
        if event == "start" and is_row:
            row, column = int(element.get("r", row + 2)) - 1, -1
        elif event == "end" and not is_row:
            place = _PLACE.fullmatch(element.get("r", ""))
            column = column_number(place.group(1).encode()) - 1 if place else column + 1
            yield (row, column), element
            element.clear()
        elif event == "end":
            element.clear()


def _text(cell: Any, percents: frozenset[str]) -> str | None:
    kind, value = cell.get("t", "n"), cell.findtext("{*}v")
    if kind == "e":
        return value or "#N/A"
    if cell.find("{*}f") is not None and not value and kind != "str":
        return UNCALCULATED
    if kind != "n" or not value:
        return None
    try:
        number = Decimal(value)
        if cell.get("s") in percents:
            return f"{(number * 100).normalize():f}%"
    except (InvalidOperation, OverflowError):
        return None
    if abs(number) < _EXACT:
        return None
    # All digits are exact; the other form was rounded on the way, and says so to whoever wants an identifier.
    return value if _DIGITS.fullmatch(value) else f"{float(number):.15G}"


def _percent_styles(package: zipfile.ZipFile) -> frozenset[str]:
    """Numbers of the cell formats that show percents."""
    if "xl/styles.xml" not in package.namelist():
        return frozenset()
    styles = _tree(package, "xl/styles.xml")
    shown = {
        int(form.get("numFmtId", -1)): form.get("formatCode", "") for form in styles.iterfind("{*}numFmts/{*}numFmt")
    }
    percents = _PERCENT_FORMATS | {number for number, code in shown.items() if _is_percent(code)}
    formats = styles.iterfind("{*}cellXfs/{*}xf")
    return frozenset(str(at) for at, form in enumerate(formats) if int(form.get("numFmtId", 0)) in percents)


def _is_percent(code: str) -> bool:
    """Whether a number format multiplies by a hundred: its sign stands neither in quotes nor behind a backslash."""
    return "%" in re.sub(r'"[^"]*"|\\.', "", code)


def _tree(package: zipfile.ZipFile, part: str) -> Any:
    return etree.fromstring(package.read(part), etree.XMLParser(resolve_entities=False, no_network=True))


def _part(target: str) -> str:
    return target.lstrip("/") if target.startswith("/") else f"xl/{target}"

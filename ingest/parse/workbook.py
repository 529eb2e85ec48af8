"""XLSX sheets as people keep them: a title, merged group cells, field names, then rows."""

from __future__ import annotations

from collections.abc import Mapping

import fastexcel
import polars as pl

from core.contract import Contract
from core.stages import RawTable
from ingest.parse.cells import Workbook, notable_cells, read_workbook
from ingest.parse.columns import ROW, header_names, physical_names, settle
from ingest.parse.extent import check_extent
from ingest.parse.fault import FileFault
from ingest.parse.totals import split_totals
from ingest.values.times import since_1900


def parse_xlsx(body: bytes, contract: Contract) -> RawTable:
    """One sheet; options `sheet` (number from 0, or name; default the first that is not hidden) and `headerRows`.

    `headerRows` 1: field names. 2: groups above them. 3 or more: titles first. A column is named `group/field`; a
    group reaches over the empty cells to its right, as merged cells do. `_row` is the row in the sheet. Raises
    FileFault for what is not a workbook, an empty sheet and one with headers only.
    """
    if not body:
        raise FileFault("empty_file", "0 bytes")
    header_rows = int(contract.server.options.get("headerRows", 1))
    check_extent(body)
    book = read_workbook(body)
    cells = read_cells(body, book, contract.server.options.get("sheet"))
    if cells.height <= header_rows or not cells.width:
        raise FileFault("empty_file", f"{cells.height} rows, {header_rows} of them headers")
    names = header_names(contract, _header(cells.head(header_rows)))
    data = cells.rename(dict(zip(cells.columns, names, strict=True))).with_row_index(ROW, offset=1)
    data = data.slice(header_rows).filter(pl.any_horizontal(pl.col(names).is_not_null()))
    if data.is_empty():
        raise FileFault("empty_file", "headers only")
    blank = [name for name in names if name.startswith("column_") and data[name].null_count() == data.height]
    frame = data.with_columns(pl.col(ROW).cast(pl.String)).drop(blank)
    if book.is_1904:
        frame = _counted_from_1900(frame, contract)
    frame, totals = split_totals(frame, contract)
    return settle(frame, contract, totals, is_ordered=True)


def read_cells(body: bytes, book: Workbook, sheet: int | str | None) -> pl.DataFrame:
    """Every cell from A1 on as text, empty ones null; percents with their sign, errors by their names.

    Raises FileFault for what is no workbook, and for a sheet that it has not.
    """
    try:
        reader = fastexcel.read_excel(body)
        if sheet is None:
            sheet = next((number for number, one in enumerate(book.sheets) if one.is_visible), 0)
        # skip_rows=0 keeps leading empty rows, so that row numbers stay those of the sheet.
        loaded = reader.load_sheet(sheet, header_row=None, skip_rows=0, dtypes="string", whitespace_as_null=True)
        frame = pl.DataFrame(loaded)
    except (fastexcel.FastExcelError, pl.exceptions.PolarsError, ValueError, OverflowError) as error:
        raise FileFault("truncated_file", str(error).splitlines()[0]) from error
    part = next((one.part for one in book.sheets if one.name == loaded.name), None)
    return _with_notable(frame, notable_cells(body, part)) if part else frame


def _with_notable(frame: pl.DataFrame, notable: Mapping[tuple[int, int], str]) -> pl.DataFrame:
    by_column: dict[int, dict[int, str]] = {}
    for (row, column), text in notable.items():
        if row < frame.height and column < frame.width:
            by_column.setdefault(column, {})[row] = text
    patched = [
        frame.to_series(column).cast(pl.String).scatter(list(texts), list(texts.values()))
        for column, texts in by_column.items()
    ]
    return frame.with_columns(patched)


def _counted_from_1900(frame: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """Plain serial numbers of times as every other workbook counts them; cells with a date format need nothing."""
    changed = []
    for column in contract.columns:
        names = physical_names(column)
        if column.logical_type in ("date", "timestamp") and len(names) == 1 and names[0] in frame.columns:
            text = frame[names[0]]
            serials = {value: since_1900(value, column) for value in text.drop_nulls().unique().to_list()}
            changed.append(text.replace({value: shifted for value, shifted in serials.items() if shifted is not None}))
    return frame.with_columns(changed)


def _header(rows: pl.DataFrame) -> list[str | None]:
    fields = list(rows.row(rows.height - 1))
    if rows.height == 1:
        return fields
    groups, group = [], None
    for cell in rows.row(rows.height - 2):
        group = cell or group
        groups.append(group)
    return [f"{g}/{f}" if g and f else f or g for g, f in zip(groups, fields, strict=True)]

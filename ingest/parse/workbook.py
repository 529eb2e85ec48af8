"""XLSX sheets as people keep them: a title, merged group cells, field names, then rows."""

from __future__ import annotations

import fastexcel
import polars as pl

from ingest.contract import Contract
from ingest.parse.columns import ROW, header_names, settle
from ingest.parse.extent import check_extent
from ingest.parse.fault import FileFault
from ingest.stages import RawTable


def parse_xlsx(body: bytes, contract: Contract) -> RawTable:
    """One sheet; options `sheet` (number from 0, or name) and `headerRows` come from the contract.

    `headerRows` 1: field names. 2: groups above them. 3 or more: titles first. A column is named `group/field`; a
    group reaches over the empty cells to its right, as merged cells do. `_row` is the row in the sheet. Raises
    FileFault for what is not a workbook, an empty sheet and one with headers only.
    """
    if not body:
        raise FileFault("empty_file", "0 bytes")
    header_rows = int(contract.server.options.get("headerRows", 1))
    cells = read_cells(body, contract.server.options.get("sheet", 0))
    if cells.height <= header_rows or not cells.width:
        raise FileFault("empty_file", f"{cells.height} rows, {header_rows} of them headers")
    names = header_names(contract, _header(cells.head(header_rows)))
    data = cells.rename(dict(zip(cells.columns, names, strict=True))).with_row_index(ROW, offset=1)
    data = data.slice(header_rows).filter(pl.any_horizontal(pl.col(names).is_not_null()))
    if data.is_empty():
        raise FileFault("empty_file", "headers only")
    blank = [name for name in names if name.startswith("column_") and data[name].null_count() == data.height]
    whole = pl.col(names).str.replace(r"^(-?\d+)\.0$", "$1")  # a sheet knows no integers
    frame = data.with_columns(pl.col(ROW).cast(pl.String), whole).drop(blank)
    return settle(frame, contract, is_ordered=True)


def read_cells(body: bytes, sheet: int | str) -> pl.DataFrame:
    """Every cell from A1 on as text, empty ones null. Raises FileFault, also for a sheet too large to be laid out."""
    check_extent(body)
    try:
        # skip_rows=0 keeps leading empty rows, so that row numbers stay those of the sheet.
        loaded = fastexcel.read_excel(body).load_sheet(
            sheet, header_row=None, skip_rows=0, dtypes="string", whitespace_as_null=True
        )
        return pl.DataFrame(loaded)
    except (fastexcel.FastExcelError, pl.exceptions.PolarsError, ValueError, OverflowError) as error:
        raise FileFault("truncated_file", str(error).splitlines()[0]) from error


def _header(rows: pl.DataFrame) -> list[str | None]:
    fields = list(rows.row(rows.height - 1))
    if rows.height == 1:
        return fields
    groups, group = [], None
    for cell in rows.row(rows.height - 2):
        group = cell or group
        groups.append(group)
    return [f"{g}/{f}" if g and f else f or g for g, f in zip(groups, fields, strict=True)]

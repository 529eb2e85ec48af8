"""Write a published table to a file that others can open: Parquet, CSV, XLSX or GeoJSON.

A text that a spreadsheet would run as a formula is disarmed. Files appear whole or not at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

import polars as pl

from access.rights import CITY_WIDE, Reader
from access.sandbox import SqlRefusedError, run_sql, syntax_tree
from access.serving import Home, open_mart

Format = Literal["parquet", "csv", "xlsx", "geojson"]
_XLSX_MAX_ROWS = 1_048_575  # one more is the header
_FORMULA_START = r"^(?:\s*[=+\-@]|[\t\r\n])"  # spreadsheets skip white space before a formula
_TIMEOUT_S = 600.0


class ExportError(ValueError):
    """The table cannot be exported as asked; says what was found and what would do."""


def export(
    home: Home,
    table: str,
    fmt: str,
    out: Path,
    where: str | None = None,
    reader: Reader = CITY_WIDE,
    known_at: datetime | None = None,
) -> int:
    """Write the rows of `mart.<table>` that `where` (an SQL condition) keeps to `out`; gives their number.

    With `known_at` as readers had them at that instant. Only rows of the reader's branch where the table has an area.
    Raises ExportError for an unknown table or format, NotKnownError for an instant of which nothing is kept,
    SqlRefusedError for a condition that is more than a condition.
    """
    if fmt not in get_args(Format):
        raise ExportError(f"format {fmt!r} is not known; expected one of {', '.join(get_args(Format))}")
    name = table.removeprefix("mart.")
    columns = _columns_of(home, name, known_at)
    if out.is_symlink() or (out.exists() and not out.is_file()):
        raise ExportError(f"{out} is a link, device or folder; expected a new file or an ordinary one to replace")
    conditions = [f"(\n{where}\n)"] if where else []
    if where:
        _check_condition(name, where)
    if "area_code" in columns:
        conditions.append(f"area_code like '{_quoted(reader.area_pattern)}'" if reader.area_code else "true")
    elif reader.area_code:
        raise ExportError(f"mart.{name} has no area, so it cannot be cut to the branch {reader.area_code}")
    kept = f" where {' and '.join(conditions)}" if conditions else ""
    frame = run_sql(home, f"select * from mart.{name}{kept}", limit=None, timeout_s=_TIMEOUT_S, known_at=known_at).frame
    writers: dict[str, Callable[[pl.DataFrame, Path], None]] = {
        "parquet": lambda rows, path: rows.write_parquet(path),
        "csv": _write_csv,
        "xlsx": _write_xlsx,
        "geojson": _write_geojson,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    building = out.with_name(f".{out.name}.part")
    try:
        writers[fmt](frame, building)
        building.replace(out)
    finally:
        building.unlink(missing_ok=True)
    return frame.height


def as_csv(frame: pl.DataFrame) -> bytes:
    """What a page shows, as a file for spreadsheets."""
    return _disarmed(frame).write_csv(include_bom=True).encode()


def _columns_of(home: Home, table: str, known_at: datetime | None) -> list[str]:
    with open_mart(home, known_at) as mart:
        found = mart.frame(
            "select table_name, column_name from information_schema.columns where table_schema = 'mart'"
            " order by table_name, ordinal_position"
        )
    columns = found.filter(pl.col("table_name") == table)["column_name"].to_list()
    if not columns:
        known = ", ".join(found["table_name"].unique().sort())
        raise ExportError(f"mart.{table} is not published; expected one of: {known}")
    return columns


def _check_condition(table: str, where: str) -> None:
    """Refuse anything that closes the brackets: what comes back from the parser must be one filtered table."""
    tree = syntax_tree(f"select * from mart.{table} where (\n{where}\n)")
    plain = (
        tree["type"] == "SELECT_NODE"
        and not tree["modifiers"]
        and tree["from_table"]["type"] == "BASE_TABLE"
        and not tree["group_expressions"]
        and tree["having"] is None
        and tree["qualify"] is None
        and tree["sample"] is None
    )
    if not plain:
        raise SqlRefusedError(
            f"{where!r} is more than a condition; expected what stands after WHERE, as in colour = 'red'"
        )


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def _as_texts(frame: pl.DataFrame) -> pl.DataFrame:
    """Instants as ISO 8601 in UTC: spreadsheets know no time zone, and a silent shift of eight hours is worse."""
    instants = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Datetime)]
    return frame.with_columns(pl.col(instants).dt.strftime("%Y-%m-%dT%H:%M:%SZ"))


def _disarmed(frame: pl.DataFrame) -> pl.DataFrame:
    texts = _as_texts(frame)
    # An apostrophe before the first character keeps spreadsheets from running a text as a formula.
    safe = texts.with_columns(
        pl.when(pl.col(name).str.contains(_FORMULA_START)).then("'" + pl.col(name)).otherwise(pl.col(name)).alias(name)
        for name, kind in texts.schema.items()
        if kind == pl.String
    )
    return safe.rename(lambda name: f"'{name}" if re.match(_FORMULA_START, name) else name)


def _write_csv(frame: pl.DataFrame, path: Path) -> None:
    _disarmed(frame).write_csv(path, include_bom=True)


def _write_xlsx(frame: pl.DataFrame, path: Path) -> None:
    import xlsxwriter

    if frame.height > _XLSX_MAX_ROWS:
        raise ExportError(f"{frame.height:,} rows do not fit a sheet ({_XLSX_MAX_ROWS:,}); use parquet, or --where")
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(path, options) as book:
        _as_texts(frame).write_excel(book, worksheet="data", autofit=False)


def _write_geojson(frame: pl.DataFrame, path: Path) -> None:
    if not {"lon", "lat"} <= set(frame.columns):
        raise ExportError("the table has no lon and lat; GeoJSON needs places, use parquet, csv or xlsx")
    placed = _as_texts(frame.filter(pl.col("lon").is_not_null() & pl.col("lat").is_not_null()))
    with path.open("w", encoding="utf-8") as file:
        file.write('{"type": "FeatureCollection", "features": [')
        for number, row in enumerate(placed.iter_rows(named=True)):
            file.write(",\n" if number else "\n")
            file.write(json.dumps(_feature(row), ensure_ascii=False, default=str))
        file.write("\n]}\n")


def _feature(row: dict[str, Any]) -> dict[str, Any]:
    place = [row["lon"], row["lat"]]
    properties = {name: value for name, value in row.items() if name not in ("lon", "lat")}
    return {"type": "Feature", "geometry": {"type": "Point", "coordinates": place}, "properties": properties}

"""Dropping files: CSV in GB18030, XLSX with merged headers, GeoJSON, GeoPackage."""

import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyogrio
import pyogrio.raw
import xlsxwriter

from city.door_sql import as_text
from city.table import SourceTable

_FULL_WIDTH = {**{str(d): chr(0xFF10 + d) for d in range(10)}, ".": "．"}


def full_width(column: str) -> pl.Expr:
    """The column with full-width digits and point."""
    return pl.col(column).str.replace_many(list(_FULL_WIDTH), list(_FULL_WIDTH.values()))


def text_frame(table: SourceTable) -> pl.DataFrame:
    """Every source column as the text that the department would write, loose cells filled in; helpers kept."""
    frame = as_text(table.frame)
    frame = frame.with_columns(pl.col(table.columns).cast(pl.String))
    for column in {name for cells in table.loose.values() for name in cells}:
        cells = {uid: values[column] for uid, values in table.loose.items() if column in values}
        loose = pl.DataFrame({"_uid": list(cells), "_loose": list(cells.values())}, schema_overrides={"_uid": pl.Int64})
        joined = frame.join(loose, on="_uid", how="left", maintain_order="left")
        frame = joined.with_columns(pl.coalesce("_loose", column).alias(column)).drop("_loose")
    return frame


def csv_bytes(frame: pl.DataFrame, *, utf8_every: int = 0, encoding: str = "gb18030") -> bytes:
    """Source columns as CSV with CRLF; with `utf8_every`, each such line is UTF-8 instead (header never)."""
    columns = [name for name in frame.columns if not name.startswith("_")]
    text = frame.select(columns).write_csv(line_terminator="\r\n")
    if not utf8_every:
        return text.encode(encoding)
    lines = text.splitlines(keepends=True)
    return b"".join(
        line.encode("utf-8" if number and number % utf8_every == 0 else encoding) for number, line in enumerate(lines)
    )


def xlsx_bytes(
    columns: list[str],
    rows: list[tuple[Any, ...]],
    title: str,
    created: datetime,
    extra: tuple[str, list[str]] | None = None,
) -> bytes:
    """A workbook with a merged title row, a merged group row and a field row above the data (row 4 on).

    Columns are named group/field; `extra` adds one more column at the right end.
    """
    if extra:
        columns = [*columns, extra[0]]
        rows = [(*row, cell) for row, cell in zip(rows, extra[1], strict=True)]
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True})
    book.set_properties({"created": created})
    sheet, bold = book.add_worksheet("台账"), book.add_format({"bold": True, "align": "center"})
    sheet.merge_range(0, 0, 0, len(columns) - 1, title, bold)
    groups = [name.split("/")[0] for name in columns]
    first = 0
    for index in range(1, len(columns) + 1):
        if index == len(columns) or groups[index] != groups[first]:
            if index - first > 1:
                sheet.merge_range(1, first, 1, index - 1, groups[first], bold)
            else:
                sheet.write_string(1, first, groups[first], bold)
            first = index
    for index, name in enumerate(columns):
        sheet.write_string(2, index, name.split("/")[1], bold)
    for number, row in enumerate(rows, start=3):
        sheet.write_row(number, 0, row)
    book.close()
    return buffer.getvalue()


def geojson_bytes(rows: list[dict[str, Any]], places: list[tuple[float, float]]) -> bytes:
    """A FeatureCollection of points; no CRS member, as such exports have none."""
    features = [
        {"type": "Feature", "properties": row, "geometry": {"type": "Point", "coordinates": [lon, lat]}}
        for row, (lon, lat) in zip(rows, places, strict=True)
    ]
    return json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False, indent=1).encode()


def write_gpkg(frame: pl.DataFrame, path: Path, layer: str, created: datetime) -> None:
    """Lines (`geometry` as WKB, EPSG:4490) with attributes; `created` stands for the wall clock inside the file."""
    fields = [name for name in frame.columns if name != "geometry"]
    data = [
        frame[name].to_numpy()
        if frame[name].null_count() == 0 and frame.schema[name].is_numeric()
        else frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        if frame.schema[name].is_numeric()
        else np.array(frame[name].to_list(), dtype=object)
        for name in fields
    ]
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": created.strftime("%Y-%m-%dT%H:%M:%S.000Z")})
    try:
        pyogrio.raw.write(
            str(path),
            np.array(frame["geometry"].to_list(), dtype=object),
            data,
            fields,
            layer=layer,
            driver="GPKG",
            geometry_type="LineString",
            crs="EPSG:4490",
        )
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})

"""What the departments of a built city serve, read from behind every door as plain rows with their source reference."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastexcel
import polars as pl
import pyogrio.raw

from city.build import CityBuild

Rows = Iterator[tuple[str, dict[str, Any]]]
HTTP = (
    *("weather.station", "weather.observation", "weather.warning"),
    *("emergency.major_hazard", "ecology.outfall", "water.station"),
)
TABLES = {
    "fire.unit": ("fire", "t_xfdw", ("dwbm",)),
    "fire.inspection": ("fire", "t_xfxc", ("xcbh",)),
    "housing.site": ("housing", "t_project", ("project_code",)),
    "housing.attendance": ("housing", "t_attendance", ("id",)),
    "resources.geo_device": ("resources", "device", ("dev_sn",)),
    "resources.geo_reading": ("resources", "reading", ("dev_sn", "mon_time")),
    "transport.vehicle": ("transport", "t_vehicle", ("clbh",)),
    "fire.device": ("fire", "t_xfsb", ("sbbm",)),
    "housing.dust_monitor": ("housing", "t_dust", ("mn",)),
}
FOLDERS = {
    "emergency.tailings_pond": "emergency/pond",
    "emergency.tailings_point": "emergency/point",
    "emergency.tailings_reading": "emergency/reading",
    "resources.geo_point": "resources/point",
    "market.elevator": "market/elevator",
    "urban.pipe": "urban/pipe",
    "urban.gas_device": "urban/gas_device",
    "urban.tunnel_device": "urban/tunnel_device",
}
KEYS = {
    "weather.station": ("stationId",),
    "weather.observation": ("stationId", "obsTime"),
    "weather.warning": ("identifier",),
    "emergency.major_hazard": ("hazardCode", "substances.cas"),
    "ecology.outfall": ("outfallCode",),
    "water.station": ("stcd",),
}
FEEDS = (*HTTP, *TABLES, *FOLDERS)


def served(built: CityBuild, feed_id: str, skip: set[str]) -> Rows:
    """Rows of a feed in sending order; files named in `skip` are passed over."""
    if feed_id in HTTP:
        yield from _http(built.root / "http" / f"{feed_id}.parquet", feed_id)
    elif feed_id in TABLES:
        yield from _table(built.root / "db", *TABLES[feed_id])
    else:
        for path in files(built, feed_id):
            if path.name not in skip:
                yield from READERS[path.suffix](path)


def files(built: CityBuild, feed_id: str) -> list[Path]:
    """Files of a feed's drop, oldest first."""
    folder = built.root / "drop" / FOLDERS[feed_id]
    return sorted(folder.iterdir(), key=lambda path: (path.stat().st_mtime, path.name))


def _flat(record: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, value in record.items():
        out |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return out


def _http(path: Path, feed_id: str) -> Rows:
    for body in pl.read_parquet(path)["body"]:
        record = json.loads(body)
        for item in record.pop("substances", [None]):
            row = _flat({**record, **({"substances": item} if item else {})})
            yield _key(row, KEYS[feed_id]), row


def _key(row: dict[str, Any], names: tuple[str, ...]) -> str:
    return "|".join("" if row[name] is None else str(row[name]) for name in names)


def _table(folder: Path, database: str, table: str, key: tuple[str, ...]) -> Rows:
    connection = sqlite3.connect(folder / f"{database}.db")
    try:
        cursor = connection.execute(f"SELECT * FROM {table} ORDER BY rowid")
        names = [column[0] for column in cursor.description]
        for values in cursor:
            row = dict(zip(names, values, strict=True))
            yield _key(row, key), row
    finally:
        connection.close()


def decoded_lines(content: bytes) -> list[tuple[str, bool]]:
    """Lines of a GB18030 file in which some lines may be UTF-8 (those with three-byte characters): text, was UTF-8."""
    lines = []
    for raw in content.split(b"\r\n"):
        try:
            text = raw.decode("utf-8")
            is_utf8 = any(ord(character) > 0x7FF for character in text)
        except UnicodeDecodeError:
            is_utf8 = False
        lines.append((raw.decode("utf-8" if is_utf8 else "gb18030"), is_utf8))
    return lines


def _csv(path: Path) -> Rows:
    text = "\n".join(line for line, _ in decoded_lines(path.read_bytes()))
    for number, row in enumerate(csv.DictReader(io.StringIO(text)), start=2):
        yield f"{path.name}:{number}", {name: value or None for name, value in row.items()}


def _xlsx(path: Path) -> Rows:
    sheet = fastexcel.read_excel(path).load_sheet(0, header_row=None, dtypes="string").to_polars()
    groups, fields = list(sheet.row(1)), list(sheet.row(2))
    for index in range(1, len(groups)):
        groups[index] = groups[index] or groups[index - 1]
    names = [f"{group}/{name}" for group, name in zip(groups, fields, strict=True)]
    for number, row in enumerate(sheet.iter_rows(), start=1):
        if number > 3:
            yield f"{path.name}:{number}", dict(zip(names, row, strict=True))


def _geojson(path: Path) -> Rows:
    for number, feature in enumerate(json.loads(path.read_text(encoding="utf-8"))["features"], start=1):
        yield f"{path.name}:{number}", {**feature["properties"], "geometry": feature["geometry"]["coordinates"]}


def _gpkg(path: Path) -> Rows:
    meta, _, geometry, values = pyogrio.raw.read(path, layer="pipe")
    for index in range(len(geometry)):
        cells = {name: column[index] for name, column in zip(meta["fields"], values, strict=True)}
        filled = {name: None if value is None or value != value else value for name, value in cells.items()}
        yield f"{path.name}:{index + 1}", {**filled, "geometry": geometry[index]}


READERS = {".csv": _csv, ".xlsx": _xlsx, ".geojson": _geojson, ".gpkg": _gpkg}

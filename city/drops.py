"""The file drops of four departments, with whole files that went wrong among them."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from city import door_files
from city.clock import Span, to_utc
from city.geography import to_gcj02
from city.planting import Planted
from city.table import SourceTable
from city.truth import Truth
from core.contract import Contract
from core.declarations import DeclarationError

_NUMERALS = "零一二三四五六七八九"
_UTF8_EVERY = 7


@dataclass
class Drop:
    """One folder of one feed: writes files with their time and notes where planted rows went."""

    folder: Path
    table: SourceTable
    planted: list[Planted]
    truth: Truth
    span: Span
    names: list[str] = field(default_factory=list)

    def put(self, name: str, content: bytes, at: datetime) -> Path:
        """Write one file, modified at naive Beijing time `at`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / name
        path.write_bytes(content)
        self.stamp(path, at)
        return path

    def stamp(self, path: Path, at: datetime) -> None:
        """Set the file's modification time."""
        instant = to_utc(at).timestamp()
        os.utime(path, (instant, instant))

    def note_rows(self, uids: list[int], name: str, first: int) -> None:
        """Note planted rows served in file `name`, whose first data row has number `first`."""
        by_uid = {one.uid: one for one in self.planted}
        for number, uid in enumerate(uids, start=first):
            if one := by_uid.get(uid):
                self.truth.defect(
                    one.reason,
                    "row",
                    self.table.feed_id,
                    f"{name}:{number}",
                    outcome=one.outcome,
                    object_id=one.object_id,
                    at=one.at,
                )

    def note_file(self, reason: str, name: str, grain: str = "file", n_rows: int = 0) -> None:
        """Note a defect of the whole file."""
        self.truth.defect(reason, grain, self.table.feed_id, name, n_rows=n_rows)

    def untouched(self) -> pl.DataFrame:
        """Rows without any planted defect."""
        return self.table.frame.filter(~pl.col("_uid").is_in([one.uid for one in self.planted]))

    def day(self, days_ago: int, hour: int) -> datetime:
        """A naive Beijing time some days before the end."""
        return datetime.combine(self.span.day_before(days_ago), datetime.min.time()) + timedelta(hours=hour)


def chinese_numeral(number: int) -> str:
    """A number below 100 in Chinese, as clerks write it (35 → 三十五)."""
    tens, ones = divmod(number, 10)
    if not tens:
        return _NUMERALS[ones]
    return ("" if tens == 1 else _NUMERALS[tens]) + "十" + (_NUMERALS[ones] if ones else "")


def write_readings(drop: Drop, rng: np.random.Generator, defects: bool) -> None:
    """Tailings readings: one CSV a Beijing day, with broken, re-sent and odd files among them."""
    ponds = drop.table.frame["测点编码"].str.slice(0, 11)
    minute_form = ponds.fill_null("").str.slice(-1).is_in(["3", "7"])
    text = door_files.text_frame(drop.table)
    short = pl.col("监测时间").str.slice(0, 16).str.replace_all("-", "/", literal=True)
    regular = pl.col("监测时间").str.len_chars() == 19
    loose = pl.col("_uid").is_in(list(drop.table.loose))
    text = text.with_columns(
        pl.when(pl.lit(minute_form) & regular & ~loose).then(short).otherwise("监测时间").alias("监测时间"),
        *[
            pl.when((pl.col("_form") % 211 == index) & ~loose)
            .then(door_files.full_width(name))
            .otherwise(name)
            .alias(name)
            for index, name in enumerate(["浸润线埋深(m)", "库水位(m)", "表面位移(mm)", "孔隙水压力(kPa)"])
        ],
    )
    days = text.partition_by("_day", as_dict=True, maintain_order=True)
    order = [str(day[0]) for day in days]
    drawn = rng.permutation(len(order)).tolist() if defects else []
    odd = dict(zip(drawn, ("extra_column", "column_order", "mixed_encodings"), strict=False))
    broken = dict(
        zip(drawn[3:] or drawn, ("truncated_file", "renamed_column", "empty_file", "resent_file"), strict=False)
    )
    first: tuple[bytes, int] | None = None
    for number, day in enumerate(order):
        rows = days[(day,)]
        at = datetime.fromisoformat(day) + timedelta(days=1, minutes=10)
        name, content = f"{day}.csv", _odd_csv(rows, odd.get(number))
        if reason := odd.get(number):
            drop.note_file(reason, name)
        if broken.get(number) in ("truncated_file", "renamed_column"):
            _put_broken(drop, str(broken[number]), name, rows, content, at)
            name, at = f"{day}_更正.csv", at + timedelta(hours=7)
        drop.put(name, content, at)
        drop.note_rows(rows["_uid"].to_list(), name, 2)
        first = first or (content, rows.height)
        if broken.get(number) == "empty_file":
            drop.put(f"{day}_1.csv", b"", at + timedelta(minutes=20))
            drop.note_file("empty_file", f"{day}_1.csv")
        if broken.get(number) == "resent_file":
            drop.put(f"{day}_重发.csv", first[0], at + timedelta(minutes=40))
            drop.note_file("resent_file", f"{day}_重发.csv", n_rows=first[1])


def _odd_csv(rows: pl.DataFrame, reason: str | None) -> bytes:
    if reason == "extra_column":
        return door_files.csv_bytes(
            rows.with_columns(pl.format("{}", 3.6 + pl.col("_form") % 5 / 100).alias("供电电压(V)"))
        )
    if reason == "column_order":
        return door_files.csv_bytes(rows.select(reversed(rows.columns)))
    return door_files.csv_bytes(rows, utf8_every=_UTF8_EVERY if reason == "mixed_encodings" else 0)


def _put_broken(drop: Drop, reason: str, name: str, rows: pl.DataFrame, content: bytes, at: datetime) -> None:
    """The day's first file, cut off in the middle of a line or with another column name."""
    if reason == "truncated_file":
        line = content.index(b"\n", len(content) * 2 // 3) + 1
        cut = content.index(b",", line) + 1
        content = content[:cut]
    else:
        content = door_files.csv_bytes(rows.rename({"库水位(m)": "水位高程(m)"}))
    drop.put(name, content, at)
    drop.note_file(reason, name, n_rows=rows.height)


def write_points(drop: Drop, defects: bool) -> None:
    """Tailings points: a header without rows, then the register with its columns in another order."""
    stamp = f"{drop.span.day_before(20):%Y%m%d}"
    if defects:
        early = f"{drop.span.day_before(25):%Y%m%d}"
        drop.put(
            f"测点_{early}.csv", "测点编码,尾矿库编码,断面,安装日期,经度,纬度\r\n".encode("gb18030"), drop.day(25, 9)
        )
        drop.note_file("empty_file", f"测点_{early}.csv")
    rows = door_files.text_frame(drop.table)
    if defects:
        rows = rows.select(reversed(rows.columns))
        drop.note_file("column_order", f"测点_{stamp}.csv")
    drop.put(f"测点_{stamp}.csv", door_files.csv_bytes(rows), drop.day(20, 9))
    drop.note_rows(rows["_uid"].to_list(), f"测点_{stamp}.csv", 2)


def write_ponds(drop: Drop, defects: bool) -> None:
    """Ponds as GeoJSON in GCJ-02: a torn file, the good one, and one re-sent without the shift."""
    frame = drop.table.frame
    rows = frame.select(drop.table.columns).with_columns(pl.col("TCRQ").dt.strftime("%Y-%m-%d")).to_dicts()
    places = frame.select("_gcj_lon", "_gcj_lat").rows()
    content = door_files.geojson_bytes(rows, places)
    name = f"尾矿库_{drop.span.day_before(20):%Y%m%d}.geojson"
    drop.put(name, content, drop.day(20, 9))
    drop.note_rows(frame["_uid"].to_list(), name, 1)
    if not defects:
        return
    torn = f"尾矿库_{drop.span.day_before(24):%Y%m%d}.geojson"
    drop.put(torn, content[: len(content) * 3 // 5], drop.day(24, 9))
    drop.note_file("truncated_file", torn)
    clean = drop.untouched()
    if clean.height < 5:
        return
    again = f"尾矿库_{drop.span.day_before(6):%Y%m%d}.geojson"
    rows = clean.select(drop.table.columns).with_columns(pl.col("TCRQ").dt.strftime("%Y-%m-%d")).to_dicts()
    drop.put(again, door_files.geojson_bytes(rows, clean.select("_lon", "_lat").rows()), drop.day(6, 9))
    drop.note_file("undeclared_datum", again, "batch", clean.height)


def write_geo_points(drop: Drop, rng: np.random.Generator, defects: bool) -> None:
    """Hazard points as CSV with full-width digits and Chinese numerals; a renamed, a mixed and a re-sent file."""
    rows = door_files.text_frame(drop.table)
    people = drop.table.frame["威胁人数"].to_list()
    forms = rng.random((drop.table.frame["_form"].len(), 3))[drop.table.frame["_form"].to_numpy()]
    written = forms[:, 0] < 0.06
    loose = set(drop.table.loose)
    free = [uid not in loose for uid in rows["_uid"]]
    numerals = [
        chinese_numeral(n) if w and f and n is not None and 0 <= n < 100 else t
        for n, w, f, t in zip(people, written, free, rows["威胁人数"], strict=True)
    ]
    dates = [
        d.strftime("%Y年%m月%d日") if d is not None and w else t
        for d, w, t in zip(drop.table.frame["登记日期"], forms[:, 1] < 0.3, rows["登记日期"], strict=True)
    ]
    rows = rows.with_columns(pl.Series("威胁人数", numerals), pl.Series("登记日期", dates))
    wide = pl.Series(forms[:, 2] < 0.12)
    rows = rows.with_columns(
        [pl.when(wide).then(door_files.full_width(c)).otherwise(c).alias(c) for c in ("威胁户数", "威胁财产(万元)")]
    )
    name = f"隐患点_{drop.span.day_before(15):%Y%m%d}.csv"
    content = door_files.csv_bytes(rows, utf8_every=_UTF8_EVERY if defects else 0)
    drop.put(name, content, drop.day(15, 9))
    drop.note_rows(rows["_uid"].to_list(), name, 2)
    if not defects:
        return
    drop.note_file("mixed_encodings", name)
    early = f"隐患点_{drop.span.day_before(19):%Y%m%d}.csv"
    drop.put(early, door_files.csv_bytes(rows.rename({"名称": "隐患点名称"})), drop.day(19, 9))
    drop.note_file("renamed_column", early, n_rows=rows.height)
    again = f"隐患点_{drop.span.day_before(8):%Y%m%d}.csv"
    drop.put(again, content, drop.day(8, 9))
    drop.note_file("resent_file", again, n_rows=rows.height)


def write_lifts(drop: Drop, defects: bool) -> None:
    """Lifts as XLSX with merged headers and one unknown column; re-sent once in GCJ-02 though declared CGCS2000."""
    columns, created = drop.table.columns, drop.day(12, 9)
    frame = drop.table.frame
    rows = [_cells(row, drop.table.loose) for row in frame.select([*columns, "_uid"]).iter_rows(named=True)]
    extra = ("备注/说明", ["" if i % 9 else "已加装物联网" for i in range(len(rows))]) if defects else None
    name = f"电梯台账_{drop.span.day_before(12):%Y%m%d}.xlsx"
    drop.put(name, door_files.xlsx_bytes(columns, rows, "特种设备（电梯）台账", created, extra), created)
    drop.note_rows(frame["_uid"].to_list(), name, 4)
    if not defects:
        return
    drop.note_file("extra_column", name)
    clean = drop.untouched()
    lon, lat = to_gcj02(clean["位置/经度"].to_numpy(), clean["位置/纬度"].to_numpy())
    moved = clean.with_columns(pl.Series("位置/经度", lon), pl.Series("位置/纬度", lat)).select(columns)
    again = f"电梯台账_{drop.span.day_before(5):%Y%m%d}.xlsx"
    drop.put(
        again, door_files.xlsx_bytes(columns, moved.rows(), "特种设备（电梯）台账", drop.day(5, 9)), drop.day(5, 9)
    )
    drop.note_file("undeclared_datum", again, "batch", clean.height)


def _cells(row: dict[str, Any], loose: dict[int, dict[str, Any]]) -> tuple[Any, ...]:
    uid = row.pop("_uid")
    return tuple({**row, **loose.get(uid, {})}.values())


def write_pipes(drop: Drop, defects: bool) -> None:
    """Pipes as GeoPackage in CGCS2000; a later file was cut off on its way."""
    drop.folder.mkdir(parents=True, exist_ok=True)
    frame, created = drop.table.frame, drop.day(18, 9)
    name = f"管线普查_{drop.span.day_before(18):%Y%m%d}.gpkg"
    path = drop.folder / name
    door_files.write_gpkg(frame.select(drop.table.columns), path, "pipe", created)
    drop.stamp(path, created)
    drop.note_rows(frame["_uid"].to_list(), name, 1)
    if defects:
        torn = f"管线普查_{drop.span.day_before(4):%Y%m%d}.gpkg"
        content = path.read_bytes()
        drop.put(torn, content[: len(content) * 2 // 5], drop.day(4, 9))
        drop.note_file("truncated_file", torn)


def write_register(drop: Drop, contract: Contract, title: str, days_ago: int) -> None:
    """A register as one file in the form that its contract declares."""
    name = f"{title}_{drop.span.day_before(days_ago):%Y%m%d}.{contract.server.file_format}"
    at = drop.day(days_ago, 9)
    if contract.server.file_format == "csv":
        rows = door_files.text_frame(drop.table)
        encoding = str(contract.server.options.get("encoding", "utf-8"))
        drop.put(name, door_files.csv_bytes(rows, encoding=encoding), at)
        drop.note_rows(rows["_uid"].to_list(), name, 2)
        return
    raise DeclarationError(
        f"{contract.id}: the simulated city writes no {contract.server.file_format} of a declared register; "
        "expected csv"
    )


Write = Callable[[Drop, np.random.Generator, bool], None]
# Feeds whose files have forms and faults of their own.
WRITERS: Mapping[str, Write] = {
    "emergency.tailings_pond": lambda drop, rng, defects: write_ponds(drop, defects),
    "emergency.tailings_point": lambda drop, rng, defects: write_points(drop, defects),
    "emergency.tailings_reading": write_readings,
    "resources.geo_point": write_geo_points,
    "market.elevator": lambda drop, rng, defects: write_lifts(drop, defects),
    "urban.pipe": lambda drop, rng, defects: write_pipes(drop, defects),
}

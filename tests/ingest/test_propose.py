"""Proposals from samples: what is guessed, with which reason, and that the text loads as a contract."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyogrio.raw
import pytest
import shapely
import xlsxwriter

from core.catalogue import load_contract
from core.contract import Contract, ContractError
from ingest.parse import parse
from ingest.propose import Proposal, SampleError, propose
from ingest.propose.guess import guess_column

ID_NUMBERS = ["110101199003070097", "110101199003070177", "110101199003070257", "11010119900307109X"]
CREDIT_CODES = ["91350100M000100Y43", "91350100M000100Y43"]

Load = Callable[[Proposal], Contract]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads a proposal's text as the product loads contracts: by the standard's schema, then ours."""

    def loaded(proposal: Proposal) -> Contract:
        path = tmp_path / "proposed.odcs.yaml"
        path.write_text(proposal.yaml_text, encoding="utf-8")
        return load_contract(path)

    return loaded


def reasons_of(proposal: Proposal, start: str) -> list[str]:
    return [reason for reason in proposal.reasons if reason.startswith(start)]


def readings_csv(n_hours: int = 30) -> str:
    lines = ["测点编码,监测时间,压力(MPa),孔隙水压力_kpa,水位(m),状态"]
    for hour in range(n_hours):
        for point in ("P-01", "P-02"):
            when = f"2026-11-{1 + hour // 24:02d} {hour % 24:02d}:00:00"
            lines.append(f"{point},{when},0.{hour:02d},{20 + hour}.5,{hour}.25,{'正常' if hour % 5 else '维护'}")
    return "\n".join(lines) + "\n"


# ── CSV ───────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.case("engineer.held.H1")
def test_readings_in_gb18030(tmp_path: Path, load: Load) -> None:
    sample = tmp_path / "监测数据 reading.csv"
    sample.write_bytes(readings_csv().encode("gb18030"))
    proposal = propose(sample, "emergency.reading")
    contract = load(proposal)
    assert contract.id == "emergency.reading"
    assert contract.server.options == {"encoding": "gb18030"}
    assert contract.server.file_format == "csv"
    assert contract.key == ("point_id", "observed_at")
    assert contract.entities == ("reading",)
    assert contract.snapshot == "incremental"
    assert contract.cadence == timedelta(hours=1)
    assert contract.event_time is not None
    assert contract.event_time.source_formats == ("%Y-%m-%d %H:%M:%S",)
    units = {c.name: c.unit for c in contract.columns if c.logical_type == "number"}
    assert units == {"pressure_mpa": "MPa", "pore_pressure_kpa": "kPa", "level_m": "m"}
    assert contract.metrics == ("pressure_mpa", "pore_pressure_kpa", "level_m")
    assert reasons_of(proposal, "file: encoding gb18030: byte 0 is not UTF-8")
    assert reasons_of(proposal, "pressure_mpa (压力(MPa)): unit MPa: the header says mpa")
    assert reasons_of(proposal, "status (状态): string: only 正常, 维护")
    for column in contract.columns:  # what is proposed says why
        assert reasons_of(proposal, f"{column.name} ({column.physical_name}): "), column.name
    for guess in ("file", "key", "cadence"):
        assert reasons_of(proposal, f"{guess}: "), (guess, proposal.reasons)
    raw = parse(sample.read_bytes(), "csv", contract)
    assert raw.frame.height == 60
    assert not raw.notes, "the contract reads its own sample without a remark"


@pytest.mark.parametrize(("delimiter", "word"), [(",", "comma"), (";", "semicolon"), ("\t", "tab"), ("|", "bar")])
def test_separators(tmp_path: Path, load: Load, delimiter: str, word: str) -> None:
    rows = ["id,note,height(m)", *(f"a{i},plain words,{i}.5" for i in range(6))]
    sample = tmp_path / "sample.csv"
    sample.write_text("\n".join(row.replace(",", delimiter) for row in rows) + "\n", encoding="utf-8")
    proposal = propose(sample)
    contract = load(proposal)
    assert reasons_of(proposal, f"file: separator {word}: 3 fields")
    assert [c.name for c in contract.columns] == ["id", "note", "height_m"]
    assert parse(sample.read_bytes(), "csv", contract).frame.height == 6


def test_byte_order_mark_is_named_and_is_no_part_of_the_header(tmp_path: Path, load: Load) -> None:
    sample = tmp_path / "sample.csv"
    sample.write_bytes("编号,名称\n1,甲\n2,乙\n".encode("utf-8-sig"))
    proposal = propose(sample)
    assert load(proposal).columns[0].physical_name == "编号"
    assert reasons_of(proposal, "file: encoding utf-8: the file starts with its byte order mark")


def test_personal_columns_are_found_by_header_and_by_value(tmp_path: Path, load: Load) -> None:
    rows = ["记录号,姓名,证件,联系电话,通讯,人脸照片,统一社会信用代码"]
    for i, number in enumerate(ID_NUMBERS):
        rows.append(f"R{i},张三,{number},0717-6221{i:03d},1380000{i:04d},img{i}.jpg,{CREDIT_CODES[i % 2]}")
    sample = tmp_path / "people.csv"
    sample.write_text("\n".join(rows) + "\n", encoding="utf-8")
    proposal = propose(sample, "housing.people")
    by_label = {c.physical_name: c for c in load(proposal).columns}
    found = {label: (c.sensitivity, c.mask, c.check_digit) for label, c in by_label.items()}
    assert found == {
        "记录号": ("internal", "none", None),
        "姓名": ("personal", "hash", None),
        "证件": ("sensitive", "hash", "resident_id"),
        "联系电话": ("personal", "hash", None),
        "通讯": ("personal", "hash", None),
        "人脸照片": ("sensitive", "drop", None),
        "统一社会信用代码": ("internal", "none", "uscc"),
    }
    assert by_label["通讯"].name.startswith("column_"), "no known word: numbered, to be named by a person"
    text = proposal.yaml_text + "\n".join(proposal.reasons)
    assert not any(number in text for number in ID_NUMBERS), "no personal value leaves the sample"
    assert "张三" not in text


def test_place_and_area_with_the_datum_left_to_a_person(tmp_path: Path, load: Load) -> None:
    rows = ["隐患点编号,名称,经度,纬度,行政区划代码,安装日期"]
    rows += [f"G{i:03d},第{i}点,111.{i:03d},30.{i:03d},4205{2 + i % 5:02d},2020年3月{i + 1}日" for i in range(20)]
    sample = tmp_path / "points.csv"
    sample.write_text("\n".join(rows) + "\n", encoding="utf-8")
    proposal = propose(sample, "resources.geo")
    contract = load(proposal)
    assert (contract.datum, contract.entities, contract.snapshot) == ("WGS84", ("object",), "full")
    assert "datum, value: WGS84}  # undeclared" in proposal.yaml_text
    assert reasons_of(proposal, "datum: undeclared, CHECK: the file states none")
    lon, lat = contract.column("lon"), contract.column("lat")
    assert (lon.minimum, lon.maximum, lon.unit, lon.concept) == (73, 136, "deg", "lon")
    assert (lat.minimum, lat.maximum, lat.unit, lat.concept) == (3, 54, "deg", "lat")
    assert contract.column("area_code").code_list == "area"
    assert contract.column("installed_on").logical_type == "date"
    assert contract.column("installed_on").source_formats == ("%Y年%m月%d日",)
    assert contract.by_concept("object_id") is contract.columns[0]


def test_key_that_the_sample_repeats_is_marked(tmp_path: Path, load: Load) -> None:
    sample = tmp_path / "twice.csv"
    sample.write_text("时间,雨量(mm)\n" + "2026-11-01 00:00:00,1.5\n" * 3, encoding="utf-8")
    proposal = propose(sample)
    assert load(proposal).key == ("observed_at",)
    assert reasons_of(proposal, "key: observed_at, though 2 rows of the sample repeat it; CHECK")


# ── one column ────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("values", "kind", "formats"),
    [
        (["2026-11-01 08:00:00", "2026/11/1 8:00"], "timestamp", ["%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M"]),
        (["2026-11-01T08:00:00+08:00"], "timestamp", ["%Y-%m-%dT%H:%M:%S%z"]),
        (["2026年11月1日 08时30分"], "timestamp", ["%Y年%m月%d日 %H时%M分"]),
        (["20261101083000"], "timestamp", ["%Y%m%d%H%M%S"]),
        (["1793491200"], "timestamp", ["epoch_s"]),
        (["1793491200000"], "timestamp", ["epoch_ms"]),
        (["20261101"], "date", ["%Y%m%d"]),
        (["13/1/2026", "2/1/2026"], "date", ["%d/%m/%Y"]),
    ],
)
def test_times(values: list[str], kind: str, formats: list[str]) -> None:
    guess = guess_column("时间", pl.Series(values))
    assert (guess.logical_type, guess.formats) == (kind, formats)


def test_day_and_month_that_cannot_be_told_apart() -> None:
    guess = guess_column("date", pl.Series(["1/2/2026", "3/4/2026"]))
    assert guess.formats == ["%m/%d/%Y"]
    assert any("cannot be told apart" in reason for reason in guess.reasons)


@pytest.mark.parametrize(
    ("header", "values", "kind", "name", "unit"),
    [
        ("压力(MPa)", ["1.5"], "number", "pressure_mpa", "MPa"),
        ("压力（ＭＰａ）", ["１．５"], "number", "pressure_mpa", "MPa"),
        ("pore_pressure_kpa", ["12"], "integer", "pore_pressure_kpa", "kPa"),
        ("温度(℃)", ["-3.5"], "number", "temperature_c", "degC"),
        ("湿度(%)", ["55"], "integer", "relative_humidity_pct", "percent"),
        ("流量(m³/h)", ["1,200.5"], "number", "flow_m3_h", "m3/h"),
        ("windSpeed[m/s]", ["3.1"], "number", "wind_speed_m_s", "m/s"),
        ("人数", ["二十三"], "integer", "people", None),
        ("alarm", ["5"], "integer", "alarm", None),  # ends in m, which is no unit there
        ("设备编号", ["1001"], "string", "device_id", None),
        ("批次", ["007", "012"], "string", "", None),
        ("是否在用", ["是", "否"], "boolean", "", None),
        ("x", [None, "-"], "string", "x", None),
    ],
)
def test_numbers_units_and_names(header: str, values: list[Any], kind: str, name: str, unit: str | None) -> None:
    guess = guess_column(header, pl.Series(values, dtype=pl.String))
    assert (guess.logical_type, guess.name, guess.unit) == (kind, name, unit)
    assert guess.reasons


# ── other media ───────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("header_rows", [1, 2, 3])
def test_workbook(tmp_path: Path, load: Load, header_rows: int) -> None:
    sample = tmp_path / "elevator.xlsx"
    with xlsxwriter.Workbook(sample) as book:
        sheet = book.add_worksheet()
        if header_rows == 3:
            sheet.merge_range(0, 0, 0, 3, "电梯台账")
        if header_rows > 1:
            sheet.merge_range(header_rows - 2, 0, header_rows - 2, 1, "设备信息")
            sheet.merge_range(header_rows - 2, 2, header_rows - 2, 3, "检验")
        for column, name in enumerate(["设备代码", "名称", "检验日期", "层数"]):
            sheet.write(header_rows - 1, column, name)
        for row in range(5):
            for column, value in enumerate([f"E{row:03d}", f"电梯{row}", f"2026-0{row + 1}-01", row + 10]):
                sheet.write(header_rows + row, column, value)
    proposal = propose(sample, "market.lift")
    contract = load(proposal)
    assert contract.server.options["headerRows"] == header_rows
    assert contract.server.location == "${CITYRISK_MARKET_DROP}/lift/*.xlsx"
    assert contract.columns[0].physical_name == ("设备信息/设备代码" if header_rows > 1 else "设备代码")
    assert [c.logical_type for c in contract.columns] == ["string", "string", "date", "integer"]
    assert contract.key == ("device_id",)
    assert parse(sample.read_bytes(), "xlsx", contract).frame.height == 5


def test_json_with_records_total_and_a_list_inside(tmp_path: Path, load: Load) -> None:
    records = [
        {
            "code": f"H{i}",
            "company": {"name": "某化工"},
            "parts": [{"cas": f"7{i}-1", "q": 1.5}, {"cas": f"8{i}-2", "q": 2.5}],
        }
        for i in range(3)
    ]
    sample = tmp_path / "hazards.json"
    sample.write_text(json.dumps({"code": 0, "data": {"total": 3, "records": records}}), encoding="utf-8")
    proposal = propose(sample, "emergency.hazard")
    contract = load(proposal)
    options = contract.server.options
    assert (contract.server.kind, options["recordsPath"], options["totalPath"]) == ("api", "data.records", "data.total")
    assert contract.server.location == "${CITYRISK_EMERGENCY_URL}/hazard"
    assert contract.explode == "parts"
    assert {c.physical_name for c in contract.columns} == {"code", "company.name", "parts.cas", "parts.q"}
    assert parse(sample.read_bytes(), "json", contract).frame.height == 6


def test_ndjson(tmp_path: Path, load: Load) -> None:
    sample = tmp_path / "rows.ndjson"
    sample.write_text("".join(f'{{"id": "a{i}", "value_mm": {i}.5}}\n' for i in range(4)), encoding="utf-8")
    assert [c.name for c in load(propose(sample)).columns] == ["id", "value_mm"]


def test_geojson(tmp_path: Path, load: Load) -> None:
    features = [
        {
            "type": "Feature",
            "properties": {"WKKBM": f"W{i}", "库容(万立方米)": i + 0.5},
            "geometry": {"type": "Point", "coordinates": [111 + i / 10, 30]},
        }
        for i in range(4)
    ]
    sample = tmp_path / "pond.geojson"
    sample.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    proposal = propose(sample, "emergency.pond")
    contract = load(proposal)
    assert contract.by_concept("geometry_wkt") is not None
    assert contract.key == ("wkkbm",)
    assert reasons_of(proposal, "datum: undeclared")
    assert parse(sample.read_bytes(), "geojson", contract).frame["geometry"][0].startswith("POINT")


def test_geopackage_states_a_datum_which_is_doubted(tmp_path: Path, load: Load) -> None:
    sample = tmp_path / "pipe.gpkg"
    shapes = shapely.to_wkb([shapely.LineString([(111, 30), (111.01, 30.01 + i / 100)]) for i in range(3)])
    pyogrio.raw.write(
        sample,
        np.array(shapes, dtype=object),
        [np.array([f"X{i}" for i in range(3)], dtype=object)],
        ["GXBH"],
        layer="pipe",
        geometry_type="LineString",
        crs="EPSG:4490",
    )
    proposal = propose(sample, "urban.pipe_two")
    contract = load(proposal)
    assert (contract.datum, contract.server.options["layer"]) == ("CGCS2000", "pipe")
    assert reasons_of(proposal, "datum: undeclared, CHECK: the file states CGCS2000, which is often wrong")


# ── what cannot be proposed ───────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("a.csv", b""),
        ("a.csv", b"only,a,header\n"),
        ("a.json", b"{"),
        ("a.json", b"[1, 2]"),
        ("a.xlsx", b"PK"),
        ("a.geojson", b"{}"),
        ("a.gpkg", b"SQLite"),
        ("a.pdf", b"%PDF"),
        ("a.csv", b'a,b\n"1,2\n'),
    ],
)
def test_files_that_teach_nothing(tmp_path: Path, name: str, body: bytes) -> None:
    sample = tmp_path / name
    sample.write_bytes(body)
    with pytest.raises(SampleError, match=rf"{name[1:]}: .*|expected"):
        propose(sample)


@pytest.mark.parametrize("feed_id", ["nodot", "Upper.case", "a.b.c", "", "../x.y"])
def test_feed_ids_that_are_none(tmp_path: Path, feed_id: str) -> None:
    with pytest.raises(ContractError, match="expected <department>"):
        propose(tmp_path / "any.csv", feed_id)


# ── public files ──────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.shared
@pytest.mark.parametrize(
    ("path", "key", "entity", "n_rows"),
    [
        ("public/landslide/glc_china.csv", ("event_id",), "event", 426),
        ("public/sensor/nab_machine_temperature_system_failure.csv", ("timestamp",), "reading", 22_695),
        ("public/weather/prsa_2016-07_three_stations.csv", ("station", "observed_at"), "reading", 2_232),
        ("registry/quake/usgs_2018feb_china_bbox.geojson", ("id",), "event", 26),
        ("registry/codes/streets_seven_places.csv", ("code",), "object", 767),
    ],
)
def test_public_files(shared_dir: Path, load: Load, path: str, key: tuple[str, ...], entity: str, n_rows: int) -> None:
    sample = shared_dir / "data" / path
    contract = load(propose(sample))
    assert (contract.key, contract.entities) == (key, (entity,))
    raw = parse(sample.read_bytes(), contract.server.file_format or "", contract)
    assert raw.frame.height == n_rows
    assert not raw.notes


# ── inspections and sensors ───────────────────────────────────────────────────────────────────────────────────────────
INSPECTIONS = "桥梁编号,检查日期,检查项目,检查结果,检查人,整改期限,建成年份,技术状况评分\n" + "".join(
    f"Q-{1 + n % 3},2026-1{n // 9}-{10 + n:02d},支座,合格,张三,2026-12-{10 + n:02d},19{90 + n % 3},{80 + n}\n"
    for n in range(12)
)


@pytest.mark.case("engineer.14")
def test_inspections_are_told_by_object_and_day_with_people_masked(tmp_path: Path, load: Load) -> None:
    sample = tmp_path / "inspection.csv"
    sample.write_text(INSPECTIONS, "utf-8")
    proposal = propose(sample, "transport.bridge_inspection")
    contract = load(proposal)
    by_header = {column.physical_name: column for column in contract.columns}
    assert contract.entities == ("inspection",)
    assert [by_header[name].name in contract.key for name in ("桥梁编号", "检查日期")] == [True, True]
    concepts = {
        "桥梁编号": "object_id",
        "检查日期": "inspected_at",
        "整改期限": "due_on",
        "检查结果": "result",
        "检查项目": "item",
    }
    assert {name: by_header[name].concept for name in concepts} == concepts
    assert (by_header["检查人"].sensitivity, by_header["检查人"].mask) == ("personal", "hash")
    assert not [reason for reason in proposal.reasons if "no unit" in reason]
    assert reasons_of(proposal, "concepts that a column of inspection may fill: inspection_id, object_id")


@pytest.mark.case("engineer.14")
def test_a_list_of_sensors_is_a_device_register(tmp_path: Path, load: Load) -> None:
    sample = tmp_path / "sensors.csv"
    sample.write_text(
        "传感器编号,桥梁编号,安装日期\n" + "".join(f"S-{n},Q-{n % 2},2025-01-{n + 1:02d}\n" for n in range(9))
    )
    contract = load(propose(sample, "transport.bridge_sensor"))
    assert contract.entities == ("device",)
    assert contract.column(contract.key[0]).concept == "device_id"


# ── what programs between the department and us left in the sample ────────────────────────────────────────────────────
@pytest.mark.case("ingest.E9")
def test_readings_of_midnight_are_times(tmp_path: Path, load: Load) -> None:
    path = tmp_path / "rain.csv"
    path.write_text(
        "站号,时间,雨量\nS1,2026-11-20 23:00,0.5\nS1,2026-11-20 24:00,1.5\nS1,2026-11-21 01:00,0\n", "utf-8"
    )
    column = load(propose(path)).by_concept("observed_at")
    assert column is not None
    assert (column.logical_type, column.source_formats) == ("timestamp", ("%Y-%m-%d %H:%M",))


@pytest.mark.parametrize(
    ("cells", "kind", "unit", "mask", "said"),
    [
        (("12.5%", "87 ％", "3"), "number", "percent", "none", "unit percent"),
        (("\u200b4", "\ufeff5", "6"), "integer", None, "none", "whole"),
        (("8 bytes", "9120 bytes", ""), "string", None, "drop", "a picture or a file"),
        (("4.20502E+17", "4.20502E+17", "4.20503E+17"), "number", None, "none", "shortened by a sheet"),
    ],
)
def test_marks_of_other_programs(cells: tuple[str, ...], kind: str, unit: str | None, mask: str, said: str) -> None:
    guess = guess_column("值", pl.Series(cells))
    assert (guess.logical_type, guess.unit, guess.mask or "none") == (kind, unit, mask)
    assert any(said in reason for reason in guess.reasons) or said == "whole"


@pytest.mark.case("ingest.E5")
def test_a_model_is_a_name_even_of_digits() -> None:
    assert guess_column("型号", pl.Series(["1.0", "2.10"])).logical_type == "string"

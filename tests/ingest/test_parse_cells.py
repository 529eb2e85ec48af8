"""Cells whose plain value says too little: percents, errors, formulas, long numbers, days from 1904, hidden sheets."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from sample_contract import HASH_KEY, RECEIVED, areas, column, contract

from core.contract import Contract
from ingest.conform import ConformContext, Conformed, conform
from ingest.parse import parse
from ingest.propose import propose

Fill = Callable[[Any, Any], None]
HEADER = ("编号", "型号", "湿度(%)", "安装日期")


def feed(**agreed: Any) -> Contract:
    columns = (
        column("id", key_position=1, required=True, physical_name="编号"),
        column("model", physical_name="型号"),
        column("humidity", "number", physical_name="湿度(%)", unit="percent"),
        column("on", "date", physical_name="安装日期", source_formats=("%Y-%m-%d",)),
    )
    return contract(*columns, kind="files", file_format="xlsx", **agreed)


def book(fill: Fill, **options: Any) -> bytes:
    buffer = io.BytesIO()
    workbook = xlsxwriter.Workbook(buffer, {"in_memory": True, **options})
    sheet = workbook.add_worksheet("台账")
    sheet.write_row(0, 0, HEADER)
    fill(workbook, sheet)
    workbook.close()
    return buffer.getvalue()


def with_sheet(body: bytes, pattern: str, instead: str) -> bytes:
    """The package with its first sheet's XML changed, as other programs write it."""
    source, buffer = zipfile.ZipFile(io.BytesIO(body)), io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        for name in source.namelist():
            part = source.read(name)
            if name == "xl/worksheets/sheet1.xml":
                text, count = re.subn(pattern, instead, part.decode())
                assert count
                part = text.encode()
            package.writestr(name, part)
    return buffer.getvalue()


def landed(body: bytes, agreed: Contract | None = None) -> Conformed:
    agreed = agreed or feed()
    return conform(parse(body, "xlsx", agreed), agreed, ConformContext(RECEIVED, HASH_KEY, areas()))


@pytest.mark.case("ingest.E4")
def test_a_cell_shown_as_percent_lands_in_percent() -> None:
    def fill(workbook: Any, sheet: Any) -> None:
        built_in, own = workbook.add_format({"num_format": 10}), workbook.add_format({"num_format": '0.0"约"%'})
        quoted = workbook.add_format({"num_format": '0.0" %"'})
        for row, (value, form) in enumerate([(0.125, built_in), (0.873, own), (45.5, quoted), (45.5, None)], 1):
            sheet.write_string(row, 0, f"D{row}")
            sheet.write_number(row, 2, value, form)

    assert landed(book(fill)).frame["humidity"].to_list() == [12.5, 87.3, 45.5, 45.5]


@pytest.mark.case("ingest.E5")
def test_a_text_cell_stays_as_typed_and_a_number_has_no_point() -> None:
    def fill(_: Any, sheet: Any) -> None:
        for row, text in enumerate(("1.0", "2.10", "007"), 1):
            sheet.write_string(row, 0, f"D{row}")
            sheet.write_string(row, 1, text)
        sheet.write_row(4, 0, ("D4", 777))

    body = with_sheet(book(fill), "<v>777</v>", "<v>777.0</v>")
    assert landed(body).frame["model"].to_list() == ["1.0", "2.10", "007", "777"]


@pytest.mark.case("ingest.E1")
@pytest.mark.case("ingest.E3")
def test_long_numbers_are_exact_or_refused() -> None:
    def fill(_: Any, sheet: Any) -> None:
        sheet.write_row(1, 0, (111, "a"))
        sheet.write_row(2, 0, (222, "b"))
        sheet.write_row(3, 0, (420502000000000001, "c"))  # rounded by the program that wrote it

    body = with_sheet(book(fill), "<v>111</v>", "<v>1234567824702058497</v>")
    shaped = landed(with_sheet(body, "<v>222</v>", "<v>1234567824702058499</v>"))
    assert shaped.frame["id"].to_list() == ["1234567824702058497", "1234567824702058499"]
    assert [(n.reason, n.outcome, n.locator, n.found) for n in shaped.notes] == [
        ("wrong_type", "quarantined", "4", "4.20502E+17")
    ]


@pytest.mark.case("ingest.E6")
@pytest.mark.case("ingest.held.H7")
def test_days_counted_from_1904() -> None:
    def fill(workbook: Any, sheet: Any) -> None:
        day = workbook.add_format({"num_format": "yyyy-mm-dd"})
        sheet.write_row(1, 0, ("D1", "a", 12))
        sheet.write_datetime(1, 3, datetime(2026, 11, 20), day)  # noqa: DTZ001 - a sheet knows no zones
        sheet.write_row(2, 0, ("D2", "a", 13, 44884))
        sheet.write_row(3, 0, ("D3", "a", 13, "2026-11-20"))

    assert landed(book(fill, date_1904=True)).frame["on"].to_list() == [date(2026, 11, 20)] * 3
    assert landed(book(fill)).frame["on"].to_list() == [date(2026, 11, 20), date(2022, 11, 19), date(2026, 11, 20)]


@pytest.mark.case("ingest.E7")
def test_errors_and_formulas_never_calculated_are_said() -> None:
    def fill(_: Any, sheet: Any) -> None:
        results = ["#N/A", "#DIV/0!", "#REF!", "#VALUE!", 0, 12.5]
        for row, result in enumerate(results, 1):
            sheet.write_string(row, 0, f"D{row}")
            sheet.write_formula(row, 2, f"=VLOOKUP(A{row},F:G,2,0)", None, result)

    body = with_sheet(book(fill), r"<v>0</v></c></row><row r=\"7\"", '</c></row><row r="7"')
    shaped = landed(body)
    assert shaped.frame["humidity"].to_list() == [None] * 5 + [12.5]
    assert [(n.reason, n.outcome, n.locator, n.column, n.found) for n in shaped.notes] == [
        ("wrong_type", "flagged", str(row), "humidity", found)
        for row, found in enumerate(("#N/A", "#DIV/0!", "#REF!", "#VALUE!", "#UNCALCULATED!"), 2)
    ]


@pytest.mark.case("ingest.F3")
def test_a_hidden_first_sheet_is_passed_over(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    workbook = xlsxwriter.Workbook(buffer, {"in_memory": True})
    codes, register = workbook.add_worksheet("字典"), workbook.add_worksheet("台账")
    codes.write_row(0, 0, ("代码", "名称"))
    codes.write_row(1, 0, ("01", "泵"))
    codes.hide()
    register.activate()
    register.write_row(0, 0, HEADER)
    register.write_row(1, 0, ("D1", "A", 12, "2026-11-20"))
    register.set_first_sheet()
    workbook.close()
    (tmp_path / "book.xlsx").write_bytes(buffer.getvalue())
    proposal = propose(tmp_path / "book.xlsx")
    assert "{property: sheet, value: 台账}" in proposal.yaml_text
    assert "physicalName: 湿度(%)" in proposal.yaml_text
    assert any("字典" in reason for reason in proposal.reasons)
    assert landed(buffer.getvalue()).frame["id"].to_list() == ["D1"]
    assert parse(buffer.getvalue(), "xlsx", feed(options={"sheet": "台账"})).frame.height == 1


@pytest.mark.case("ingest.F4")
def test_a_line_break_in_a_header_cell(tmp_path: Path) -> None:
    def fill(_: Any, sheet: Any) -> None:
        sheet.write_row(0, 0, ("编号", "型号", "湿度\n(%)", "安装\n日期"))
        sheet.write_row(1, 0, ("D1", "A", 12, "2026-11-20"))
        sheet.write_row(2, 0, ("D2", "B", 13, "2026-11-21"))

    body = book(fill)
    shaped = landed(body)
    assert shaped.frame.select("humidity", "on").rows() == [(12.0, date(2026, 11, 20)), (13.0, date(2026, 11, 21))]
    assert parse(body, "xlsx", feed()).notes == ()
    (tmp_path / "book.xlsx").write_bytes(body)
    assert "physicalName: 湿度(%)" in propose(tmp_path / "book.xlsx").yaml_text


@pytest.mark.case("ingest.E8")
def test_totals_at_the_foot_of_a_sheet(tmp_path: Path) -> None:
    def fill(_: Any, sheet: Any) -> None:
        for row in range(1, 4):
            sheet.write_row(row, 0, (f"D{row}", "A", 10 + row, f"2026-11-2{row}"))
        sheet.write_row(4, 1, ("合 计", 36))

    body = book(fill)
    raw = parse(body, "xlsx", feed())
    assert raw.frame["编号"].to_list() == ["D1", "D2", "D3"]
    assert [(n.reason, n.outcome, n.locator) for n in raw.notes] == [("total_row", "ignored", "5")]
    (tmp_path / "book.xlsx").write_bytes(body)
    proposal = propose(tmp_path / "book.xlsx")
    assert any("合计" in reason and "first at 5" in reason for reason in proposal.reasons)
    assert "primaryKey: true" in proposal.yaml_text.partition("physicalName: 编号")[2].partition("physicalName")[0]


@pytest.mark.case("ingest.F1")
def test_unicode_text_is_proposed_as_it_will_be_read(tmp_path: Path) -> None:
    text = "设备编号\t设备名称\t容量(m3)\r\nGD001\t东山泵站\t12.5\r\nGD002\t西坝泵站\t30\r\n"
    (tmp_path / "list.txt").write_bytes(text.encode("utf-16"))
    proposal = propose(tmp_path / "list.txt")
    assert "{property: encoding, value: utf-16}" in proposal.yaml_text
    assert '{property: delimiter, value: "\\t"}' in proposal.yaml_text
    assert "physicalName: 设备编号" in proposal.yaml_text

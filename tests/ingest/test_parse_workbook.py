"""XLSX sheets with titles, merged groups and typed cells."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from typing import Any

import pytest
import xlsxwriter
from sample_contract import HASH_KEY, RECEIVED, areas, column, contract, only

from core.contract import Contract
from ingest.conform import ConformContext, conform
from ingest.parse import FileFault, parse


def feed(**options: Any) -> Contract:
    columns = (
        column("id", key_position=1, physical_name="设备/代码"),
        column("kind", physical_name="设备/类别"),
        column("floors", "integer", physical_name="参数/层站"),
        column("built_on", "date", physical_name="参数/投用日期", source_formats=("%Y年%m月%d日",)),
        column("remark", physical_name="备注"),
    )
    return contract(*columns, kind="files", file_format="xlsx", options={"sheet": 0, "headerRows": 3, **options})


def workbook(*rows: tuple[Any, ...], extra: str | None = None, blank_rows: int = 0) -> bytes:
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True, "default_date_format": "yyyy-mm-dd"})
    sheet = book.add_worksheet("台账")
    top = blank_rows
    sheet.merge_range(top, 0, top, 4, "电梯台账")
    sheet.merge_range(top + 1, 0, top + 1, 1, "设备")
    sheet.merge_range(top + 1, 2, top + 1, 3, "参数")
    sheet.merge_range(top + 1, 4, top + 2, 4, "备注")
    names = ["代码", "类别", "层站", "投用日期"]
    for position, name in enumerate(names):
        sheet.write(top + 2, position, name)
    if extra:
        sheet.write(top + 1, 5, "其他")
        sheet.write(top + 2, 5, extra)
    for number, row in enumerate(rows, top + 3):
        for position, cell in enumerate(row):
            (sheet.write_datetime if isinstance(cell, date) else sheet.write)(number, position, cell)
    book.close()
    return buffer.getvalue()


def fault(body: bytes, **options: Any) -> FileFault:
    with pytest.raises(FileFault) as raised:
        parse(body, "xlsx", feed(**options))
    return raised.value


def test_merged_headers_become_group_and_field() -> None:
    body = workbook(
        ("E1", "客梯", 12, date(2020, 1, 2), "好"), (None,) * 5, ("E2", "货梯", "１８", "2020年01月03日", None)
    )
    raw = parse(body, "xlsx", feed())
    assert raw.frame.columns == ["_row", "设备/代码", "设备/类别", "参数/层站", "参数/投用日期", "备注"]
    assert raw.frame.rows() == [
        ("4", "E1", "客梯", "12", "2020-01-02 00:00:00", "好"),
        ("6", "E2", "货梯", "１８", "2020年01月03日", None),
    ]
    assert raw.notes == ()


def test_cells_of_every_type_conform() -> None:
    body = workbook(
        ("E1", "客梯", 12.0, date(2020, 1, 2), 1), ("E2", "客梯", "十二", 43832, True), ("E3", "客梯", 12.5, "", "")
    )
    agreed = feed()
    shaped = conform(parse(body, "xlsx", agreed), agreed, ConformContext(RECEIVED, HASH_KEY, areas()))
    assert shaped.frame.select("floors", "built_on", "remark").rows() == [
        (12, date(2020, 1, 2), "1"),
        (12, date(2020, 1, 2), "true"),
    ]
    note = only(shaped.notes)
    assert (note.reason, note.locator, note.column, note.found) == ("wrong_type", "6", "floors", "12.5")


def test_rows_are_those_of_the_sheet() -> None:
    body = workbook(("E1", "客梯", 1, None, None), blank_rows=2)
    assert parse(body, "xlsx", feed(headerRows=5)).frame["_row"].to_list() == ["6"]


def test_sheets_by_name() -> None:
    body = workbook(("E1", "客梯", 1, None, None))
    assert parse(body, "xlsx", feed(sheet="台账")).frame.height == 1
    assert fault(body, sheet="没有").reason == "truncated_file"


def test_one_header_row() -> None:
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True})
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["id", "x"])
    sheet.write_row(1, 0, ["a", 1.25])
    book.close()
    agreed = contract(column("id", key_position=1), column("x", "number"), kind="files", file_format="xlsx")
    assert parse(buffer.getvalue(), "xlsx", agreed).frame.rows() == [("2", "a", "1.25")]


def test_extra_column_of_a_sheet() -> None:
    raw = parse(workbook(("E1", "客梯", 1, None, None, "新"), extra="编号"), "xlsx", feed())
    note = only(raw.notes)
    assert (note.reason, note.found) == ("extra_column", "其他/编号")
    assert raw.frame["其他/编号"].to_list() == ["新"]


def test_truncated_and_empty() -> None:
    body = workbook(("E1", "客梯", 1, datetime(2020, 1, 2, tzinfo=UTC).replace(tzinfo=None), None))
    assert fault(body[: len(body) * 2 // 3]).reason == "truncated_file"
    assert fault(b"not a workbook").reason == "truncated_file"
    assert fault(b"").reason == "empty_file"
    assert fault(workbook()).reason == "empty_file"

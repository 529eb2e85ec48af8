"""CSV files: encodings, quotes, cut and empty files."""

from __future__ import annotations

from typing import Any

import pytest
from sample_contract import column, contract, only

from core.contract import Contract
from core.stages import RawTable
from ingest.parse import FileFault, parse
from ingest.parse.delimited import decode

HEADER = "编号,状态,库水位(m)\n"


def feed(**options: Any) -> Contract:
    return contract(
        column("id", key_position=1, physical_name="编号"),
        column("state", physical_name="状态"),
        column("level", "number", physical_name="库水位(m)"),
        kind="files",
        file_format="csv",
        options={"encoding": "gb18030", **options},
    )


def read(body: str | bytes, **options: Any) -> RawTable:
    return parse(body if isinstance(body, bytes) else body.encode("gb18030"), "csv", feed(**options))


def fault(body: str | bytes, **options: Any) -> FileFault:
    with pytest.raises(FileFault) as raised:
        read(body, **options)
    return raised.value


def test_rows_know_their_line() -> None:
    raw = read(HEADER + 'A1,正常,３２．５\r\n\r\nA2,"校\n准","1,2"\n A3 ,故障,')
    assert raw.frame.rows() == [
        ("2", "A1", "正常", "３２．５"),
        ("4", "A2", "校\n准", "1,2"),
        ("6", " A3 ", "故障", ""),
    ]
    assert raw.notes == ()


@pytest.mark.parametrize("encoding", ["utf-8", "UTF-8", "gb18030", "gbk"])
def test_declared_encodings(encoding: str) -> None:
    raw = read((HEADER + "A1,校准,1\n").encode(encoding), encoding=encoding)
    assert raw.frame["状态"].to_list() == ["校准"]
    assert raw.notes == ()


def test_a_byte_order_mark_is_no_part_of_the_header() -> None:
    assert read((HEADER + "A1,校准,1\n").encode("utf-8-sig"), encoding="utf-8").frame["编号"].to_list() == ["A1"]


def test_mixed_encodings_are_read_line_by_line() -> None:
    # 校准 in GB18030 is also valid UTF-8: the whole file must not be taken for it.
    states = ["校准", "正常", "维护", "校准", "故障"] * 4
    lines = [f"A{n},{state},1\n" for n, state in enumerate(states)]
    body = HEADER.encode("gb18030") + b"".join(
        line.encode("utf-8" if n % 3 == 0 else "gb18030") for n, line in enumerate(lines)
    )
    raw = read(body)
    assert raw.frame["状态"].to_list() == states
    note = only(raw.notes)
    assert (note.reason, note.grain, note.outcome) == ("mixed_encodings", "file", "corrected")
    assert note.found == "7 lines, first at line 2"
    assert read(HEADER + "".join(lines)).notes == ()


def test_gb18030_lines_in_a_utf8_file() -> None:
    raw = read((HEADER + "A1,正常,1\n").encode() + "A2,故障,2\n".encode("gb18030"), encoding="utf-8")
    assert raw.frame["状态"].to_list() == ["正常", "故障"]
    assert only(raw.notes).reason == "mixed_encodings"


def test_bytes_of_no_encoding_stay_visible() -> None:
    raw = read(HEADER.encode("gb18030") + b"A1,\xff\xff,1\nA2,x,2\n")
    assert raw.frame["编号"].to_list() == ["A1", "A2"]
    assert "\ufffd" in raw.frame["状态"][0]


def test_truncated_file() -> None:
    cut = fault(HEADER + "A1,正常,1\nA2,正")
    assert (cut.reason, cut.offset) == ("truncated_file", 3)
    assert read(HEADER + "A1,正常,1\nA2,正常,2").frame.height == 2  # whole, only the last line end is missing
    for rest in ('A2,"正', 'A2,"正\n常', '"A2","正常","2', '"A2","正常","2\n'):
        assert fault(HEADER + "A1,正常,1\n" + rest).reason == "truncated_file"


@pytest.mark.parametrize("body", [b"", b"\n\n", HEADER.encode("gb18030"), HEADER.strip().encode("gb18030")])
def test_empty_file(body: bytes) -> None:
    assert fault(body).reason == "empty_file"


def test_lines_with_other_field_counts_are_lost_alone() -> None:
    raw = read(HEADER + "A1,正常\nA2,正常,1\nA3,正常,1,1\n")
    assert raw.frame["编号"].to_list() == ["A2"]
    assert [(n.reason, n.outcome, n.locator, n.found) for n in raw.notes] == [
        ("wrong_type", "quarantined", "2", "2 fields"),
        ("wrong_type", "quarantined", "4", "4 fields"),
    ]


def test_quotes_change_nothing_but_what_they_hold() -> None:
    plain = HEADER + "A1,正常,1\r\n\r\n,,\nA2,故障,\nA3,正常\nA4,正常,2"
    quoted = plain.replace("A1", '"A1"')
    assert read(plain).frame.equals(read(quoted).frame)
    assert read(plain).notes == read(quoted).notes != ()
    assert fault(plain + "\nA5").offset == fault(quoted + "\nA5").offset == 8
    assert read("编号,状态,库水位(m)\rA1,正常,1\r").frame["编号"].to_list() == ["A1"]


def test_delimiters_and_full_width_headers() -> None:
    raw = read("编号;状态;库水位（m）;\nA1;正常;1;\n", delimiter=";")
    assert raw.frame.rows() == [("2", "A1", "正常", "1")]
    assert raw.notes == ()


@pytest.mark.case("ingest.F2")
@pytest.mark.parametrize("label", ["gb2312", "GBK"])
def test_older_labels_mean_gb18030(label: str) -> None:
    text, other = decode("镕,䶮\n".encode("gb18030"), label)
    assert (text, other) == ("镕,䶮\n", [])


# ── files as offices make them ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.case("ingest.B5")
@pytest.mark.parametrize(
    "stray",
    ['"A2","泵房"东"侧","2"', '"A2","泵房东侧,2', 'A2,"泵房"东侧,2', '"A2","泵房""东侧,2"'],
)
def test_a_stray_quote_costs_its_row(stray: str) -> None:
    raw = read(HEADER + f'"A1","正\n常","1"\n{stray}\n"A3","故障","3"\n"A4","故""障","4"\n')
    assert raw.frame.rows() == [("2", "A1", "正\n常", "1"), ("5", "A3", "故障", "3"), ("6", "A4", '故"障', "4")]
    note = only(raw.notes)
    assert (note.reason, note.outcome, note.locator, note.grain) == ("wrong_type", "quarantined", "4", "row")


def test_stray_quotes_without_end_refuse_the_file() -> None:
    assert fault(HEADER + '"A"B,1,2\n' * 10_001 + "A1,正常,1\n").reason == "unreadable_file"
    assert fault('编号,"状态"态,库水位(m)\nA1,正常,1\n').reason == "unreadable_file"


@pytest.mark.case("ingest.E8")
@pytest.mark.parametrize(
    "footer", ["合计,,3", " 小 计 ：,,3", "Total,,3", ",总计,3", '"本月合计",,"3"', "合计,3", "合计"]
)
@pytest.mark.parametrize("end", ["\n", ""])
def test_a_row_of_totals_is_no_device(footer: str, end: str) -> None:
    raw = read(HEADER + f"A1,正常,1\nA2,合计,2\n{footer}{end}")
    assert raw.frame["编号"].to_list() == ["A1", "A2"]  # what a device says of itself is no footer
    note = only(raw.notes)
    assert (note.reason, note.outcome, note.locator) == ("total_row", "ignored", "4")


@pytest.mark.case("ingest.F1")
@pytest.mark.parametrize("codec", ["utf-16", "utf-16-be"])
@pytest.mark.parametrize("options", [{}, {"encoding": "utf-16", "delimiter": "\t"}])
def test_unicode_text_of_excel(codec: str, options: dict[str, str]) -> None:
    text = (HEADER + "A1,东山泵站,12.5\nA2,西坝,30\n").replace(",", "\t").replace("\n", "\r\n")
    body = text.encode(codec) if codec == "utf-16" else b"\xfe\xff" + text.encode(codec)
    raw = read(body, **options)
    assert raw.frame.rows() == [("2", "A1", "东山泵站", "12.5"), ("3", "A2", "西坝", "30")]
    assert [note.reason for note in raw.notes] == ([] if options else ["mixed_encodings"])
    assert fault(body[:-1]).reason == "truncated_file"


@pytest.mark.case("ingest.F4")
def test_a_line_break_in_a_header_keeps_its_column() -> None:
    raw = read('"编\n号","状 态","库水位\r\n(m)"\n"A1","正常","1"\n')
    assert raw.frame.columns == ["_row", "编号", "状态", "库水位(m)"]
    assert raw.notes == ()


@pytest.mark.case("ingest.E2")
def test_invisible_characters_in_a_header() -> None:
    assert read("\ufeff编号\u200b,状态,库水位(m)\nA1,正常,1\n".encode(), encoding="utf-8").notes == ()

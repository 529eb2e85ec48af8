"""Numbers, times, units and words as departments write them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_contract import column, contract, found, shape

from ingest.conform.units import UnitError, line
from ingest.values.text import read_number

KEY = column("id", key_position=1, required=True)


def read(text: str | None, kind: str = "string", **agreed: Any) -> object:
    """One value through a column of this kind; the text of the reason when it is refused."""
    file_format = agreed.pop("file_format", None)
    shaped = shape(contract(KEY, column("x", kind, **agreed), file_format=file_format), {"id": "1", "x": text})
    return shaped.frame["x"].item() if shaped.notes == () else shaped.notes[0].reason


# ── numbers ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12.5", 12.5),
        (" 12.5 ", 12.5),
        ("１２．５", 12.5),
        ("－３", -3.0),
        ("1,234.5", 1234.5),
        ("１，２３４", 1234.0),
        ("二十三", 23.0),
        ("零", 0.0),
        ("两百", 200.0),
        ("三点五", 3.5),
        ("负十", -10.0),
        ("1.5万", 15000.0),
        ("NaN", None),
        ("—", None),
        ("12,34", "wrong_type"),
        ("1O3.2", "wrong_type"),
        ("六层半", "wrong_type"),
        ("点", "wrong_type"),
        ("1e999", "wrong_type"),
        ("一" * 41, "wrong_type"),
    ],
)
def test_numbers(text: str, number: object) -> None:
    assert read(text, "number") == number


@given(st.text(max_size=12))
def test_any_text_is_a_number_or_none(text: str) -> None:
    number = read_number(text)
    assert number is None or abs(number) < float("inf")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_come_back(number: float) -> None:
    assert read_number(repr(number)) == number


def test_integers() -> None:
    assert read("一百二十", "integer") == 120
    assert read("12.0", "integer") == 12
    assert read("3,000", "integer") == 3000
    assert read("1e30", "integer") == "wrong_type"


# ── units ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("source", "target", "text", "number"),
    [
        ("MPa", "kPa", "0.4", 400.0),
        ("km", "m", "12.3", 12300.0),
        ("kg", "t", "5200", 5.2),
        ("degF", "degC", "212", 100.0),
        ("percent", "1", "35", 0.35),
        ("m3", "1e4 m3", "25000", 2.5),
        ("CNY", "1e4 CNY", "300000", 30.0),
        ("m3/h", "m3/s", "7200", 2.0),
        ("%LEL", "%LEL", "20", 20.0),
    ],
)
def test_units(source: str, target: str, text: str, number: float) -> None:
    assert read(text, "number", unit=target, source_unit=source) == pytest.approx(number)


def test_units_that_do_not_measure_the_same() -> None:
    with pytest.raises(UnitError, match="kg"):
        line("kg", "m")
    with pytest.raises(UnitError, match="shaku"):
        line("shaku", "m")


def test_a_value_that_no_unit_can_hold() -> None:
    assert read("1e308", "number", unit="m", source_unit="km") == "wrong_type"


def test_integers_in_another_unit_are_whole_in_ours() -> None:
    assert read("3", "integer", unit="m", source_unit="km") == 3000


# ── times ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
FORMATS = ("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M")
EIGHT_IN_BEIJING = datetime(2026, 7, 1, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-07-01T08:00:00+08:00",
        "2026-07-01T08:00:00+0800",
        "2026-07-01T00:00:00Z",
        "2026-06-30T20:00:00-04:00",
        "2026-07-01T08:00:00",
        "2026-07-01T08:00:00.000",
        "2026-07-01 08:00:00",
        " 2026-07-01 08:00:00 ",
        "2026/07/01 08:00",
        "2026/7/1 8:00",
        "20260701T080000",
    ],
)
def test_instants(text: str) -> None:
    assert read(text, "timestamp", source_formats=FORMATS) == EIGHT_IN_BEIJING


@pytest.mark.parametrize("text", ["2026-02-30 08:00:00", "08:00", "昨日八时", "46204.5", "2026-07-01T08:00:00+99:00"])
def test_no_instants(text: str) -> None:
    assert read(text, "timestamp", source_formats=FORMATS) == "wrong_type"


def test_formats_of_one_column_may_mix() -> None:
    feed = contract(KEY, column("x", "timestamp", source_formats=FORMATS))
    texts = ["2026-07-01T08:00:00+08:00", "2026-07-01 08:00:00", "2026/07/01 08:00", None, "2026-07-01T00:00:00Z"]
    shaped = shape(feed, *({"id": str(n), "x": text} for n, text in enumerate(texts)))
    assert shaped.frame["x"].to_list() == [EIGHT_IN_BEIJING] * 3 + [None, EIGHT_IN_BEIJING]


def test_clocks_that_change() -> None:
    agreed = {"source_formats": ("%Y-%m-%d %H:%M:%S",), "source_time_zone": "America/New_York"}
    assert read("2026-07-01 08:00:00", "timestamp", **agreed) == datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert read("2026-01-01 08:00:00", "timestamp", **agreed) == datetime(2026, 1, 1, 13, tzinfo=UTC)
    assert read("2026-11-01 01:30:00", "timestamp", **agreed) == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)  # first pass
    assert read("2026-03-08 02:30:00", "timestamp", **agreed) == "wrong_type"  # skipped


def test_several_columns_make_one_time() -> None:
    at = column("at", "timestamp", physical_name="year+month+day+hour", source_formats=("%Y %m %d %H",))
    sent = {"id": "1", "year": "2016", "month": "7", "day": "1", "hour": "0"}
    shaped = shape(contract(KEY, at), sent, {**sent, "id": "2", "day": None}, {**sent, "id": "3", "day": "32"})
    assert shaped.frame["at"].to_list() == [datetime(2016, 6, 30, 16, tzinfo=UTC), None]
    assert found(shaped) == [("wrong_type", "quarantined", "3")]
    assert shaped.notes[0].found == "2016 7 32 0"


def test_seconds_since_1970() -> None:
    assert read("1517960631840", "timestamp", source_formats=("epoch_ms",)) == datetime(
        2018, 2, 6, 23, 43, 51, 840_000, tzinfo=UTC
    )
    assert read("1517960631", "timestamp", source_formats=("epoch_s",)) == datetime(2018, 2, 6, 23, 43, 51, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["2026-07-01", "2026年07月01日", "2026年7月1日", "2026/7/1", "2026-07-01 00:00:00", "２０２６-07-01"]
)
def test_dates(text: str) -> None:
    assert read(text, "date", source_formats=("%Y-%m-%d", "%Y年%m月%d日", "%Y/%m/%d")) == date(2026, 7, 1)


@pytest.mark.parametrize("text", ["1998-13-40", "年代不详", "46204"])
def test_no_dates(text: str) -> None:
    assert read(text, "date", source_formats=("%Y-%m-%d", "%Y%m%d")) == "wrong_type"


def test_serial_numbers_are_dates_in_sheets_only() -> None:
    assert read("46204", "date", file_format="xlsx") == date(2026, 7, 1)
    noon_in_beijing = datetime(2026, 7, 1, 4, tzinfo=UTC)
    assert read("46204.5", "timestamp", file_format="xlsx") == noon_in_beijing
    assert read("12", "date", file_format="xlsx") == "wrong_type"


# ── words ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("text", "truth"), [("是", True), ("0", False), ("TRUE", True), ("Ｎ", False), ("无", False)])
def test_booleans(text: str, truth: bool) -> None:
    assert read(text, "boolean") is truth


def test_booleans_by_map() -> None:
    assert read("在线", "boolean", value_map={"在线": "true", "离线": "false"}) is True
    assert read("离线", "boolean", value_map={"在线": "true", "离线": "false"}) is False


def test_words_are_compared_without_full_width_forms() -> None:
    agreed = {"value_map": {"其他（非住宅）": "other", "GNSS": "gnss"}, "allowed": ("other", "gnss")}
    assert read("其他(非住宅)", **agreed) == read("其他（非住宅）", **agreed) == "other"
    assert read("ＧＮＳＳ", **agreed) == "gnss"


def test_codes_lose_full_width_forms_and_prose_keeps_its_punctuation() -> None:
    assert read("ＧＸ－００１") == "GX-001"
    assert read(" 宜昌（集团）公司，一厂 ", concept="name_zh") == "宜昌（集团）公司，一厂"

"""Values that a program between the department and us changed: told, put right where the right value is known."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sample_contract import column, contract, found, only, shape

from ingest.parse import lenient_json
from ingest.parse.lenient_json import load_json

KEY = column("id", key_position=1, required=True)


def landed(kind: str, *texts: str, **agreed: Any) -> list[Any]:
    rows = [{"id": str(n), "x": text} for n, text in enumerate(texts)]
    shaped = shape(contract(KEY, column("x", kind, **agreed), kind="files"), *rows)
    return shaped.frame["x"].to_list()


@pytest.mark.case("ingest.E1")
def test_whole_numbers_are_exact_whatever_their_size() -> None:
    exact = ["1234567824702058497", "1234567824702058499", "9007199254740993", "-9223372036854775808", " 12 ", "１２"]
    assert landed("integer", *exact) == [
        1234567824702058497,
        1234567824702058499,
        9007199254740993,
        -9223372036854775808,
        12,
        12,
    ]
    shaped = shape(
        contract(column("id", "integer", key_position=1, required=True)),
        {"id": "1234567824702058497"},
        {"id": "1234567824702058499"},
        {"id": "12345678247020584990"},  # no number of 64 bits
    )
    assert shaped.frame["id"].to_list() == [1234567824702058497, 1234567824702058499]
    assert found(shaped) == [("wrong_type", "quarantined", "3")]


@pytest.mark.case("ingest.E2")
@pytest.mark.parametrize(
    "hidden", ["\ufeffGD002", "GD\u200b002", "GD002\u200f", "\u2060GD002 ", "GD002\x00", "\xa0GD002"]
)
def test_characters_that_nobody_sees_make_no_twins(hidden: str) -> None:
    agreed = contract(KEY, column("name", concept="name_zh"), entities=("object",))
    shaped = shape(agreed, {"id": hidden, "name": "点军\u200b"}, {"id": "GD002", "name": "点军"})
    assert shaped.frame["id"].to_list() == ["GD002"]
    assert shaped.frame["name"].to_list() == ["点军"]
    assert ("duplicate", "ignored", "2") in found(shaped)
    notes = [note for note in shaped.notes if note.reason == "invisible_character"]
    assert {note.column for note in notes} >= {"name"}
    assert {note.outcome for note in notes} == {"corrected"}
    assert shaped.frame["_flags"].to_list() == ["invisible_character"]


@pytest.mark.case("ingest.E2")
def test_invisible_characters_in_numbers_and_times() -> None:
    assert landed("number", "1.5\u200b") == [1.5]
    assert landed("date", "\ufeff2026-07-01") == [date(2026, 7, 1)]


@pytest.mark.case("ingest.E3")
@pytest.mark.parametrize("kind", ["string", "integer"])
def test_identifiers_that_a_sheet_shortened_are_refused(kind: Any) -> None:
    shaped = shape(
        contract(column("id", kind, key_position=1, required=True), kind="files", drift_mode="discard_value"),
        *({"id": text} for text in ("4.20502E+17", "4.20502E+17", "420502000000000001")),
    )
    assert found(shaped) == [("wrong_type", "quarantined", "1"), ("wrong_type", "quarantined", "2")]
    assert "shortened" in (shaped.notes[0].expected or "")
    assert shaped.frame["id"].cast(str).to_list() == ["420502000000000001"]


def test_what_only_looks_shortened_stays() -> None:
    assert landed("string", "1E5", "E+12", "2.5e+05") == ["1E5", "E+12", "2.5e+05"]
    assert landed("number", "4.2E+17") == [4.2e17]


@pytest.mark.case("ingest.E4")
@pytest.mark.parametrize(
    ("agreed", "value"),
    [
        ({"unit": "percent"}, 12.5),
        ({"unit": "percent", "source_unit": "percent"}, 12.5),
        ({"unit": "percent", "source_unit": "1"}, 12.5),
        ({"unit": "1"}, 0.125),
        ({}, 0.125),
        ({"unit": "%LEL"}, 12.5),
    ],
)
def test_a_percent_sign_is_read_in_the_unit_of_the_column(agreed: dict[str, str], value: float) -> None:
    assert landed("number", "12.5%", "１２．５ ％", **agreed) == pytest.approx([value, value])


def test_a_percent_sign_in_another_unit_is_no_number() -> None:
    assert landed("number", "12.5%", "%", "abc%", unit="kPa") == []


@pytest.mark.case("ingest.E7")
def test_errors_of_sheets_are_no_values_and_are_said() -> None:
    agreed = contract(KEY, column("x", "number"), column("name"), kind="files")
    shaped = shape(agreed, {"id": "1", "x": "#N/A", "name": "#REF!"}, {"id": "#VALUE!", "x": "1", "name": "a"})
    assert shaped.frame.select("id", "x", "name").rows() == [("1", None, None)]
    assert found(shaped) == [
        ("missing_key", "quarantined", "2"),
        ("wrong_type", "flagged", "1"),
        ("wrong_type", "flagged", "1"),
    ]
    assert [note.found for note in shaped.notes] == ["#VALUE!", "#N/A", "#REF!"]
    assert shaped.frame["_flags"].to_list() == ["wrong_type:x,wrong_type:name"]


# ── 24:00 ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.case("ingest.E9")
@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("2026-07-08 24:00", "%Y-%m-%d %H:%M"),
        ("2026-07-08 24:00:00", "%Y-%m-%d %H:%M"),
        ("2026-07-08T24:00:00", "%Y-%m-%d %H:%M"),
        ("2026-07-08T24:00+08:00", "%Y-%m-%d %H:%M"),
        ("2026年7月8日 24时00分", "%Y年%m月%d日 %H时%M分"),
        ("20260708240000", "%Y%m%d%H%M%S"),
        ("2026 7 8 24", "%Y %m %d %H"),
    ],
)
def test_hour_24_is_the_next_day(text: str, form: str) -> None:
    midnight = datetime(2026, 7, 8, 16, 0, tzinfo=UTC)
    assert landed("timestamp", text, source_formats=(form,)) == [midnight]
    assert landed("date", text, source_formats=(form,)) == [date(2026, 7, 9)]


@pytest.mark.parametrize("text", ["2026-07-08 24:01", "2026-07-08 25:00", "2026-07-08 24:00:01", "2026-02-30 24:00"])
def test_other_hours_past_midnight_are_no_times(text: str) -> None:
    shaped = shape(contract(KEY, column("x", "timestamp", source_formats=("%Y-%m-%d %H:%M",))), {"id": "1", "x": text})
    assert only(shaped.notes).reason == "wrong_type"


def test_month_and_year_ends() -> None:
    assert landed("date", "2026-12-31 24:00", source_formats=("%Y-%m-%d %H:%M",)) == [date(2027, 1, 1)]
    assert landed("date", "9999-12-31 24:00", source_formats=("%Y-%m-%d %H:%M",)) == []


@pytest.mark.case("ingest.E1")
def test_numbers_beyond_64_bits_keep_their_digits_in_json() -> None:
    assert load_json(b'[{"id": 123456789012345678901234, "x": 1.5}]') == [{"id": 123456789012345678901234, "x": 1.5}]
    with pytest.raises(json.JSONDecodeError):
        load_json(b'[{"id": 123456789012345678901234, "x": ]')


def test_long_ids_in_texts_are_read_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    long = 123456789012345678901234
    body = b'{"a": "\\"%d", "b": "%d\\\\", "c": %s}'
    assert load_json(body % (long, long, b"%d" % long)) == {"a": f'"{long}', "b": f"{long}\\", "c": long}
    monkeypatch.setattr(lenient_json, "read_json", lambda *_, **__: pytest.fail("the slow reader"))
    assert load_json(body % (long, long, b"1")) == {"a": f'"{long}', "b": f"{long}\\", "c": 1}


def test_a_text_without_end_is_looked_through_once() -> None:
    assert not lenient_json._has_long_number(b'"' + b'\\"' * 1_000_000 + b"1234567890123456789")

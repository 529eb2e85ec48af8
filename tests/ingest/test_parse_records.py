"""JSON pages and JSON lines."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sample_contract import column, contract, only

from core.contract import Contract
from core.stages import RawTable
from ingest.parse import FileFault, parse

PAGED = {"recordsPath": "data.records"}


def feed(**agreed: Any) -> Contract:
    columns = (
        column("unit", key_position=1, required=True, physical_name="code"),
        column("cas", key_position=2, required=True, physical_name="substances.cas"),
        column("firm", physical_name="company.name"),
        column("max_t", "number", physical_name="substances.max"),
    )
    return contract(*columns, explode="substances", options=PAGED, **agreed)


def flat(**agreed: Any) -> Contract:
    return contract(column("id", key_position=1), column("at"), column("x", "number"), **agreed)


def page(*records: Any) -> bytes:
    return json.dumps({"data": {"records": records, "total": len(records)}}).encode()


def fault(body: bytes, media: str, agreed: Contract) -> FileFault:
    with pytest.raises(FileFault) as raised:
        parse(body, media, agreed)
    return raised.value


def rows(raw: RawTable) -> list[dict[str, Any]]:
    return raw.frame.to_dicts()


def test_nested_records_explode() -> None:
    substances = [{"cas": "7664-41-7", "max": 5200.50}, {"cas": None, "max": 1}]
    raw = parse(page({"code": "H1", "company": {"name": "甲"}, "substances": substances}), "json", feed())
    assert raw.frame.columns == ["_row", "code", "substances.cas", "company.name", "substances.max"]
    assert raw.frame.rows() == [
        ("H1|7664-41-7", "H1", "7664-41-7", "甲", "5200.5"),
        ("H1|", "H1", None, "甲", "1"),
    ]
    assert raw.notes == ()


def test_objects_and_lists_of_nothing() -> None:
    whole = {"code": "H0", "company": {"name": "甲"}, "substances": [{"cas": "1", "max": 1}]}
    bare = {"code": "H1", "company": None, "substances": []}
    raw = parse(page(whole, bare), "json", feed())
    assert rows(raw)[1] == {
        "_row": "H1|",
        "code": "H1",
        "company.name": None,
        "substances.cas": None,
        "substances.max": None,
    }
    assert raw.notes == ()


def test_a_list_of_one_object_reads_as_the_object() -> None:
    agreed = contract(column("id", key_position=1), column("area", physical_name="info.area.code"))
    raw = parse(b'[{"id": 7, "info": [{"area": [{"code": "420500"}]}]}]', "json", agreed)
    assert raw.frame.row(0) == ("7", "7", "420500")


def test_values_stay_as_sent() -> None:
    body = b'[{"id": 1.50, "at": true, "x": 123456789012345678901234567890}, {"id": "a", "at": [1, "b"], "x": NaN}]'
    raw = parse(body, "json", flat())
    assert raw.frame.rows() == [
        ("1.50", "1.50", "true", "123456789012345678901234567890"),
        ("a", "a", '["1", "b"]', "NaN"),
    ]


def test_a_page_without_records_is_no_fault() -> None:
    raw = parse(page(), "json", feed())
    assert raw.frame.height == 0
    assert raw.frame.columns == ["_row", "code", "substances.cas", "company.name", "substances.max"]
    assert raw.notes == ()


def test_member_order_means_nothing_and_unknown_members_are_kept() -> None:
    raw = parse(b'[{"x": 1, "id": "a", "at": "t", "tags": ["k"], "more": {"deep": 2}}]', "json", flat())
    note = only(raw.notes)
    assert (note.reason, note.found) == ("extra_column", "tags, more.deep")
    assert raw.frame.columns == ["_row", "id", "at", "x", "tags", "more.deep"]


def test_optional_members_may_be_left_out() -> None:
    raw = parse(b'[{"id": "a"}]', "json", flat())
    assert raw.frame.row(0) == ("a", "a", None, None)
    assert raw.notes == ()


def test_places_of_records_without_a_key() -> None:
    raw = parse(
        page({"code": "H1", "substances": []}, {"code": None, "substances": [{"cas": "7"}, {}]}), "json", feed()
    )
    assert raw.frame["_row"].to_list() == ["H1|", "|7", "#3"]
    assert parse(b"[{}]", "json", flat()).frame.rows() == [("#1", None, None, None)]


def test_renamed_member() -> None:
    assert fault(b'[{"id": "a", "at": "t", "value": 1}]', "json", flat()).reason == "renamed_column"


@pytest.mark.parametrize("media", ["json", "ndjson"])
def test_places_never_show_a_personal_key(media: str) -> None:
    agreed = contract(column("person", key_position=1, sensitivity="personal", mask="hash"), column("x"))
    assert parse(b'{"person": "110105", "x": "1"}', media, agreed).frame["_row"].to_list() == ["#1"]


def test_truncated_and_empty() -> None:
    body = page({"code": "H1"}, {"code": "H2"})
    for end in range(1, len(body)):
        assert fault(body[:end], "json", feed()).reason == "truncated_file"
    assert fault(b"", "json", feed()).reason == "empty_file"
    assert fault(b"  \n", "ndjson", flat()).reason == "empty_file"


@pytest.mark.parametrize("body", [b'{"data": {}}', b'"text"', b"17", b'{"data": {"records": [1, 2]}}'])
def test_json_of_another_shape(body: bytes) -> None:
    assert fault(body, "json", feed()).reason == "unreadable_file"


def test_lines_of_a_database() -> None:
    body = '{"id": "a", "at": "2026-07-01 08:00:00", "x": 1.5}\n\n{"id": "乙", "at": null, "x": null}\n'.encode()
    raw = parse(body, "ndjson", flat())
    assert raw.frame.rows() == [("a", "a", "2026-07-01 08:00:00", "1.5"), ("乙", "乙", None, None)]
    cut = fault(body[:-3], "ndjson", flat())
    assert (cut.reason, cut.offset) == ("truncated_file", 3)
    assert fault(b"[1]\n", "ndjson", flat()).offset == 1


def test_half_a_character_is_visible() -> None:
    raw = parse(rb'[{"id": "\ud83d", "at": "\ud83d\ude00", "x": 1.50}]', "json", flat())
    assert raw.frame.select("at", "x").row(0) == ("\U0001f600", "1.50")
    assert "\ufffd" in raw.frame["id"][0]


@pytest.mark.parametrize("body", [b"[" * 100_000, b"[" + b"9" * 5000 + b"]", b'{"a":' * 50_000])
def test_documents_made_to_hurt(body: bytes) -> None:
    assert fault(body, "json", flat()).reason in ("truncated_file", "unreadable_file")
    assert fault(body, "geojson", flat()).reason in ("truncated_file", "unreadable_file")

"""Files made to be far larger than they look cost themselves, and quickly."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
import xlsxwriter
from sample_contract import column, contract

from core.stream.bundle import StoredMessage
from core.stream.raw import RawEntry, pack
from ingest.parse import FileFault, extent, parse
from ingest.parse.frames import tables_of

FEED = contract(column("id", key_position=1), file_format="json")


@pytest.mark.case("security.C3")
def test_a_sheet_with_its_first_and_its_last_cell_is_refused_before_it_is_laid_out() -> None:
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True})
    sheet = book.add_worksheet()
    sheet.write("A1", "id")
    sheet.write("XFD1048576", "x")
    book.close()
    with pytest.raises(FileFault, match="reaches row 1048576, column 16384: 17179869184 cells"):
        parse(buffer.getvalue(), "xlsx", FEED)


@pytest.mark.case("security.H4")
@pytest.mark.parametrize("depth", [0, 1])
def test_rows_with_a_key_each_are_refused(depth: int) -> None:
    rows = [{"id": f"{n}", f"k{n}": {"v": 1} if depth else "1"} for n in range(20_000)]
    with pytest.raises(FileFault, match="20000 names that the contract does not know"):
        parse(json.dumps(rows).encode(), "json", FEED)


def _deep(levels: int) -> bytes:
    return b'{"device": "a", "at": "1", "level": ' + b"[" * levels + b"1" + b"]" * levels + b"}"


@pytest.mark.case("security.H4")
@pytest.mark.parametrize(
    ("body", "found"),
    [
        (json.dumps([{"device": "a", f"k{n}": "1"} for n in range(20_000)]).encode(), "more than 1000 names"),
        (json.dumps([{"device": "a", "at": "1", "x": {f"k{n}": n for n in range(2_000)}}]).encode(), "1000 names"),
        (_deep(900), "more than 32 levels"),
        (b"[" + b",".join([b"{}"] * 300_001) + b"]", "300001 records"),
    ],
)
@pytest.mark.parametrize("drift_mode", ["evolve", "discard_value", "freeze"])
def test_a_body_of_a_device_beyond_its_bounds_costs_itself_alone(body: bytes, found: str, drift_mode: str) -> None:
    agreed = contract(
        column("device", key_position=1, concept="device_id"),
        column("at"),
        column("level", "number"),
        kind="stream",
        file_format="json",
        drift_mode=drift_mode,
    )
    good = json.dumps({"device": "a", "at": "1", "level": 1}).encode()
    entries = [RawEntry("a", 0, one) for one in (good, body, good)]
    raw = tables_of([StoredMessage(7, pack(entries), 1)], [agreed])[agreed.id]
    assert raw.frame["_row"].to_list() == ["7.0", "7.2"]
    assert [(note.reason, note.locator) for note in raw.notes] == [("bad_frame", "7.1")]
    assert found in str(raw.notes[0].found)


@pytest.mark.case("security.H4")
def test_names_that_every_body_of_a_device_has_anew_make_no_columns() -> None:
    agreed = contract(
        column("device", key_position=1, concept="device_id"), kind="stream", file_format="json", drift_mode="evolve"
    )
    entries = [RawEntry("a", 0, json.dumps({"device": "a", f"k{n}": 1}).encode()) for n in range(1_500)]
    raw = tables_of([StoredMessage(7, pack(entries), 1)], [agreed])[agreed.id]
    assert raw.frame.shape == (1_500, 2)


def test_a_large_body_within_its_bounds_is_read() -> None:
    agreed = contract(column("device", key_position=1, concept="device_id"), kind="stream", file_format="json")
    body = json.dumps([{"device": f"d{n}"} for n in range(20_000)]).encode()
    raw = tables_of([StoredMessage(7, pack([RawEntry("a", 0, body)]), 1)], [agreed])[agreed.id]
    assert raw.frame.height == 20_000


@pytest.mark.case("security.held.H6")
def test_a_workbook_that_unpacks_to_more_than_any_is_refused_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extent, "MOST_BYTES", 30 << 20)  # 3 GB would cost the test what it costs nobody else
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        for number in range(4):
            package.writestr(f"xl/media/{number}.xml", bytes(10 << 20))
    assert len(buffer.getvalue()) < 1 << 17
    with pytest.raises(FileFault, match="more than 31457280 bytes unpacked"):
        parse(buffer.getvalue(), "xlsx", FEED)

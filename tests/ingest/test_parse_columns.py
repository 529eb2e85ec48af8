"""Columns that are missing, unknown, renamed or in another order, under each drift mode."""

from __future__ import annotations

from typing import Any

import pytest
from sample_contract import HASH_KEY, RECEIVED, areas, column, contract, only

from core.contract import Contract
from core.stages import RawTable
from ingest.conform import ConformContext, conform
from ingest.parse import FileFault, parse


def feed(**agreed: Any) -> Contract:
    return contract(
        column("id", key_position=1, required=True),
        column("x", "number"),
        column("y", "number"),
        kind="files",
        file_format="csv",
        **agreed,
    )


def read(text: str, **agreed: Any) -> RawTable:
    return parse(text.encode(), "csv", feed(**agreed))


def fault(text: str, **agreed: Any) -> FileFault:
    with pytest.raises(FileFault) as raised:
        read(text, **agreed)
    return raised.value


EXTRA = "id,x,y,volt\n1,2,3,3.6\n4,5,6,\n"


def test_column_order() -> None:
    raw = read("y,id,x\n3,1,2\n")
    note = only(raw.notes)
    assert (note.reason, note.grain, note.outcome, note.found) == ("column_order", "file", "corrected", "y, id, x")
    assert raw.frame.rows() == [("2", "1", "2", "3")]
    assert read("id,x,y\n1,2,3\n").notes == ()


def test_renamed_column() -> None:
    assert fault("id,x,z\n1,2,3\n").reason == "renamed_column"
    assert fault("key,x,y\n1,2,3\n").reason == "renamed_column"
    assert "z" in fault("id,x,z\n1,2,3\n").detail


def test_extra_column_evolve() -> None:
    raw = read(EXTRA)
    note = only(raw.notes)
    assert (note.reason, note.grain, note.outcome, note.found) == ("extra_column", "file", "flagged", "volt")
    agreed = feed()
    shaped = conform(raw, agreed, ConformContext(RECEIVED, HASH_KEY, areas()))
    assert shaped.frame["_extra"][0] == '{"volt":"3.6"}'
    assert "volt" not in shaped.frame.columns


def test_extra_column_freeze() -> None:
    assert fault(EXTRA, drift_mode="freeze").reason == "extra_column"
    assert read("id,x,y\n1,2,3\n", drift_mode="freeze").notes == ()


def test_extra_column_discard_row() -> None:
    raw = read(EXTRA, drift_mode="discard_row")
    assert [(n.reason, n.grain, n.outcome, n.locator) for n in raw.notes] == [
        ("extra_column", "file", "flagged", ""),
        ("extra_column", "row", "quarantined", "2"),
    ]
    assert raw.frame.rows() == [("3", "4", "5", "6")]


def test_extra_column_discard_value() -> None:
    raw = read(EXTRA, drift_mode="discard_value")
    assert only(raw.notes).reason == "extra_column"
    assert raw.frame.columns == ["_row", "id", "x", "y"]
    assert raw.frame.height == 2


def test_a_missing_optional_column_is_said_and_empty() -> None:
    raw = read("id,x\n1,2\n")
    note = only(raw.notes)
    assert (note.reason, note.outcome, note.column) == ("missing_column", "flagged", "y")
    assert raw.frame.rows() == [("2", "1", "2", None)]


def test_nothing_expected_is_there() -> None:
    assert fault("a,b,c\n1,2,3\n").reason == "unreadable_file"


def test_names_that_clash_are_told_apart() -> None:
    raw = read("id,x,y,x,_row\n1,2,3,4,5\n")
    assert raw.frame.columns == ["_row", "id", "x", "y", "x#4", "_row#5"]
    assert raw.frame.rows() == [("2", "1", "2", "3", "4", "5")]


def test_joined_columns_are_expected_one_by_one() -> None:
    agreed = contract(column("id", key_position=1), column("at", "timestamp", physical_name="day+hour"), kind="files")
    raw = parse(b"id,day,hour\n1,2026-07-01,8\n", "csv", agreed)
    assert raw.frame.columns == ["_row", "id", "day", "hour"]
    assert raw.notes == ()

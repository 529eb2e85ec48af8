"""Reason codes of cells, rows and moments: one row that must be caught and a neighbour that must not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sample_contract import column, contract, found, only, shape

from core.contract import Contract

KEY = column("id", key_position=1, required=True, concept="object_id")
BEIJING = "%Y-%m-%d %H:%M:%S"


def values(*columns: Any, **agreed: Any) -> Contract:
    return contract(KEY, *columns, **agreed)


def reading(**agreed: Any) -> Contract:
    """A feed of moments: device, event time, transmission time."""
    return contract(
        column("id", key_position=1, required=True, concept="device_id"),
        column("at", "timestamp", key_position=2, required=True, source_formats=(BEIJING,), concept="observed_at"),
        column("sent", "timestamp", source_formats=(BEIJING,), concept="transmitted_at"),
        **agreed,
    )


def moment(device: str, at: datetime, delay: timedelta) -> dict[str, str | None]:
    return {"id": device, "at": at.strftime(BEIJING), "sent": (at + delay).strftime(BEIJING)}


NOON = datetime(2026, 7, 9, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


# ── cells ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("nothing", [None, "", "  ", "-", "—", "null", "NA"])
def test_missing_key(nothing: str | None) -> None:
    feed = values(column("name", required=True), column("note"))
    shaped = shape(
        feed, {"id": "1", "name": "a", "note": nothing}, {"id": nothing, "name": "b"}, {"id": "3", "name": nothing}
    )
    assert found(shaped) == [("missing_key", "quarantined", "2"), ("missing_key", "quarantined", "3")]
    assert shaped.frame["id"].to_list() == ["1"]
    assert shaped.frame["note"].to_list() == [None]
    assert [note.column for note in shaped.notes] == ["id", "name"]


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("number", "12.5", "12..5"),
        ("number", "1e3", "inf"),
        ("number", "+.5", "1_000"),
        ("integer", "12.0", "12.5"),
        ("boolean", "是", "也许"),
        ("date", "2026-02-28", "2026-02-30"),
        ("timestamp", "2026-07-01T08:00:00Z", "昨日八时"),
        ("string", "中", "\ufffd"),
    ],
)
def test_wrong_type(kind: str, good: str, bad: str) -> None:
    shaped = shape(values(column("x", kind)), {"id": "1", "x": good}, {"id": "2", "x": bad})
    assert found(shaped) == [("wrong_type", "quarantined", "2")]
    assert only(shaped.notes).found == bad
    assert shaped.frame["x"].null_count() == 0


def test_wrong_type_of_words_and_patterns() -> None:
    feed = values(
        column("state", allowed=("open", "shut"), value_map={"开": "open", "关": "shut"}),
        column("code", pattern="^[A-Z]{2}[0-9]$"),
        column("level", allowed=("1", "2")),
    )
    shaped = shape(
        feed,
        {"id": "1", "state": "开", "code": "AB1", "level": "2"},
        {"id": "2", "state": "shut", "code": "ＡＢ２", "level": None},
        {"id": "3", "state": "坏"},
        {"id": "4", "code": "AB12"},
        {"id": "5", "level": "3"},
    )
    assert found(shaped) == [("wrong_type", "quarantined", place) for place in ("3", "4", "5")]
    assert shaped.frame.select("state", "code", "level").rows() == [("open", "AB1", "2"), ("shut", "AB2", None)]
    assert "开" in (shaped.notes[0].expected or "")


def test_out_of_range() -> None:
    feed = values(column("x", "number", minimum=0, maximum=100, unit="percent"))
    shaped = shape(feed, *({"id": str(n), "x": x} for n, x in enumerate(["0", "100", "-0.1", "100.1"], 1)))
    assert found(shaped) == [("out_of_range", "quarantined", "3"), ("out_of_range", "quarantined", "4")]
    assert only(shaped.notes[:1]).expected == "0 to 100 percent"


def test_out_of_range_is_judged_in_our_unit() -> None:
    feed = values(column("x", "number", minimum=0, maximum=5000, unit="m", source_unit="km"))
    shaped = shape(feed, {"id": "1", "x": "4.9"}, {"id": "2", "x": "5.1"})
    assert found(shaped) == [("out_of_range", "quarantined", "2")]
    assert shaped.frame["x"].to_list() == pytest.approx([4900.0])


def test_unit_mismatch() -> None:
    feed = values(
        column("x", "number", minimum=0, maximum=2000, unit="kPa", unit_slips=("MPa",), plausible=(5.0, 2000.0))
    )
    shaped = shape(
        feed, {"id": "1", "x": "120"}, {"id": "2", "x": "0.12"}, {"id": "3", "x": "0.001"}, {"id": "4", "x": "-3"}
    )
    assert found(shaped) == [("unit_mismatch", "quarantined", "2"), ("out_of_range", "quarantined", "4")]
    assert shaped.frame["x"].to_list() == [120.0, 0.001]  # implausible, but no unit explains it
    assert "MPa" in (shaped.notes[0].expected or "")


def test_a_slip_that_also_leaves_the_range_is_a_slip() -> None:
    feed = values(
        column("x", "number", minimum=500, maximum=1100, unit="hPa", unit_slips=("kPa",), plausible=(500.0, 1100.0))
    )
    shaped = shape(feed, {"id": "1", "x": "1001.3"}, {"id": "2", "x": "100.13"}, {"id": "3", "x": "12"})
    assert found(shaped) == [("unit_mismatch", "quarantined", "2"), ("out_of_range", "quarantined", "3")]


# ── rows among rows ───────────────────────────────────────────────────────────────────────────────────────────────────
def test_duplicate() -> None:
    feed = values(column("x", "number"))
    shaped = shape(
        feed, {"id": "1", "x": "5"}, {"id": "1", "x": "５．０"}, {"id": "2", "x": None}, {"id": "1", "x": "5"}
    )
    assert found(shaped) == [("duplicate", "ignored", "2"), ("duplicate", "ignored", "4")]
    assert shaped.frame["_row"].to_list() == ["1", "3"]


def test_same_key_with_other_values_keeps_the_last() -> None:
    shaped = shape(values(column("x", "number")), {"id": "1", "x": "5"}, {"id": "1", "x": "6"}, {"id": "1", "x": "5"})
    assert found(shaped) == [("superseded", "ignored", "1"), ("superseded", "ignored", "2")]
    assert shaped.frame.select("id", "x").rows() == [("1", 5.0)]


def test_a_bad_row_replaces_no_good_one() -> None:
    shaped = shape(values(column("x", "number")), {"id": "1", "x": "5"}, {"id": "1", "x": "?"})
    assert found(shaped) == [("wrong_type", "quarantined", "2")]
    assert shaped.frame["x"].to_list() == [5.0]


def test_a_row_has_one_reason_the_first_of_the_table() -> None:
    feed = values(column("name", required=True), column("x", "number", maximum=1), column("area", code_list="area"))
    shaped = shape(
        feed, {"id": "1", "name": "", "x": "?", "area": "999999"}, {"id": "2", "name": "b", "x": "2", "area": "999999"}
    )
    assert [note.reason for note in shaped.notes] == ["missing_key", "out_of_range"]
    assert shaped.frame.is_empty()


# ── moments ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_late() -> None:
    feed = reading()
    shaped = shape(
        feed,
        moment("a", NOON - timedelta(days=3), timedelta(days=2)),
        moment("b", NOON - timedelta(days=3), timedelta(days=2, minutes=1)),
    )
    assert found(shaped) == [("late", "flagged", "2")]
    assert shaped.frame["_flags"].to_list() == ["", "late"]


def test_nothing_is_late_without_transmission_times() -> None:
    feed = values(column("at", "timestamp", required=True, source_formats=(BEIJING,), concept="observed_at"))
    shaped = shape(feed, {"id": "1", "at": "2020-01-01 00:00:00"})
    assert found(shaped) == []
    assert shaped.frame["_flags"].to_list() == [""]


def test_future_time() -> None:
    shaped = shape(reading(), moment("a", NOON, -10 * MINUTE), moment("b", NOON, -11 * MINUTE))
    assert found(shaped) == [("future_time", "quarantined", "2")]
    assert shaped.frame["id"].to_list() == ["a"]


def test_future_time_against_receipt() -> None:
    feed = values(column("at", "timestamp", required=True, source_formats=(BEIJING,), concept="observed_at"))
    shaped = shape(feed, {"id": "1", "at": "2026-07-10 12:10:00"}, {"id": "2", "at": "2026-07-10 12:10:01"})
    assert found(shaped) == [("future_time", "quarantined", "2")]


@pytest.mark.parametrize("hours", [8, -8])
def test_wrong_time_zone_of_one_device(hours: int) -> None:
    wrong = [moment("w", NOON + n * 60 * MINUTE, timedelta(hours=hours, minutes=n)) for n in range(5)]
    late_once = [moment("w", NOON + 600 * MINUTE, 2 * MINUTE)]
    right = [moment("r", NOON + n * 60 * MINUTE, 2 * MINUTE) for n in range(6)]
    shaped = shape(reading(), *right, *wrong, *late_once)
    note = only(shaped.notes)
    assert (note.reason, note.grain, note.outcome, note.n_rows) == ("wrong_time_zone", "batch", "quarantined", 6)
    assert (note.found or "").startswith("w: 5 of 6 rows")
    assert shaped.frame["id"].to_list() == ["r"] * 6


def test_five_shifted_rows_are_no_group() -> None:
    wrong = [moment("w", NOON + n * 60 * MINUTE, timedelta(hours=8)) for n in range(5)]
    shaped = shape(reading(), *wrong)
    assert shaped.notes == ()
    assert shaped.frame.height == 5


def test_wrong_time_zone_of_a_file_counts_all_its_devices() -> None:
    wrong = [moment(f"d{n}", NOON, timedelta(hours=8, minutes=1)) for n in range(8)]
    right = [moment(f"r{n}", NOON, MINUTE) for n in range(2)]
    one_file = shape(reading(kind="files"), *wrong, *right)
    assert only(one_file.notes).n_rows == 10
    assert one_file.frame.is_empty()
    assert shape(reading(), *wrong, *right).frame.height == 10  # a service's devices have clocks of their own

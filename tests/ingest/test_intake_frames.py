"""RAW messages to text tables: what is good comes through, what is not is told with its place."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sample_contract import column, contract

from core.catalogue import load_contracts
from core.contract import Contract
from core.stream.bundle import StoredMessage, bundle, ticks
from core.stream.raw import RawEntry, RawFormError, pack
from ingest.parse import FileFault, parse
from ingest.parse.frames import tables_of
from ingest.protocols import hj212
from ingest.protocols.jt808 import encode

NOW = datetime(2026, 7, 10, 4, 0, tzinfo=UTC)


def feed(drift_mode: str = "freeze", **agreed: Any) -> Contract:
    return contract(
        column("device", key_position=1, concept="device_id"),
        column("at"),
        column("level", "number"),
        kind="stream",
        file_format="json",
        drift_mode=drift_mode,
        **agreed,
    )


def stored(*bodies: Any, device: str = "d1", sequence: int = 7) -> StoredMessage:
    entries = [RawEntry(device, 0, b if isinstance(b, bytes) else json.dumps(b).encode()) for b in bodies]
    return StoredMessage(sequence, pack(entries), 1)


def table(agreed: Contract, *messages: StoredMessage) -> tuple[list[tuple[Any, ...]], list[tuple[str, str, int]]]:
    raw = tables_of(messages, [agreed])[agreed.id]
    return raw.frame.rows(), [(note.reason, note.locator, note.n_rows) for note in raw.notes]


def test_objects_and_arrays_have_stable_places() -> None:
    one, two = {"device": "a", "at": "1", "level": 2.5}, {"device": "b", "at": "2", "level": 3}
    rows, notes = table(feed(), stored(one, [one, two]), stored(two, sequence=8))
    assert rows == [
        ("7.0", "a", "1", "2.5"),
        ("7.1.0", "a", "1", "2.5"),
        ("7.1.1", "b", "2", "3.0"),
        ("8.0", "b", "2", "3.0"),
    ]
    assert notes == []


def test_a_body_that_is_none_costs_itself_alone() -> None:
    good = {"device": "a", "at": "1", "level": 1}
    rows, notes = table(
        feed(), stored(b'{"device": "a"', good, b"[]", b"7", b'"x"', [good, 3], b"", {"other": 1}, good)
    )
    assert [row[0] for row in rows] == ["7.1", "7.8"]
    assert notes == [("bad_frame", f"7.{n}", 1) for n in (0, 2, 3, 4, 5, 6, 7)]


def test_a_message_that_is_not_ours_is_told() -> None:
    rows, notes = table(feed(), StoredMessage(5, b"\x00\x01", 1), stored({"device": "a", "at": "1"}))
    assert (len(rows), notes) == (1, [("bad_frame", "5", 1)])


def test_a_topic_says_whose_reading_it_is() -> None:
    rows, _ = table(feed(), stored({"at": "1", "level": 1}, {"device": None, "at": "2"}, {"device": "z", "at": "3"}))
    assert [row[1] for row in rows] == ["d1", "d1", "z"]


@pytest.mark.parametrize(
    ("mode", "places", "found"),
    [
        ("freeze", ["7.0"], [("extra_column", "7.1", 1), ("extra_column", "7.2", 1)]),
        ("discard_row", ["7.0", "7.2"], [("extra_column", "7.1", 1)]),
        ("discard_value", ["7.0", "7.1", "7.2"], [("extra_column", "", 2)]),
        ("evolve", ["7.0", "7.1", "7.2"], [("extra_column", "", 2)]),
    ],
)
def test_unknown_fields_follow_the_drift_mode(mode: str, places: list[str], found: list[tuple[str, str, int]]) -> None:
    one = {"device": "a", "at": "1", "level": 1}
    agreed = feed(mode)
    raw = tables_of([stored(one, {**one, "new": "x"}, {**one, "new": ""})], [agreed])[agreed.id]
    assert raw.frame["_row"].to_list() == places
    assert [(note.reason, note.locator, note.n_rows) for note in raw.notes] == found
    assert ("new" in raw.frame.columns) is (mode == "evolve")


def test_values_stay_as_sent() -> None:
    agreed = contract(
        column("k", key_position=1),
        column("n", "number"),
        column("i", "integer"),
        column("t"),
        column("b", "boolean"),
        kind="stream",
        file_format="json",
    )
    bodies = [
        {"k": "1", "n": 0.1, "i": 9007199254740993, "t": 1.5, "b": True},
        {"k": "2", "n": 12, "i": 1, "t": 2, "b": False},
        {"k": "3", "n": None, "i": None, "t": [1, {"a": 2}], "b": "是"},
    ]
    rows, _ = table(agreed, stored(*bodies))
    assert rows == [
        ("7.0", "1", "0.1", "9007199254740993", "1.5", "true"),
        ("7.1", "2", "12.0", "1", "2", "false"),
        ("7.2", "3", None, None, '[1, {"a": 2}]', "是"),
    ]


def test_nested_bodies_become_dotted_columns() -> None:
    agreed = contract(
        column("k", key_position=1),
        column("level", "number", physical_name="data.level"),
        kind="stream",
        file_format="json",
        explode="data",
    )
    rows, _ = table(agreed, stored({"k": "a", "data": [{"level": 1.5}, {"level": 2}]}))
    assert [row[1:] for row in rows] == [("a", "1.5"), ("a", "2")]
    assert len({row[0] for row in rows}) == 2


# ── device protocols ──────────────────────────────────────────────────────────────────────────────────────────────────
SENDER = encode.Sender("13812345678", 2013)
PLACE = encode.Position(NOW, 111.286543, 30.691234, speed_kmh=72, direction_deg=180, altitude_m=66)


def test_frames_of_one_stream_carry_two_feeds() -> None:
    contracts = load_contracts()
    position, behaviour = contracts["transport.vehicle_position"], contracts["transport.driver_behaviour"]
    alarm = encode.dsm(PLACE, 1, "YC00001", alarm_no=1, level=2, phase=0, fatigue_degree=7)
    fatigued = encode.Position(NOW, 111.3, 30.7, items=(alarm,))
    damaged = encode.location(SENDER, 3, PLACE)[:-3] + b"\x00\x7e"
    message = stored(
        encode.location(SENDER, 1, PLACE),
        encode.location(SENDER, 2, fatigued),
        damaged,
        encode.heartbeat(SENDER, 4),
        device="13812345678",
    )
    tables = tables_of([message], [position, behaviour])
    assert tables[position.id].frame.select("_row", "device_id", "speed_kmh").rows() == [
        ("7.0.0", "13812345678", "72.0"),
        ("7.1.0", "13812345678", "0.0"),
    ]
    assert tables[behaviour.id].frame.select("_row", "behaviour", "level").rows() == [("7.1.1", "fatigue", "2")]
    assert [note.locator for note in tables[position.id].notes] == ["7.2"]
    assert tables[behaviour.id].notes == ()  # told once, where the frame came in


def test_a_message_in_parts_is_one_entry() -> None:
    position = load_contracts()["transport.vehicle_position"]
    places = [encode.Position(NOW, 111.3, 30.7, speed_kmh=n) for n in range(60)]
    frames = encode.location_batch(SENDER, 1, places)
    assert len(frames) > 1
    whole = tables_of([stored(b"".join(frames))], [position])[position.id]
    assert whole.frame.height == 60
    part = tables_of([stored(b"".join(frames[:-1]))], [position])[position.id]
    assert (part.frame.height, [note.reason for note in part.notes]) == (0, ["bad_frame"])


def test_captured_packets_of_a_dust_monitor() -> None:
    dust = load_contracts()["housing.dust_reading"]
    frame = hj212.encode("DUST0001", "39", "2011", NOW, observed_at=NOW, factors={"a34002": {"Rtd": 61.5, "Flag": "N"}})
    raw = tables_of([stored(frame, device="DUST0001")], [dust])[dust.id]
    assert raw.frame.select("device_id", "a34002-Rtd", "quality_flag").rows() == [("DUST0001", "61.5", "normal")]


# ── archived bundles ──────────────────────────────────────────────────────────────────────────────────────────────────
def test_an_archived_bundle_parses_to_the_same_table() -> None:
    messages = [stored({"device": "a", "at": "1"}), stored({"device": "b", "at": "2"}, b"x", sequence=9)]
    agreed = feed()
    again, first = parse(bundle(messages), "raw-json", agreed), tables_of(messages, [agreed])[agreed.id]
    assert again.frame.equals(first.frame)
    assert again.notes == first.notes


def test_a_bundle_keeps_its_ticks() -> None:
    messages = [StoredMessage(1, b"a", 10), StoredMessage(2, b"", 10), StoredMessage(5, b"c", 20)]
    assert list(ticks(bundle(messages))) == [(10, bundle(messages[:2])), (20, bundle(messages[2:]))]


def test_bytes_that_are_no_bundle_are_refused() -> None:
    agreed = feed()
    body = bundle([stored({"device": "a", "at": "1"})])
    with pytest.raises(FileFault, match="truncated_file"):
        parse(body[:-1], "raw-json", agreed)
    with pytest.raises(FileFault, match="unreadable_file"):
        parse(body, "raw-jt808", agreed)
    with pytest.raises(RawFormError):
        list(ticks(b"short"))


@pytest.mark.case("live.G10")
def test_a_wrapped_body_is_no_reading_unless_the_contract_unwraps_it() -> None:
    body = {"at": "1", "values": {"level": 2.5}}
    columns = (column("device", key_position=1, concept="device_id"), column("at", key_position=2), column("level"))
    plain = contract(*columns, kind="stream", file_format="json", drift_mode="evolve")
    rows, notes = table(plain, stored(body))
    assert (rows, [note[0] for note in notes]) == ([], ["bad_frame"])
    unwrapping = contract(*columns, kind="stream", file_format="json", options={"unwrap": "values"})
    rows, notes = table(unwrapping, stored(body, {"at": "2", "level": 1}))
    assert rows == [("7.0", "d1", "1", "2.5"), ("7.1", "d1", "2", "1")]
    assert notes == []

"""GB/T 26875.3 on captured packets: what each source says they mean, what is refused, streams, answers, encoders."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.protocols import BadFrame, Message, codec, gb26875
from ingest.protocols.gb26875 import Part, Unit
from ingest.protocols.gb26875 import tables as t

pytestmark = pytest.mark.shared

BEIJING = timezone(timedelta(hours=8))
NAMES = Path(__file__).with_name("gb26875_names.csv")
# The sources' word for what is wrong → our reason and its offset.
REASONS = {
    "sf-badtail": ("tail flag", "end", 76),
    "sf-short": ("not enough", "cut", 10),
    "derived-bitflip": ("sum", "checksum", 75),
    "derived-len+1": ("length", "length", 24),
    "derived-len-1328": ("length limit", "length limit", 24),
    "derived-badstart": ("start", "start", 0),
}
# Worked example of a public restatement of the standard: a smoke detector's fire, and the centre's two replies.
EXAMPLE_FIRE = (
    "40400100010120 3A091A090C 790300000000 385B01000000 3000 02"
    f"0201 0101 28 0A000200 0200 {'20' * 30}00 023A091A090C 46 2323"
)
EXAMPLE_CONFIRM = "40400100010123 3A091A090C 385B01000000 790300000000 0000 03 AB 2323"
EXAMPLE_DENY = "40400100010123 3A091A090C 385B01000000 790300000000 0000 06 AE 2323"


@pytest.fixture(scope="module")
def frames(shared_dir: Path) -> dict[str, dict[str, Any]]:
    lines = (shared_dir / "protocols/gb26875.jsonl").read_text("utf-8").splitlines()
    found = {row["id"]: row for row in map(json.loads, lines)}
    assert len(found) == 30
    return found


@pytest.fixture(scope="module")
def names() -> dict[tuple[str, str], tuple[str, str]]:
    with NAMES.open(encoding="utf-8") as file:
        return {(row["where"], row["name"]): (row["ours"], row["compare"]) for row in csv.DictReader(file)}


def raw(row: Mapping[str, Any]) -> bytes:
    return bytes.fromhex(row["frame"])


def at(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=BEIJING)


def differs(message: Message, ours: str, compare: str, said: Any) -> str | None:
    """What is wrong about one named value, None when it is what the source says."""
    fields = message.fields
    got: Any = fields.get(ours)
    if compare.startswith("object_") or compare == "object":
        objects: Any = fields["objects"]
        (got,) = [one.get(ours) for one in objects]
    right = {
        "same": lambda: got == said,
        "hex": lambda: got == said.upper(),
        "time": lambda: got == at(said).isoformat(),
        "version": lambda: (fields["main_version"], fields["user_version"]) == divmod(int(said, 16), 256),
        "little_endian": lambda: int.from_bytes(bytes.fromhex(got), "little") == said,
        "vendor_number": lambda: f"fb_{int.from_bytes(bytes.fromhex(got), 'little')}" == said,
        "object": lambda: got == said,
        "object_time": lambda: got == at(said).isoformat(),
        "object_version": lambda: tuple(map(int, got.split("."))) == divmod(int(said, 16), 256),
    }[compare]()
    return None if right else f"{ours}: {got!r} is not {said!r}"


def differing_objects(message: Message, names: Mapping[tuple[str, str], tuple[str, str]], said: Any) -> list[str]:
    """Each object of a packet, and the row that was made of it."""
    objects: Any = message.fields["objects"]
    assert len(objects) == len(said)
    wrong = []
    for number, one in enumerate(said):
        for name, value in one.items():
            ours, compare = names["object", name]
            expected = at(value).isoformat() if compare == "time" else value
            places = [objects[number], *(r.values for r in message.records[number : number + 1])]
            wrong += [f"{ours}: {p.get(ours)!r} is not {expected!r}" for p in places if p.get(ours) != expected]
    return wrong


def test_every_name_is_mapped(frames: dict[str, Any], names: dict[tuple[str, str], tuple[str, str]]) -> None:
    used = {("expect", name) for row in frames.values() if row["valid"] for name in row["expect"]}
    used |= {("own", name) for row in frames.values() for name in row.get("own_decode", {})}
    objects = [one for row in frames.values() for one in row.get("own_decode", {}).get("objects", [])]
    used |= {("object", name) for one in objects for name in one}
    assert used == set(names)
    fields = {*gb26875.RECORD_FIELDS["event"], "version"}
    assert {ours for (where, _), (ours, _) in names.items() if where == "object"} <= fields


def test_valid_packets_mean_what_their_sources_say(
    frames: dict[str, Any], names: dict[tuple[str, str], tuple[str, str]]
) -> None:
    wrong, n_values = [], 0
    for row in (row for row in frames.values() if row["valid"]):
        message = gb26875.decode(raw(row))
        assert message.deviations == ()
        for where, said in (("expect", row["expect"]), ("own", row["own_decode"])):
            for name, value in said.items():
                n_values += 1
                ours, compare = names[where, name]
                if compare == "objects":
                    found = differing_objects(message, names, value)
                else:
                    found = [one for one in [differs(message, ours, compare, value)] if one]
                wrong += [f"{row['id']}: {one}" for one in found]
    assert n_values > 250
    assert not wrong, "\n".join(wrong)


def test_invalid_packets_are_refused_with_reason_and_offset(frames: dict[str, Any]) -> None:
    refused = {row["id"]: row for row in frames.values() if not row["valid"]}
    assert set(refused) == set(REASONS)
    for name, row in refused.items():
        said, reason, offset = REASONS[name]
        assert row["expect"] == {"error": said}
        with pytest.raises(BadFrame) as bad:
            gb26875.decode(raw(row))
        assert (bad.value.reason, bad.value.offset) == (reason, offset), name


def resealed(frame: bytes) -> bytes:
    """The packet with its length and sum made right again, so that what lies inside is read."""
    inner = frame[2:24] + (len(frame) - 30).to_bytes(2, "little") + frame[26:-3]
    return b"@@" + inner + bytes([sum(inner) & 0xFF]) + b"##"


@pytest.mark.parametrize(
    ("change", "reason", "offset"),
    [
        (lambda f: f[:26] + b"\x07" + f[27:], "command", 26),
        (lambda f: f[:26] + b"\x00" + f[27:], "command", 26),
        (lambda f: f[:28] + b"\x02" + f[29:], "object", 75),
        (lambda f: f[:28] + b"\x00" + f[29:], "object", 29),
        (lambda f: f[:-4] + f[-3:], "object", 29),
        (lambda f: f[:27] + b"\x06\x01\x01" + f[-3:], "object", 29),
    ],
)
def test_a_packet_that_cannot_be_read_is_refused(frames: dict[str, Any], change: Any, reason: str, offset: int) -> None:
    with pytest.raises(BadFrame) as bad:
        gb26875.decode(resealed(change(raw(frames["dgiot-part-fault"]))))
    assert (bad.value.reason, bad.value.offset) == (reason, offset)


# ── what events say ───────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_fault_and_its_end_are_two_events_of_one_part(frames: dict[str, Any]) -> None:
    rows = [gb26875.decode(raw(frames[f"dgiot-part-{name}"])).records[0].values for name in ("fault", "recover")]
    assert rows[0]["device_id"] == rows[1]["device_id"] == "000000000000-1-1-0-655415"
    assert [(row["fault"], row["fire"], row["state"]) for row in rows] == [(True, False, 4), (False, False, 0)]


def test_a_smoke_detector_reports_fire(frames: dict[str, Any]) -> None:
    (row,) = gb26875.decode(raw(frames["dgiot-smoke-doc"])).records
    assert row.kind == "event"
    assert (row.values["event_kind"], row.values["part_type"], row.values["fire"]) == (
        "part_state",
        "smoke_detector_photo",
        True,
    )


def test_the_units_own_troubles(frames: dict[str, Any]) -> None:
    row = gb26875.decode(raw(frames["dgiot-uitd-1"])).records[0].values
    assert {name for name in t.UNIT_BITS if row[name]} == {"fault", "backup_power_fault"}
    assert row["device_id"] == row["unit_id"] == "000000000000"


def test_versions_settings_and_vendors_types_make_no_rows(frames: dict[str, Any]) -> None:
    kinds = {name: gb26875.decode(raw(row)) for name, row in frames.items() if row["valid"]}
    without = {name: m.kind for name, m in kinds.items() if not m.records}
    assert without == {
        "dgiot-1byte-a": "code_22",
        "dgiot-1byte-b": "code_22",
        "case1-version": "unit_version",
        "case2-ack": "confirm",
        "fubei-150": "code_150",
        "cannon-auth": "code_60",
        "cannon-query": "read_system_state",
        "airsample-9": "code_9",
        "sf-request": "initialise_unit",
        "wrap-app5": "software_version",
        "wrap-app6": "system_config",
        "wrap-app7": "part_config",
    }


@pytest.mark.parametrize(
    ("code", "steps", "field", "value"),
    [
        (2, 125, "height_m", 1.25),
        (3, -55, "temperature_c", -5.5),
        (4, 3, "pressure_kpa", 300.0),
        (5, 1405, "pressure_kpa", 140.5),
        (8, 2201, "voltage_v", 220.1),
        (9, 12, "current_a", 1.2),
        (10, 150, "flow_l_s", 15.0),
        (12, 7, "wind_speed_ms", 7.0),
    ],
)
def test_quantities_have_their_own_fields_and_units(
    frames: dict[str, Any], code: int, steps: int, field: str, value: float
) -> None:
    frame = raw(frames["wrap-app3-gas"])
    changed = frame[:36] + bytes([code]) + steps.to_bytes(2, "little", signed=True) + frame[39:]
    (row,) = gb26875.decode(resealed(changed)).records
    assert {name: row.values[name] for name in t.QUANTITY_FIELDS if name in row.values} == {field: value}


def test_a_vendors_quantity_stays_a_raw_number(frames: dict[str, Any]) -> None:
    frame = raw(frames["wrap-app3-gas"])
    (row,) = gb26875.decode(resealed(frame[:36] + b"\x80" + frame[37:])).records
    assert (row.values["quantity"], row.values["analogue_raw"]) == ("code_128", 500)
    assert not set(t.QUANTITY_FIELDS) & set(row.values)


def test_rows_keep_to_their_fields_and_are_told_apart(frames: dict[str, Any]) -> None:
    fields = gb26875.RECORD_FIELDS["event"]
    assert len(fields) == len(set(fields))
    rows = [r.values for row in frames.values() if row["valid"] for r in gb26875.decode(raw(row)).records]
    assert len(rows) >= 10
    for row in rows:
        assert set(row) <= set(fields)
        assert None not in (row["device_id"], row["event_kind"], row["quantity"])


# ── deviations ────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_sum_that_is_not_worked_out_is_taken_only_on_request(frames: dict[str, Any]) -> None:
    frame = raw(frames["dgiot-part-fault"])
    without, lenient = frame[:-3] + b"\0" + frame[-2:], frozenset({"no_checksum"})
    for wrong in (without, frame[:-3] + b"\1" + frame[-2:]):
        with pytest.raises(BadFrame, match="checksum"):
            gb26875.decode(wrong, frozenset() if wrong == without else lenient)
    assert gb26875.decode(without, lenient).deviations == ("no_checksum",)
    assert gb26875.splitter(lenient).feed(without) == [without]
    assert gb26875.decode(frame, lenient).deviations == ()


def test_decimal_times_are_read_only_on_request(frames: dict[str, Any]) -> None:
    frame = raw(frames["dgiot-part-fault"])
    decimal = bytes.fromhex("455214120722")
    packet = resealed(frame[:6] + decimal + frame[12:-9] + decimal + frame[-3:])
    plain = gb26875.decode(packet)
    assert plain.fields["sent_at"] is None
    assert plain.records[0].values["observed_at"] is None
    message = gb26875.decode(packet, frozenset({"bcd_time"}))
    assert message.records[0].values["observed_at"] == message.fields["sent_at"] == "2022-07-12T14:52:45+08:00"
    assert message.deviations == ("bcd_time",)


@pytest.mark.case("live.C3")
def test_an_object_without_a_usable_clock_is_of_the_time_its_packet_was_sent(frames: dict[str, Any]) -> None:
    frame = raw(frames["dgiot-part-fault"])
    unset = resealed(frame[:-9] + bytes(6) + frame[-3:])
    message = gb26875.decode(unset)
    assert message.records[0].values["observed_at"] == message.fields["sent_at"] == "2022-07-12T14:52:45+08:00"
    assert message.deviations == ()


def test_objects_without_their_time_are_read_only_on_request(frames: dict[str, Any]) -> None:
    frame = raw(frames["dgiot-part-fault"])
    short = resealed(frame[:-9] + frame[-3:])
    with pytest.raises(BadFrame, match="object"):
        gb26875.decode(short)
    message = gb26875.decode(short, frozenset({"no_object_time"}))
    assert message.records[0].values["observed_at"] == message.fields["sent_at"]
    assert message.deviations == ("no_object_time",)
    assert gb26875.decode(frame, frozenset({"no_object_time"})).deviations == ()


# ── streams ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_glued_and_split_streams_give_every_packet(frames: dict[str, Any]) -> None:
    good = [raw(row) for row in frames.values() if row["valid"]]
    stream = b"".join(good)
    assert gb26875.splitter().feed(stream) == good
    one_by_one = gb26875.splitter()
    assert [frame for byte in stream for frame in one_by_one.feed(bytes([byte]))] + one_by_one.close() == good


@pytest.mark.parametrize("noise", [b"\r\n", b"@", b"@@", b"##", b"@@@" * 20, bytes(range(256))])
def test_noisy_streams_find_their_way_back(frames: dict[str, Any], noise: bytes) -> None:
    good = [raw(row) for row in frames.values() if row["valid"]]
    split = gb26875.splitter()
    found = split.feed(noise + noise.join(good) + noise) + split.close()
    assert [one for one in found if isinstance(one, bytes)] == good
    assert len(found) == 2 * len(good) + 1


def test_an_end_mark_inside_a_packet_ends_nothing(frames: dict[str, Any]) -> None:
    frame = raw(frames["dgiot-part-fault"])
    inside = resealed(frame[:38] + b"##@@##" + frame[44:])
    assert gb26875.splitter().feed(inside + frame) == [inside, frame]


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=600), cuts=st.lists(st.integers(0, 600), max_size=8))
def test_random_bytes_raise_nothing_but_bad_frames(data: bytes, cuts: list[int]) -> None:
    with pytest.raises(BadFrame):
        gb26875.decode(data)
    split, last = gb26875.splitter(), 0
    for cut in [*sorted(cuts), len(data)]:
        assert not [one for one in split.feed(data[last:cut]) if isinstance(one, bytes)]
        last = max(last, cut)
    assert sum(isinstance(one, bytes) for one in split.close()) == 0


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_mutated_packets_raise_nothing_but_bad_frames(frames: dict[str, Any], data: st.DataObject) -> None:
    row = data.draw(st.sampled_from([row for row in frames.values() if len(row["frame"]) > 80]))
    frame = bytearray(raw(row))
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(2, len(frame) - 4))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del frame[27 : data.draw(st.integers(27, len(frame) - 3))]
    for candidate in (bytes(frame), resealed(bytes(frame))):
        lenient = frozenset(data.draw(st.sets(st.sampled_from(sorted(gb26875.LENIENT)))))
        try:
            message = gb26875.decode(candidate, lenient)
        except BadFrame:
            continue
        json.dumps(message.fields, ensure_ascii=False, allow_nan=False).encode()
        for record in message.records:
            assert set(record.values) <= set(gb26875.RECORD_FIELDS[record.kind])
        gb26875.answers(message, datetime(2026, 7, 1, tzinfo=UTC))


# ── answers and encoders against captured bytes ───────────────────────────────────────────────────────────────────────
def test_data_is_confirmed_as_captured(frames: dict[str, Any]) -> None:
    message = gb26875.decode(raw(frames["case1-version"]))
    now = at("2021-12-08 22:30:00").astimezone(UTC)
    assert gb26875.answers(message, now) == (raw(frames["case2-ack"]),)
    assert gb26875.answers(gb26875.decode(raw(frames["case2-ack"])), now) == ()
    assert gb26875.answers(gb26875.decode(raw(frames["sf-request"])), now) == ()


def test_the_worked_example_is_answered_as_it_says() -> None:
    fire, now = bytes.fromhex(EXAMPLE_FIRE), at("2012-09-26 09:58:35")
    message = gb26875.decode(fire)
    (row,) = message.records
    assert (row.values["part_type"], row.values["zone"], row.values["position"]) == ("smoke_detector", 10, 2)
    assert (row.values["fire"], row.values["observed_at"]) == (True, "2012-09-26T09:58:02+08:00")
    assert gb26875.answers(message, now) == (bytes.fromhex(EXAMPLE_CONFIRM),)
    broken = fire[:36] + b"\x06" + fire[37:]
    with pytest.raises(BadFrame, match="checksum"):
        gb26875.decode(broken)
    assert gb26875.deny(broken, now) == bytes.fromhex(EXAMPLE_DENY)
    assert gb26875.deny(broken[:20], now) is None
    assert gb26875.deny(bytes.fromhex(EXAMPLE_CONFIRM), now) is None


def test_events_are_written_as_units_do(frames: dict[str, Any]) -> None:
    when = at("2021-07-02 09:00:04")
    unit = Unit("010203040506")
    part = Part("fire_alarm", 2, "alarm_device", 513, 1027)
    state = gb26875.part_state(part, ["fault"], when, "这是一个转码测试")
    wrapped = gb26875.packet(unit, 1, when, t.PART_STATE, [state])
    captured = raw(frames["wrap-app2"])
    # The source sets bit 9 of a part's state, which the standard reserves: only that bit and the sum differ.
    assert [i for i, (a, b) in enumerate(zip(wrapped, captured, strict=True)) if a != b] == [37, 75]
    both = gb26875.system_state("fire_alarm", 2, ["fault", "backup_power_fault"], when)
    assert gb26875.packet(unit, 1, when, t.SYSTEM_STATE, [both]) == raw(frames["wrap-app1"])
    gas = gb26875.analogue(
        Part("fire_alarm", 1, "gas_detector_point", 1, 1), "gas_pct_lel", 50.0, at("2021-08-15 10:00:00")
    )
    assert gb26875.packet(unit, 1, when, t.ANALOGUE, [gas]) == raw(frames["wrap-app3-gas"])


def test_the_units_own_events_are_written_as_captured(frames: dict[str, Any]) -> None:
    unit = Unit("000000000000", "640000000000", (1, 2))
    state = gb26875.unit_state(["fault", "backup_power_fault"], at("2022-07-12 16:42:14"))
    assert gb26875.packet(unit, 2, at("2022-07-12 16:42:22"), t.UNIT_STATE, [state]) == raw(frames["dgiot-uitd-1"])
    beat = gb26875.decode(gb26875.packet(unit, 3, at("2022-07-12 16:42:30")))
    assert (beat.kind, beat.records) == ("heartbeat", ())
    reset = gb26875.operation("fire_alarm", 1, ["op_reset"], 7, at("2022-07-12 16:42:14"))
    (row,) = gb26875.decode(gb26875.packet(unit, 4, at("2022-07-12 16:42:22"), t.OPERATION, [reset])).records
    assert (row.values["op_reset"], row.values["op_mute"], row.values["operator_no"]) == (True, False, 7)


def test_what_cannot_be_written_is_refused() -> None:
    part, when = Part("sprinkler", 1, "pressure_switch", 0, 1), at("2026-07-01 10:00:00")
    with pytest.raises(ValueError, match="expected some of"):
        gb26875.part_state(part, ["on_fire"], when)
    with pytest.raises(OverflowError):
        gb26875.analogue(part, "pressure_kpa", 99_999, when)
    long = gb26875.part_state(part, ["fire"], when, "某某路某某号某某大厦地下二层消防水泵房压力开关")
    (row,) = gb26875.decode(gb26875.packet(Unit("010203040506"), 1, when, t.PART_STATE, [long])).records
    assert row.values["text"] == "某某路某某号某某大厦地下二层消"


def test_this_is_the_codec_of_its_name(frames: dict[str, Any]) -> None:
    assert codec("gb26875") is gb26875  # type: ignore[comparison-overlap]
    assert gb26875.MAX_FRAME_BYTES == 1054
    frame = raw(frames["dgiot-uitd-1"])
    assert gb26875.join([frame]) == gb26875.decode(frame)
    with pytest.raises(BadFrame, match="packet"):
        gb26875.join([frame, frame])

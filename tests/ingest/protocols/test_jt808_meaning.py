"""What JT/T 808 positions and driver behaviour mean, on frames written out from the tables of the standards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.protocols import PROTOCOLS, BadFrame, Message, codec, jt808
from ingest.protocols.jt808 import encode
from ingest.protocols.jt808.layout import bcd_time
from ingest.protocols.jt808.wire import checksum

JT808 = codec("jt808")

# One DSM item of T/JSATL 12-2017 table 4-17: alarm 1, start, type, level 2, degree 7, 72 km/h, place, time, identifier.
DSM = "00000001 01 {type:02x} 02 07 00000000 48 0042 01d44fa2 06a2190f 260815033000 0401 "
JSATL_LABEL = "59433030303031 260815033000 03 02 00"
GDRTA_LABEL = "4744" + "00" * 28 + "260815033000 03 02 0000"


def hexed(digits: str) -> bytes:
    return bytes.fromhex(digits.replace(" ", ""))


def framed(body: bytes, message_id: int = 0x0200) -> bytes:
    """A 2013 frame of 013812345678 around a body."""
    content = message_id.to_bytes(2) + len(body).to_bytes(2) + hexed("013812345678 0005") + body
    content += bytes([checksum(content)])
    return b"\x7e" + content.replace(b"\x7d", b"\x7d\1").replace(b"\x7e", b"\x7d\2") + b"\x7e"


def location(
    alarm: int = 0,
    status: int = 3,
    lat: int = 30_691_234,
    lon: int = 111_286_543,
    time: str = "260815033000",
    items: str = "",
) -> Message:
    body = b"".join(n.to_bytes(4) for n in (alarm, status, lat, lon)) + hexed("0042 02d0 00b4" + time + items)
    return JT808.decode(framed(body))


def values(message: Message, kind: str = "location") -> dict[str, Any]:
    (record,) = [record for record in message.records if record.kind == kind]
    return dict(record.values)


def item(item_id: int, digits: str) -> str:
    return f"{item_id:02x}{len(hexed(digits)):02x}{digits}"


# ── places ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_position_in_our_units() -> None:
    one = values(location(items="010400002710" + "02020123" + "300115" + "310109"))
    wanted = {
        "device_id": "13812345678",
        "observed_at": "2026-08-15T03:30:00+08:00",
        "lon": 111.286543,
        "lat": 30.691234,
        "place_fault": None,
        "altitude_m": 66,
        "speed_kmh": 72.0,
        "direction_deg": 180,
        "is_backfill": False,
        "acc_on": True,
        "positioned": True,
        "mileage_km": 1000.0,
        "fuel_l": 29.1,
        "network_signal": 21,
        "satellites": 9,
    }
    assert {name: one[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ("status", "lat", "lon", "fault"),
    [
        (0b01, 30_000_000, 111_000_000, "no_fix"),  # the last place it knew
        (0b11, 0, 0, "no_fix"),
        (0b100011, 30_000_000, 111_000_000, "encrypted"),
        (0b11, 111_000_000, 30_000_000, "swap_suspected"),
        (0b11, 95_000_000, 200_000_000, "out_of_range"),
        (0b11, 30_000_000, 181_000_000, "out_of_range"),
    ],
)
def test_a_place_that_is_none_is_reported_and_never_repaired(status: int, lat: int, lon: int, fault: str) -> None:
    message = location(status=status, lat=lat, lon=lon)
    one = values(message)
    assert (one["lon"], one["lat"], one["place_fault"]) == (None, None, fault)
    assert (message.fields["lat_raw"], message.fields["lon_raw"]) == (lat, lon)


def test_south_and_west_are_below_zero() -> None:
    one = values(location(status=0b1111))
    assert (one["lat"], one["lon"]) == (-30.691234, -111.286543)


@pytest.mark.parametrize(
    "time", ["000000000000", "261315000000", "260230000000", "250229000000", "260815240000", "26081512600a"]
)
def test_a_time_that_no_clock_shows_is_none(time: str) -> None:
    assert values(location(time=time))["observed_at"] is None


def test_a_leap_day_is_a_day() -> None:
    assert bcd_time(hexed("240229235959")) == "2024-02-29T23:59:59+08:00"


# ── alarms ────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("bit", "name"),
    [
        (0, "sos"),
        (1, "speeding"),
        (2, "fatigue"),
        (13, "speeding_warning"),
        (14, "fatigue_warning"),
        (18, "driving_too_long"),
        (20, "area_crossed"),
        (23, "off_route"),
        (29, "collision_warning"),
    ],
)
def test_an_alarm_bit_is_a_flag_of_its_own(bit: int, name: str) -> None:
    one = values(location(alarm=1 << bit))
    assert one[name] is True
    assert one["alarms"] == name
    assert one["alarm_bits"] == 1 << bit
    assert not [other for other in ("sos", "speeding", "fatigue", "off_route") if one[other] and other != name]


def test_several_alarms_at_once() -> None:
    assert values(location(alarm=0b110 | 1 << 31))["alarms"] == "speeding,fatigue,illegal_door"


def test_items_count_for_their_length_only() -> None:
    message = location(items="14020001" + "17021234" + "1703010203")
    assert "video_alarm_bits" not in values(message)
    assert values(message)["storage_fault_bits"] == 0x1234
    assert message.fields["raw_items"] == [("14", "0001"), ("17", "1234"), ("17", "010203")]


def test_area_and_segment_items() -> None:
    one = values(location(items="1105 01 00000042" + "1206 02 00000043 01" + "1307 00000044 003c 01"))
    assert (one["speeding_area_kind"], one["speeding_area_id"]) == (1, 0x42)
    assert (one["area_kind"], one["area_id"], one["crossing_code"]) == (2, 0x43, 1)
    assert (one["segment_id"], one["segment_s"], one["segment_result"]) == (0x44, 60, 1)


def test_padding_after_the_items_costs_nothing() -> None:
    message = location(items="01040000271000")
    assert values(message)["mileage_km"] == 1000.0
    assert message.fields["items_rest"] == "00"


# ── driver behaviour ──────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("label", "region", "terminal_id", "n_bytes"),
    [(JSATL_LABEL, "jsatl_12", "YC00001", 47), (GDRTA_LABEL, "gdrta_002", "GD", 71)],
)
def test_both_regional_layouts_are_told_apart_by_length(
    label: str, region: str, terminal_id: str, n_bytes: int
) -> None:
    digits = DSM.format(type=1) + label
    assert len(hexed(digits)) == n_bytes
    one = values(location(items=item(0x65, digits)), "behaviour")
    assert one["device_id"] == "13812345678"
    assert one["observed_at"] == "2026-08-15T03:30:00+08:00"
    assert (one["source"], one["behaviour"], one["type_code"], one["level"]) == ("dsm", "fatigue", 1, 2)
    assert (one["region"], one["terminal_id"], one["fatigue_degree"]) == (region, terminal_id, 7)
    assert (one["phase"], one["speed_kmh"], one["altitude_m"]) == ("start", 72, 66)
    assert (one["lon"], one["lat"]) == (111.286543, 30.691234)
    assert (one["sequence_no"], one["attachment_count"]) == (3, 2)
    assert hexed(one["alarm_identifier"]) == hexed(label)


@pytest.mark.parametrize(
    ("item_id", "type_code", "label", "word"),
    [
        (0x65, 0x02, JSATL_LABEL, "phone_call"),
        (0x65, 0x03, JSATL_LABEL, "smoking"),
        (0x65, 0x04, JSATL_LABEL, "distraction"),
        (0x65, 0x0A, JSATL_LABEL, None),
        (0x65, 0x0A, GDRTA_LABEL, "seat_belt"),
        (0x64, 0x01, JSATL_LABEL, "forward_collision"),
        (0x64, 0x02, JSATL_LABEL, "lane_departure"),
        (0x64, 0x04, GDRTA_LABEL, "pedestrian_collision"),
    ],
)
def test_types_have_our_words(item_id: int, type_code: int, label: str, word: str | None) -> None:
    one = values(location(items=item(item_id, DSM.format(type=type_code) + label)), "behaviour")
    assert (one["behaviour"], one["type_code"]) == (word, type_code)


def test_a_blind_spot_item() -> None:
    digits = "00000043 01 03 28 0190 01d44fa2 06a2190f 260815033000 0004" + JSATL_LABEL
    assert len(hexed(digits)) == 41
    one = values(location(items=item(0x67, digits)), "behaviour")
    assert (one["source"], one["behaviour"], one["speed_kmh"]) == ("bsd", "right_rear_approach", 40)
    assert "level" not in one


@pytest.mark.parametrize("position", ["02", "0002"])
def test_tyres_with_positions_of_one_byte_and_of_two(position: str) -> None:
    wheel = position + "0004 00f0 0028 005a"
    digits = "00000042 01 1e 012c 01d44fa2 06a2190f 260815033000 0003" + JSATL_LABEL + "02" + wheel * 2
    message = location(items=item(0x66, digits))
    one = values(message, "behaviour")
    assert (one["source"], one["behaviour"], one["tyre_count"]) == ("tpms", "pressure_low", 2)
    assert (one["tyre_position"], one["tyre_pressure_kpa"], one["tyre_temperature_c"]) == (2, 240, 40)
    (behaviour,) = message.fields["behaviours"]  # type: ignore[misc]
    assert len(behaviour["tyres"]) == 2


def test_an_item_of_another_length_is_the_vendors_own() -> None:
    message = location(items=item(0x65, "00" * 20) + item(0x66, "00" * 29))
    assert [record.kind for record in message.records] == ["location"]
    assert len(message.fields["raw_items"]) == 2  # type: ignore[arg-type]


def test_several_items_are_several_records() -> None:
    message = location(
        items=item(0x64, DSM.format(type=1) + JSATL_LABEL) + item(0x65, DSM.format(type=2) + JSATL_LABEL)
    )
    assert [record.kind for record in message.records] == ["location", "behaviour", "behaviour"]


# ── messages ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def batch(kind: int) -> Message:
    one = hexed("00000000 00000003 01d44fa2 06a2190f 0042 02d0 00b4 260815033000")
    body = b"\0\2" + bytes([kind]) + (len(one).to_bytes(2) + one) * 2
    return JT808.decode(framed(body, 0x0704))


@pytest.mark.parametrize(("kind", "is_backfill"), [(0, False), (1, True)])
def test_a_batch_says_whether_it_comes_late(kind: int, is_backfill: bool) -> None:
    records = batch(kind).records
    assert len(records) == 2
    assert {record.values["is_backfill"] for record in records} == {is_backfill}


def test_an_unknown_id_keeps_header_and_body() -> None:
    message = JT808.decode(framed(b"\1\2\3", 0x0F99))
    assert (message.kind, message.fields["body"], message.records) == ("unknown", "010203", ())


@pytest.mark.parametrize(
    ("message_id", "body", "reason"),
    [
        (0x0001, "0001", "body too short"),
        (0x0002, "00", "body too long"),
        (0x0704, "0002 00 001c" + "00" * 28, "too few positions"),
        (0x0704, "0001 00 0020" + "00" * 28, "position too long"),
        (0x0805, "0001 00 ffff", "count too large"),
    ],
)
def test_a_body_that_does_not_fit_is_refused(message_id: int, body: str, reason: str) -> None:
    with pytest.raises(BadFrame, match=reason):
        JT808.decode(framed(hexed(body), message_id))


def test_both_editions_name_one_device_alike() -> None:
    late = hexed("0002 4000 01 00000000013812345678 0001")
    late = b"\x7e" + late + bytes([checksum(late)]) + b"\x7e"
    early = framed(b"", 0x0002)
    assert JT808.decode(late).device_id == JT808.decode(early).device_id == "13812345678"


# ── terminals that talk a little differently ──────────────────────────────────────────────────────────────────────────
NOW = datetime(2026, 7, 1, 2, 3, 4, tzinfo=UTC)
HEARTBEAT_WITH_ITEMS = framed(hexed("3001150104000027"), 0x0002)


@pytest.mark.case("live.G1")
def test_a_heartbeat_with_items_is_answered_on_request() -> None:
    with pytest.raises(BadFrame, match="8 bytes more, expected the end; option longer_body takes it"):
        JT808.decode(HEARTBEAT_WITH_ITEMS)
    message = JT808.decode(HEARTBEAT_WITH_ITEMS, frozenset({"longer_body"}))
    assert (message.kind, message.deviations) == ("heartbeat", ("longer_body",))
    assert message.fields["body_rest"] == "3001150104000027"
    (reply,) = JT808.answers(message, NOW)
    assert JT808.decode(reply).fields["reply_id"] == 0x0002
    assert JT808.decode(framed(b"", 0x0002), frozenset({"longer_body"})).deviations == ()


@pytest.mark.case("live.G1")
def test_what_is_refused_is_refused_audibly() -> None:
    told = jt808.deny(HEARTBEAT_WITH_ITEMS, NOW)
    assert told is not None
    fields = JT808.decode(told).fields
    assert (fields["reply_id"], fields["reply_serial"], fields["result"]) == (0x0002, 5, 2)
    assert jt808.deny(HEARTBEAT_WITH_ITEMS[:-2] + b"\x00\x7e", NOW) is None  # whose it is cannot be known
    assert jt808.deny(framed(b"1", 0x0001), NOW) is None


@pytest.mark.case("live.G2")
def test_a_terminal_that_asks_for_the_time_is_told_utc() -> None:
    query = JT808.decode(framed(b"", 0x0004))
    assert query.kind == "time_query"
    (reply,) = JT808.answers(query, NOW.astimezone(timezone(timedelta(hours=8))))
    told = JT808.decode(reply)
    assert (told.fields["message_id"], told.fields["serial"]) == (0x8004, 5)
    assert told.fields["server_time"] == "2026-07-01T02:03:04+00:00"


@pytest.mark.case("live.C1", "live.C2")
@pytest.mark.parametrize("time", ["000000000000", "261315033000", "260832033000", "260815240000", "aabbccddeeff"])
def test_a_clock_is_no_reason_to_refuse_an_alarm(time: str) -> None:
    one = values(location(alarm=1, time=time, items="650f" + "00" * 15))
    assert (one["sos"], one["observed_at"]) == (True, None)


def test_a_behaviour_without_a_clock_is_of_its_position() -> None:
    digits = DSM.format(type=1).replace("260815033000", "000000000000") + JSATL_LABEL
    one = values(location(items=item(0x65, digits)), "behaviour")
    assert (one["behaviour"], one["observed_at"]) == ("fatigue", "2026-08-15T03:30:00+08:00")


def test_an_alarm_that_came_with_a_picture_alone_is_a_row() -> None:
    head = hexed("00000001 00 00 00 01")
    for alarm, n_rows in ((1, 1), (0, 0), (2, 0)):
        body = head + b"".join(n.to_bytes(4) for n in (alarm, 3, 30_691_234, 111_286_543)) + hexed("0042 02d0 00b4")
        message = JT808.decode(framed(body + hexed("260815033000") + b"picture", 0x0801))
        assert [(r.values["sos"], r.values["is_backfill"]) for r in message.records] == [(True, True)] * n_rows


@pytest.mark.parametrize(("alarm", "word"), [(1, "sos"), (1 << 30 | 8, "danger_warning,rollover_warning"), (2, "")])
@pytest.mark.parametrize(("message_id", "before"), [(0x0200, ""), (0x0201, "0001"), (0x0704, "0001 00 001c")])
def test_an_alarm_is_seen_in_a_frame_that_is_refused(alarm: int, word: str, message_id: int, before: str) -> None:
    body = hexed(before) + alarm.to_bytes(4) + bytes(23)  # a byte of the position is missing
    for frame in (framed(body, message_id), framed(body + b"\0", message_id)[:-2] + b"\x77\x7e"):
        with pytest.raises(BadFrame):
            JT808.decode(frame)
        assert JT808.alarm_in(frame) == word


@given(data=st.binary(max_size=80))
def test_looking_for_an_alarm_never_fails(data: bytes) -> None:
    for name in PROTOCOLS:
        for start in (b"", b"\x7e\x02\x00", b"@@", b"\x7e\x7e", b"##0100"):
            assert isinstance(codec(name).alarm_in(start + data), str)


@pytest.mark.parametrize("edition", [2013, 2019])
def test_missing_packets_are_asked_for_by_number(edition: int) -> None:
    packets = encode.frames(encode.Sender("13812345678", edition), 0x0801, 40, bytes(100), 30)
    (asked,) = jt808.resend(JT808.decode(packets[3]), [2, 3], NOW)
    fields = JT808.decode(asked).fields
    assert (fields["message_id"], fields["first_serial"], fields["packets"]) == (0x8003, 40, [2, 3])


# ── what held when it was tried, and must go on holding ───────────────────────────────────────────────────────────────
@pytest.mark.case("live.held.H1")
@pytest.mark.parametrize("items", ["0104000027", "01ff", "250400000001020201", "01"])
def test_items_that_overrun_the_body_keep_the_position(items: str) -> None:
    message = location(alarm=1, items=items)
    one = values(message)
    assert (one["sos"], one["lon"], one["observed_at"]) == (True, 111.286543, "2026-08-15T03:30:00+08:00")
    assert items.endswith(str(message.fields["items_rest"]))


@pytest.mark.case("live.held.H2")
def test_a_bad_clock_in_a_batch_costs_its_own_time_alone() -> None:
    positions = b""
    for time in ("260815033000", "000000000000", "260815033100"):
        one = b"".join(n.to_bytes(4) for n in (0, 3, 30_691_234, 111_286_543)) + hexed("0042 02d0 00b4" + time)
        positions += len(one).to_bytes(2) + one
    rows = JT808.decode(framed(b"\0\3\1" + positions, 0x0704)).records
    assert [row.values["observed_at"] for row in rows] == [
        "2026-08-15T03:30:00+08:00",
        None,
        "2026-08-15T03:31:00+08:00",
    ]
    assert all(row.values["lon"] == 111.286543 and row.values["is_backfill"] for row in rows)


@pytest.mark.case("live.held.H3")
@pytest.mark.parametrize("edition", [2013, 2019])
def test_forty_positions_come_in_two_packets(edition: int) -> None:
    positions = [encode.Position(NOW + timedelta(seconds=n), 111.29, 30.69) for n in range(40)]
    packets = encode.location_batch(encode.Sender("13812345678", edition), 7, positions)
    assert len(packets) == 2
    for order in (packets, packets[::-1]):
        rows = JT808.join(order).records
        assert len({row.values["observed_at"] for row in rows}) == 40


@pytest.mark.case("live.held.H4")
def test_a_picture_out_of_order_is_answered_once() -> None:
    media = hexed("0000002a 00 00 00 01") + b"".join(n.to_bytes(4) for n in (0, 3, 30_691_234, 111_286_543))
    body = media + hexed("0042 02d0 00b4 260815033000") + bytes(range(256))
    packets = encode.frames(encode.Sender("13812345678", 2013), 0x0801, 7, body, 100)
    assert len(packets) == 3
    answered = [JT808.decode(reply) for one in packets[::-1] for reply in JT808.answers(JT808.decode(one), NOW)]
    assert [one.fields["message_id"] for one in answered] == [0x8001] * 3
    (reply,) = JT808.answers(JT808.join([packets[2], packets[0], packets[1]]), NOW)
    assert (JT808.decode(reply).fields["message_id"], JT808.decode(reply).fields["media_id"]) == (0x8800, 42)


@pytest.mark.case("live.held.H5")
@pytest.mark.parametrize(
    ("status", "lat", "lon", "speed"),
    [(3, 30_691_234, 111_286_543, 0xFFFF), (3, 111_286_543, 30_691_234, 720), (1, 0, 0, 720)],
)
def test_an_emergency_is_one_without_speed_or_place(status: int, lat: int, lon: int, speed: int) -> None:
    body = b"".join(n.to_bytes(4) for n in (1, status, lat, lon)) + hexed("ffff") + speed.to_bytes(2)
    one = values(JT808.decode(framed(body + hexed("ffff 260815003000"))))
    assert (one["sos"], one["observed_at"]) == (True, "2026-08-15T00:30:00+08:00")
    assert (one["altitude_m"], one["direction_deg"]) == (None, None)
    assert one["speed_kmh"] == (None if speed == 0xFFFF else 72.0)
    assert (one["lon"] is None) == (one["place_fault"] is not None)

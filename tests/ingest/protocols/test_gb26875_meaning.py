"""GB/T 26875.3 as units in the field speak it: texts that are cut, a longer packet than its count, what is denied."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ingest.protocols import BadFrame, gb26875
from ingest.protocols.gb26875 import Part, Unit
from ingest.protocols.gb26875 import tables as t

AT = datetime(2026, 7, 10, 4, 0, tzinfo=UTC)
UNIT = Unit("010203040506")
SMOKE = Part("fire_alarm", 2, "smoke_detector_photo", 3, 17)
FULL = "东升中学二号教学楼三层走廊东侧"  # 30 bytes
TEXT_AT = 29 + 9  # head, type and count, then the object's text


def sealed(frame: bytes) -> bytes:
    """The packet with its length and sum worked out again."""
    inner = frame[2:24] + (len(frame) - 30).to_bytes(2, "little") + frame[26:-3]
    return b"@@" + inner + bytes([sum(inner) & 0xFF]) + b"##"


def fire(text: bytes = b"", at: datetime = AT) -> bytes:
    """A fire of one part with 31 bytes of text as they stand on the wire."""
    frame = gb26875.packet(UNIT, 7, AT, t.PART_STATE, [gb26875.part_state(SMOKE, ["fire"], at)])
    return sealed(frame[:TEXT_AT] + text.ljust(31, b"\0") + frame[TEXT_AT + 31 :])


@pytest.mark.case("live.C4")
@pytest.mark.parametrize(
    ("raw", "read"),
    [
        (FULL.encode("gb18030") + "烟".encode("gb18030")[:1], FULL),
        ("3层走廊".encode("gb18030"), "3层走廊"),
        (b"3" + "层走廊".encode("gb18030")[1:] + b" 17", "3"),
        ("厨房".encode("gb18030") + b"\xff" + b"-17", "厨房?-17"),
    ],
)
def test_a_place_keeps_what_is_whole_of_it(raw: bytes, read: str) -> None:
    (row,) = gb26875.decode(fire(raw)).records
    assert str(row.values["text"]).startswith(read)
    assert "\ufffd" not in str(row.values["text"])


@pytest.mark.case("live.C5")
def test_a_part_is_told_by_unit_system_loop_and_number() -> None:
    (row,) = gb26875.decode(fire("3层走廊".encode("gb18030"))).records
    told = ("unit_id", "system_addr", "part_type", "zone", "position", "text", "fire")
    assert [row.values[name] for name in told] == [
        "010203040506",
        2,
        "smoke_detector_photo",
        3,
        17,
        "3层走廊",
        True,
    ]


# ── refused, and still heard ──────────────────────────────────────────────────────────────────────────────────────────
def two_under_one() -> bytes:
    """A packet whose count says one object and that holds two, the second a fire."""
    objects = [gb26875.part_state(SMOKE, true, AT) for true in ([], ["fire"])]
    frame = gb26875.packet(UNIT, 9, AT, t.PART_STATE, objects)
    return sealed(frame[:28] + b"\x01" + frame[29:])


@pytest.mark.case("live.G5")
def test_one_counted_and_two_sent_is_denied_and_its_fire_seen() -> None:
    frame = two_under_one()
    with pytest.raises(BadFrame, match="46 bytes more, expected the end after 1 objects"):
        gb26875.decode(frame)
    told = gb26875.deny(frame, AT)
    assert told is not None
    message = gb26875.decode(told)
    assert (message.fields["command_word"], message.fields["serial"]) == ("deny", 9)
    assert gb26875.alarm_in(frame) == "part_state fire"


def test_what_is_no_fire_is_none() -> None:
    quiet = sealed(gb26875.packet(UNIT, 1, AT, t.PART_STATE, [gb26875.part_state(SMOKE, [], AT)]))
    assert gb26875.alarm_in(quiet) == ""
    assert gb26875.alarm_in(fire()) == "part_state fire"
    assert gb26875.alarm_in(quiet[:40]) == "part_state"  # cut before its bits: it may be one
    assert gb26875.alarm_in(gb26875.packet(UNIT, 1, AT)) == ""


@pytest.mark.case("live.G7")
@pytest.mark.parametrize("unit", ["020100", "0201"])
def test_a_short_heartbeat_is_one_on_request(unit: str) -> None:
    empty = gb26875.packet(UNIT, 7, AT)
    frame = sealed(empty[:27] + bytes.fromhex(unit) + empty[27:])
    with pytest.raises(BadFrame, match="option short_heartbeat takes it"):
        gb26875.decode(frame)
    message = gb26875.decode(frame, frozenset({"short_heartbeat"}))
    assert (message.kind, message.records, message.deviations) == ("heartbeat", (), ("short_heartbeat",))
    (reply,) = gb26875.answers(message, AT)
    assert gb26875.decode(reply).fields["command_word"] == "confirm"
    assert gb26875.decode(fire(), frozenset({"short_heartbeat"})).deviations == ()


def test_a_manual_alarm_is_a_fire() -> None:
    for type_code, done in (
        (t.OPERATION, gb26875.operation("fire_alarm", 1, ["op_manual_alarm"], 3, AT)),
        (t.UNIT_OPERATION, bytes([4, 3]) + gb26875.unit_state([], AT)[1:]),
    ):
        (row,) = gb26875.decode(gb26875.packet(UNIT, 5, AT, type_code, [done])).records
        assert (row.values["fire"], row.values["is_backfill"]) == (True, False)
    reset = gb26875.operation("fire_alarm", 1, ["op_reset"], 3, AT)
    (row,) = gb26875.decode(gb26875.packet(UNIT, 6, AT, t.OPERATION, [reset], t.RESPONSE)).records
    assert ("fire" in row.values, row.values["is_backfill"]) == (False, True)

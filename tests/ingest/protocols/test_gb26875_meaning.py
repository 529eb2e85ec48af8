"""GB/T 26875.3 as units in the field speak it: texts that are cut, a longer packet than its count, what is denied."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ingest.protocols import gb26875
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
)  # fmt: skip
def test_a_place_keeps_what_is_whole_of_it(raw: bytes, read: str) -> None:
    (row,) = gb26875.decode(fire(raw)).records
    assert str(row.values["text"]).startswith(read)
    assert "\ufffd" not in str(row.values["text"])


@pytest.mark.case("live.C5")
def test_a_part_is_told_by_unit_system_loop_and_number() -> None:
    (row,) = gb26875.decode(fire("3层走廊".encode("gb18030"))).records
    told = ("unit_id", "system_addr", "part_type", "zone", "position", "text", "fire")
    assert [row.values[name] for name in told] == [
        "010203040506", 2, "smoke_detector_photo", 3, 17, "3层走廊", True,
    ]  # fmt: skip

"""Terminal parameters of 0x0104 and 0x8103: parameter id → (our name, how to read its value).

JT/T 808-2013 table 12, JT/T 1078-2016 table 2 (0x0075 to 0x007C), T/JSATL 12-2017 (0xF364 to 0xF367). A parameter that
stands in no table is read as a number when it is as long as one, else as hexadecimal digits.
"""

from __future__ import annotations

from ingest.protocols.jt808.layout import Layout, Reader, Taker, as_text, clock, many, read, u8, u16, u32


def _wide(*widths: int) -> Layout:
    """Unsigned numbers one after the other, named by the offset at which each starts, as the tables print them."""
    rows, at = [], 0
    for width in widths:
        rows.append((f"at_{at:02d}", _number(width)))
        at += width
    return tuple(rows)


def _number(n_bytes: int) -> Taker:
    return lambda reader: reader.number(n_bytes)


_STREAM = ("encoding", u8), ("resolution", u8), ("key_frame_interval", u16), ("frame_rate", u8), ("bit_rate_kbps", u32)
_WAKES = tuple((f"{what}_{n}", clock) for n in range(1, 5) for what in ("wake", "sleep"))

STRUCTURES: dict[int, tuple[str, Layout]] = {
    0x0075: (
        "video",
        (
            *((f"live_{name}", taker) for name, taker in _STREAM),
            *((f"stored_{name}", taker) for name, taker in _STREAM),
            ("overlay_bits", u16),
            ("with_audio", u8),
        ),
    ),
    0x0079: ("alarm_recording", (("storage_pct", u8), ("longest_min", u8), ("before_min", u8))),
    0x007B: ("video_analysis", (("overload_persons", u8), ("fatigue_threshold", u8))),
    0x007C: ("wake_up", (("mode_bits", u8), ("condition_bits", u8), ("weekday_bits", u8), ("used_bits", u8), *_WAKES)),
    # All ones mean "leave as it is".
    0xF364: ("adas", _wide(1, 1, 1, 2, 2, *[1] * 4, 4, 4, *[1] * 38)),
    0xF365: ("dsm", _wide(1, 1, 1, 2, 2, 1, 1, 1, 1, 4, 4, 2, 2, *[1] * 42)),
    0xF367: ("blind_spot", (("rear_s", u8), ("side_rear_s", u8))),
}

TEXTS = frozenset({*range(0x10, 0x18), 0x1A, 0x1D, 0x23, 0x24, 0x25, 0x26, *range(0x40, 0x45), 0x48, 0x49, 0x83})

NAMES = {
    0x0001: "heartbeat_s",
    0x0013: "main_server",
    0x0017: "backup_server",
    0x0018: "server_tcp_port",
    0x0019: "server_udp_port",
    0x0020: "report_strategy",
    0x0021: "report_plan",
    0x0022: "report_without_driver_s",
    0x0027: "report_asleep_s",
    0x0028: "report_in_emergency_s",
    0x0029: "report_s",
    0x002C: "report_m",
    0x0050: "alarm_mask_bits",
    0x0055: "max_speed_kmh",
    0x0056: "speeding_s",
    0x0057: "longest_driving_s",
    0x0058: "longest_driving_day_s",
    0x0059: "shortest_rest_s",
    0x005A: "longest_parking_s",
    0x005B: "speeding_warning_tenth_kmh",
    0x005C: "fatigue_warning_s",
    0x0080: "odometer_tenth_km",
    0x0081: "province_code",
    0x0082: "city_code",
    0x0083: "plate",
    0x0084: "plate_colour",
}


def parameter(reader: Reader) -> object:
    """One value after its length, by the id that was read before it."""
    parameter_id = reader.fields["parameter_id"]
    assert isinstance(parameter_id, int)
    start = reader.start + reader.at + 1
    value = reader.take(reader.number(1))
    if parameter_id in STRUCTURES:
        inner = Reader(reader.envelope, value, start)
        fields = read(inner, STRUCTURES[parameter_id][1])
        if not inner.left:
            return fields
    if parameter_id in TEXTS:
        return as_text(value)
    return int.from_bytes(value) if 0 < len(value) <= 4 else value.hex()


def parameter_name(reader: Reader) -> str:
    """Our name for the id, or the id itself; takes nothing."""
    parameter_id = reader.fields["parameter_id"]
    assert isinstance(parameter_id, int)
    if parameter_id in STRUCTURES:
        return STRUCTURES[parameter_id][0]
    return NAMES.get(parameter_id, f"{parameter_id:04x}")


PARAMETERS: Layout = (
    ("parameters", many(u8, (("parameter_id", u32), ("name", parameter_name), ("value", parameter)))),
)

"""Driver behaviour: additional items 0x64 to 0x67 and 0x70 of a position, in the two regional layouts.

T/JSATL 12-2017 ("Su-biao") tables 4-15 to 4-20 and T/GDRTA 002-2020 ("Yue-biao") differ in the alarm identifier only:
16 bytes with a terminal id of 7, or 40 bytes with one of 30. The item's length tells them apart; an item of another
length is a vendor's own and stays raw.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ingest.protocols.frame import Value
from ingest.protocols.jt808.layout import as_text, bcd_time

Fields = dict[str, Value]

PHASES = {0: "unused", 1: "start", 2: "end"}

# T/JSATL 12-2017 table 4-15, field 报警/事件类型.
ADAS = {
    0x01: "forward_collision",
    0x02: "lane_departure",
    0x03: "too_close",
    0x04: "pedestrian_collision",
    0x05: "frequent_lane_change",
    0x06: "road_sign_exceeded",
    0x07: "obstacle",
    0x10: "road_sign_seen",
    0x11: "picture_taken",
}
# T/JSATL 12-2017 table 4-17; from 0x06 to 0x0F what T/GDRTA 002-2020 adds.
DSM = {
    0x01: "fatigue",
    0x02: "phone_call",
    0x03: "smoking",
    0x04: "distraction",
    0x05: "driver_abnormal",
    0x10: "picture_taken",
    0x11: "driver_changed",
}
DSM_GDRTA = DSM | {
    0x06: "camera_covered",
    0x08: "driving_too_long",
    0x0A: "seat_belt",
    0x0B: "infrared_blocking_glasses",
    0x0C: "hands_off_wheel",
    0x0D: "phone_playing",
}
# T/JSATL 12-2017 table 4-19, bits of 报警/事件类型 of one wheel.
TYRE_BITS = {
    0: "tyre_report",
    1: "pressure_high",
    2: "pressure_low",
    3: "temperature_high",
    4: "sensor_fault",
    5: "pressure_uneven",
    6: "slow_leak",
    7: "battery_low",
}
# T/JSATL 12-2017 table 4-20.
BLIND_SPOT = {0x01: "rear_approach", 0x02: "left_rear_approach", 0x03: "right_rear_approach"}
# An item 0x70 that later regional standards share; seen in captures.
HARSH = {0x01: "harsh_acceleration", 0x02: "harsh_braking", 0x03: "sharp_turn"}

_SIDES = {1: "left", 2: "right"}
# Where speed, altitude, lat, lon, time, vehicle state stand: always in this order, 19 bytes before the identifier.
_PLACE = struct.Struct(">BHII6sH")
_WHEEL_TAIL = struct.Struct(">HHHH")


class Identifier(NamedTuple):
    """The alarm identifier: 16 bytes by T/JSATL 12-2017 table 4-16, 40 by T/GDRTA 002-2020."""

    region: str
    terminal_bytes: int
    n_bytes: int


JSATL = Identifier("jsatl_12", 7, 16)
GDRTA = Identifier("gdrta_002", 30, 40)


def _adas(item: bytes) -> Fields:
    """Bytes 7 to 11 of 0x64. The distance to the vehicle in front is given as time, in tenths of a second."""
    return {
        "front_speed_kmh": item[7],
        "front_gap_s": item[8] / 10,
        "deviation": _SIDES.get(item[9]),
        "deviation_code": item[9],
        "road_sign_type": item[10],
        "road_sign_value": item[11],
    }


def _dsm(item: bytes) -> Fields:
    """Byte 7 of 0x65: degree of fatigue 1 to 10, only meant for type 1."""
    return {"fatigue_degree": item[7], "reserved": item[8:12].hex()}


def _harsh(item: bytes) -> Fields:
    """Bytes 6 to 11 of 0x70."""
    window, first, second = struct.unpack_from(">HHH", item, 6)
    return {"window": window, "threshold_1": first, "threshold_2": second}


def _plain(item: bytes) -> Fields:
    return {}


class Source(NamedTuple):
    """One kind of item: where its parts stand. `level_at` and `type_at` are 0 where it has none."""

    word: str
    place_at: int
    type_at: int
    level_at: int
    special: Callable[[bytes], Fields]
    words: Mapping[str, Mapping[int, str]]


def _everywhere(words: Mapping[int, str]) -> Mapping[str, Mapping[int, str]]:
    return {JSATL.region: words, GDRTA.region: words}


SOURCES = {
    0x64: Source("adas", 12, 5, 6, _adas, _everywhere(ADAS)),
    0x65: Source("dsm", 12, 5, 6, _dsm, {JSATL.region: DSM, GDRTA.region: DSM_GDRTA}),
    0x66: Source("tpms", 5, 0, 0, _plain, _everywhere({})),
    0x67: Source("bsd", 6, 5, 0, _plain, _everywhere(BLIND_SPOT)),
    0x70: Source("harsh", 12, 5, 0, _harsh, _everywhere(HARSH)),
}

# (item id, length) → layout; 0x66 has a list of wheels after its count and is decided in `layout_of`.
_LENGTHS = {
    (item_id, source.place_at + _PLACE.size + identifier.n_bytes): identifier
    for item_id, source in SOURCES.items()
    if item_id != 0x66
    for identifier in (JSATL, GDRTA)
}


def layout_of(item_id: int, item: bytes) -> Identifier | None:
    """Which region's layout an item has; None for an item that is none of these."""
    if item_id != 0x66:
        return _LENGTHS.get((item_id, len(item)))
    for identifier in (GDRTA, JSATL):
        count_at = SOURCES[0x66].place_at + _PLACE.size + identifier.n_bytes
        if len(item) > count_at and _wheel_bytes(item, count_at) is not None:
            return identifier
    return None


def _wheel_bytes(item: bytes, count_at: int) -> int | None:
    """How long one wheel is: 9 bytes, or 10 with a position of two bytes; 0 without wheels, None if nothing fits."""
    n, rest = item[count_at], len(item) - count_at - 1
    if n == 0:
        return 0 if rest == 0 else None
    each, remainder = divmod(rest, n)
    return each if remainder == 0 and each in (9, 10) else None


def wheels(item: bytes, identifier: Identifier) -> list[Fields]:
    """The wheels of item 0x66: position from 0 (front left), kPa, degrees Celsius, battery in percent."""
    count_at = SOURCES[0x66].place_at + _PLACE.size + identifier.n_bytes
    each = _wheel_bytes(item, count_at) or 0
    out: list[Fields] = []
    for i in range(item[count_at]):
        at = count_at + 1 + i * each
        bits, pressure, temperature, battery = _WHEEL_TAIL.unpack_from(item, at + each - _WHEEL_TAIL.size)
        out.append(
            {
                "tyre_position": int.from_bytes(item[at : at + each - _WHEEL_TAIL.size]),
                "tyre_bits": bits,
                "behaviour": ",".join(word for bit, word in TYRE_BITS.items() if bits >> bit & 1) or None,
                "tyre_pressure_kpa": pressure,
                "tyre_temperature_c": temperature,
                "tyre_battery_pct": battery,
            }
        )
    return out


def read_behaviour(item_id: int, item: bytes, identifier: Identifier) -> Fields:
    """One item as flat values. A tyre item carries its first wheel; all of them are in the message's fields."""
    source = SOURCES[item_id]
    speed, altitude, lat_raw, lon_raw, moment, vehicle_bits = _PLACE.unpack_from(item, source.place_at)
    label = item[source.place_at + _PLACE.size :][: identifier.n_bytes]
    tail = label[identifier.terminal_bytes :]
    lon, lat = place(lon_raw, lat_raw)
    fields: Fields = {
        "source": source.word,
        "region": identifier.region,
        "alarm_no": int.from_bytes(item[:4]),
        "phase": PHASES.get(item[4]),
        "phase_code": item[4],
        "observed_at": bcd_time(moment),
        "lon": lon,
        "lat": lat,
        "altitude_m": altitude,
        "speed_kmh": speed,
        "vehicle_bits": vehicle_bits,
        "alarm_identifier": label.hex(),
        "terminal_id": as_text(label[: identifier.terminal_bytes]),
        "alarm_at": bcd_time(tail),
        "sequence_no": tail[6],
        "attachment_count": tail[7],
        "identifier_reserved": tail[8:].hex(),
    }
    if source.type_at:
        code = item[source.type_at]
        fields |= {"type_code": code, "behaviour": source.words[identifier.region].get(code)}
    if source.level_at:
        fields["level"] = item[source.level_at]
    fields |= source.special(item)
    if item_id == 0x66:
        listed = wheels(item, identifier)
        fields["tyre_count"] = len(listed)
        fields |= listed[0] if listed else {}
    return fields


def place(lon_raw: int, lat_raw: int) -> tuple[float | None, float | None]:
    """Millionths of a degree as lon and lat; none for 0, 0 (no fix) and for what is no place on earth."""
    if (lat_raw or lon_raw) and lat_raw <= 90_000_000 and lon_raw <= 180_000_000:
        return lon_raw / 1_000_000, lat_raw / 1_000_000
    return None, None

"""Additional items of a position: standard ones by (id, length), and vendors' own as captures showed them.

JT/T 808-2013 table 27, JT/T 808-2019 table 27 (05, 06), JT/T 1078-2016 table 14 (14 to 18). Devices use standard ids
for their own things with other lengths, so a row counts only for its length; everything else stays raw.

Not here: driver behaviour (`behaviour`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ingest.protocols.frame import Value
from ingest.protocols.jt808.layout import as_text

Fields = dict[str, Value]


class Item(NamedTuple):
    """A number under one name, divided by `divisor`; or `parts` makes several fields of the bytes."""

    name: str
    divisor: int = 1
    parts: Callable[[bytes], Fields] | None = None


def _signed(raw: int) -> int:
    """WORD whose highest bit says that the rest is below zero."""
    return -(raw & 0x7FFF) if raw & 0x8000 else raw


def _speeding_place(data: bytes) -> Fields:
    return {"speeding_area_kind": data[0], "speeding_area_id": int.from_bytes(data[1:5]) if data[0] else None}


def _area(data: bytes) -> Fields:
    """Direction: 0 in, 1 out."""
    return {"area_kind": data[0], "area_id": int.from_bytes(data[1:5]), "crossing_code": data[5]}


def _segment(data: bytes) -> Fields:
    """Result: 0 too short, 1 too long."""
    return {
        "segment_id": int.from_bytes(data[:4]),
        "segment_s": int.from_bytes(data[4:6]),
        "segment_result": data[6],
    }


def _abnormal_driving(data: bytes) -> Fields:
    """Bits: 0 fatigue, 1 phone call, 2 smoking."""
    return {"abnormal_driving_bits": int.from_bytes(data[:2]), "fatigue_degree": data[2]}


# (id, length): item
STANDARD = {
    (0x01, 4): Item("mileage_km", 10),
    (0x02, 2): Item("fuel_l", 10),
    (0x03, 2): Item("recorder_speed_kmh", 10),
    (0x04, 2): Item("confirm_event_id"),
    (0x05, 30): Item("", 1, lambda data: {"tyre_pressures": data.hex()}),
    (0x06, 2): Item("", 1, lambda data: {"cargo_temperature_c": _signed(int.from_bytes(data))}),
    (0x11, 1): Item("", 1, _speeding_place),
    (0x11, 5): Item("", 1, _speeding_place),
    (0x12, 6): Item("", 1, _area),
    (0x13, 7): Item("", 1, _segment),
    (0x14, 4): Item("video_alarm_bits"),
    (0x15, 4): Item("video_lost_bits"),
    (0x16, 4): Item("video_masked_bits"),
    (0x17, 2): Item("storage_fault_bits"),
    (0x18, 3): Item("", 1, _abnormal_driving),
    (0x25, 4): Item("signal_bits"),
    (0x2A, 2): Item("io_bits"),
    (0x2B, 4): Item("analogue_raw"),
    (0x30, 1): Item("network_signal"),
    (0x31, 1): Item("satellites"),
}

# Item id and length come as one word on the wire, and are looked up as one.
BY_WORD = {item_id << 8 | length: item for (item_id, length), item in STANDARD.items()}

RECORD_NAMES = (
    "mileage_km",
    "fuel_l",
    "recorder_speed_kmh",
    "confirm_event_id",
    "tyre_pressures",
    "cargo_temperature_c",
    "speeding_area_kind",
    "speeding_area_id",
    "area_kind",
    "area_id",
    "crossing_code",
    "segment_id",
    "segment_s",
    "segment_result",
    "video_alarm_bits",
    "video_lost_bits",
    "video_masked_bits",
    "storage_fault_bits",
    "abnormal_driving_bits",
    "fatigue_degree",
    "signal_bits",
    "io_bits",
    "analogue_raw",
    "network_signal",
    "satellites",
)


# ── vendors' items: no standard behind them, read for people, never part of a record ──────────────────────────────────
def _locks(data: bytes) -> Fields:
    """Seals of a lock vendor: count, then id[5], card[5], battery, state; state bit 5 is "open"."""
    out: Fields = {}
    for i in range(min(data[0], (len(data) - 1) // 13)):
        lock = data[1 + i * 13 : 14 + i * 13]
        out |= {
            f"lock_{i + 1}_id": lock[:5].hex(),
            f"lock_{i + 1}_battery_pct": lock[10],
            f"lock_{i + 1}_locked": not lock[12] >> 5 & 1,
        }
    return out


def _nested(data: bytes) -> Fields:
    """Item EB: a time zone as text, or {length WORD, id WORD, value} where the length counts the id."""
    if data and all(32 <= byte < 127 for byte in data):
        return {"time_zone": as_text(data)}
    out: Fields = {}
    at = 0
    while at + 4 <= len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2])
        if not at + 4 <= end <= len(data):
            break
        key, value = int.from_bytes(data[at + 2 : at + 4]), data[at + 4 : end]
        out[f"eb_{key:04x}"] = value.hex()
        reader = NESTED.get((key, len(value)))
        out |= reader(value) if reader else {}
        at = end
    return out


def _litres_in_text(data: bytes) -> Fields:
    """Six characters such as 001.47."""
    digits = as_text(data)
    return {"fuel_2_l": float(digits)} if digits.replace(".", "", 1).isascii() and _is_number(digits) else {}


def _is_number(digits: str) -> bool:
    return digits.replace(".", "", 1).isdecimal()


def _lock_text(data: bytes) -> Fields:
    """`*M00,45,` and a lock's state, whose digits 3 to 5 are hundredths of a volt."""
    line = as_text(data)
    volts = line[10:13]
    return {"text": line} | ({"battery_v": int(volts) / 100} if line.startswith("*M00") and volts.isdecimal() else {})


def _scaled(name: str, divisor: int = 1, start: int = 0, stop: int | None = None) -> Callable[[bytes], Fields]:
    def reader(data: bytes) -> Fields:
        raw = int.from_bytes(data[start:stop])
        return {name: raw if divisor == 1 else raw / divisor}

    return reader


NESTED: dict[tuple[int, int], Callable[[bytes], Fields]] = {
    (0x0001, 3): _scaled("fuel_1_l", 10, 0, 2),
    (0x0023, 6): _litres_in_text,
    (0x00A8, 1): _scaled("battery_pct"),
    (0x00B2, 10): lambda data: {"iccid": data.hex().rstrip("f")},
    (0x00CE, 2): _scaled("power_v", 100),
}

# (id, length), length 0 for any: fields. Meanings as the decoder of a public tracking server gives them.
VENDOR: dict[tuple[int, int], Callable[[bytes], Fields]] = {
    (0x06, 1): _scaled("battery_pct"),
    (0x33, 0): _lock_text,
    (0x51, 2): lambda data: {"temperature_c": _signed(int.from_bytes(data)) / 10},
    (0x56, 2): lambda data: {"battery_pct": data[0] * 10},
    (0x69, 2): _scaled("battery_v", 100),
    (0x82, 2): _scaled("power_v", 10),
    (0xA0, 0): lambda data: {"fault_codes": as_text(data)},
    (0xBC, 0): lambda data: {"driver_name": as_text(data)},
    (0xD4, 1): _scaled("battery_pct"),
    (0xD5, 14): _locks,
    (0xE1, 1): _scaled("battery_pct"),
    (0xE1, 2): _scaled("power_v", 10),
    (0xE3, 6): lambda data: {"battery_pct": data[1], "battery_v": int.from_bytes(data[2:4]) / 100},
    (0xE4, 2): lambda data: {"charging": data[0] == 0, "battery_pct": data[1]},
    (0xE5, 1): lambda data: {"moving": data[0] == 1},
    (0xEB, 0): _nested,
    (0xF6, 8): lambda data: {"imei": data.hex()[1:]},
    (0xF7, 6): lambda data: {
        "battery_v": int.from_bytes(data[:4]) / 1000,
        "charging": data[4] in (2, 3),
        "battery_pct": data[5],
    },
}


def read_vendor(item_id: int, data: bytes) -> Fields:
    """What a vendor's item says, as far as captures have shown; empty for one that is not known."""
    reader = VENDOR.get((item_id, len(data))) or VENDOR.get((item_id, 0))
    return reader(data) if reader else {}

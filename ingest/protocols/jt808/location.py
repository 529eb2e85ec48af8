"""Positions: 0x0200 and what carries the same 28 bytes and items (0x0201, 0x0704, 0x0801, 0x0802, a vendor's 0x0210).

JT/T 808-2013 §8.18, tables 23 to 27; §8.20, §8.49, §8.52, §8.57. This is the road that nearly every frame takes, so it
is written for speed: one unpack, tables made beforehand, flags looked up by whole bit sets.

Terminals keep sending the last place they knew: a place counts only with status bit 1 set, without bit 5 (encrypted),
and on earth. A latitude above 90 is reported as a suspected swap and never turned round.
"""

from __future__ import annotations

import struct
from functools import lru_cache

from ingest.protocols.frame import Record, Value
from ingest.protocols.jt808.behaviour import SOURCES, layout_of, read_behaviour, wheels
from ingest.protocols.jt808.items import BY_WORD, RECORD_NAMES, read_vendor
from ingest.protocols.jt808.layout import bcd_time
from ingest.protocols.jt808.wire import Envelope

BASE = struct.Struct(">IIIIHHH6s")

# JT/T 808-2013 table 24; 15 to 17 as JT/T 808-2019 names them.
ALARM_BITS = {
    0: "sos",
    1: "speeding",
    2: "fatigue",
    3: "danger_warning",
    4: "gnss_fault",
    5: "antenna_open",
    6: "antenna_short",
    7: "main_power_low",
    8: "main_power_off",
    9: "display_fault",
    10: "speech_fault",
    11: "camera_fault",
    12: "card_reader_fault",
    13: "speeding_warning",
    14: "fatigue_warning",
    15: "illegal_driving",
    16: "tyre_pressure_warning",
    17: "right_turn_blind_spot",
    18: "driving_too_long",
    19: "parking_too_long",
    20: "area_crossed",
    21: "route_crossed",
    22: "segment_time",
    23: "off_route",
    24: "speed_sensor_fault",
    25: "fuel_abnormal",
    26: "stolen",
    27: "illegal_ignition",
    28: "illegal_move",
    29: "collision_warning",
    30: "rollover_warning",
    31: "illegal_door",
}
# A person may be in danger. Other bits tell of faults, warnings and driving, which a later frame tells again.
DANGER_BITS = (0, 3, 29, 30)
# What rules ask for stands as a field of its own; all of them are in `alarms`.
ALARM_FIELDS = (
    "sos",
    "speeding",
    "fatigue",
    "danger_warning",
    "main_power_off",
    "speeding_warning",
    "fatigue_warning",
    "driving_too_long",
    "parking_too_long",
    "area_crossed",
    "route_crossed",
    "off_route",
    "collision_warning",
    "rollover_warning",
)
# JT/T 808-2013 table 25; bits 8 and 9 are the load.
STATUS_BITS = {
    0: "acc_on",
    1: "positioned",
    4: "out_of_service",
    5: "encrypted",
    10: "fuel_cut",
    11: "power_cut",
    12: "door_locked",
    13: "door_1_open",
    14: "door_2_open",
    15: "door_3_open",
    16: "door_4_open",
    17: "door_5_open",
}
LOADS = {0: "empty", 1: "half", 2: None, 3: "full"}

BASE_NAMES = (
    "device_id",
    "observed_at",
    "lon",
    "lat",
    "place_fault",
    "altitude_m",
    "speed_kmh",
    "direction_deg",
    "is_backfill",
    "alarm_bits",
    "status_bits",
)
LOCATION_FIELDS = (*BASE_NAMES, "alarms", *ALARM_FIELDS, *STATUS_BITS.values(), "load", *RECORD_NAMES)
BEHAVIOUR_FIELDS = (
    "device_id",
    "observed_at",
    "source",
    "behaviour",
    "type_code",
    "level",
    "phase",
    "phase_code",
    "lon",
    "lat",
    "altitude_m",
    "speed_kmh",
    "alarm_no",
    "alarm_identifier",
    "terminal_id",
    "alarm_at",
    "sequence_no",
    "attachment_count",
    "identifier_reserved",
    "region",
    "vehicle_bits",
    "fatigue_degree",
    "reserved",
    "front_speed_kmh",
    "front_gap_s",
    "deviation",
    "deviation_code",
    "road_sign_type",
    "road_sign_value",
    "window",
    "threshold_1",
    "threshold_2",
    "tyre_count",
    "tyre_position",
    "tyre_bits",
    "tyre_pressure_kpa",
    "tyre_temperature_c",
    "tyre_battery_pct",
    "is_backfill",
)

UNFILLED = 0xFFFF  # a word of ones: the terminal has no value, and 6,553.5 km/h is none
NORTH_EAST_LIMIT = 90_000_000, 180_000_000
_STATUS_FOR_PLACE = 0b101110  # positioned, south, west, encrypted
_FIXED = 0b10


@lru_cache(maxsize=4096)
def alarm_flags(bits: int) -> dict[str, Value]:
    """The named flags of an alarm word, shared and not to be changed."""
    words = [word for bit, word in ALARM_BITS.items() if bits >> bit & 1]
    return {"alarms": ",".join(words)} | {name: name in words for name in ALARM_FIELDS}


def danger_in(bits: int) -> str:
    """The words of the alarm bits that tell of danger, '' for none."""
    return ",".join(ALARM_BITS[bit] for bit in DANGER_BITS if bits >> bit & 1)


@lru_cache(maxsize=4096)
def status_flags(bits: int) -> dict[str, Value]:
    """The named flags of a status word, shared and not to be changed."""
    flags: dict[str, Value] = {name: bool(bits >> bit & 1) for bit, name in STATUS_BITS.items()}
    return flags | {"load": LOADS[bits >> 8 & 3]}


def find_place(status: int, lat_raw: int, lon_raw: int) -> tuple[float | None, float | None, str | None]:
    """Longitude, latitude, and why there is none."""
    if not status & _FIXED or not (lat_raw or lon_raw):
        return None, None, "no_fix"
    if status & 0x20:
        return None, None, "encrypted"
    north, east = NORTH_EAST_LIMIT
    if lat_raw > north or lon_raw > east:
        return None, None, "swap_suspected" if lon_raw <= north and lat_raw <= east else "out_of_range"
    lat, lon = lat_raw / 1_000_000, lon_raw / 1_000_000
    return -lon if status & 8 else lon, -lat if status & 4 else lat, None


class Position:
    """One position taken apart: values of its record, records of behaviour, and what only a person looks at."""

    __slots__ = ("behaviours", "lat_raw", "lon_raw", "raw_items", "rest", "values", "vendor")

    def __init__(self, device_id: str, body: bytes, start: int, end: int, is_backfill: bool) -> None:
        alarm, status, lat_raw, lon_raw, altitude, speed, direction, moment = BASE.unpack_from(body, start)
        if status & _STATUS_FOR_PLACE == _FIXED and 0 < lat_raw <= 90_000_000 and 0 < lon_raw <= 180_000_000:
            lon, lat, fault = lon_raw / 1_000_000, lat_raw / 1_000_000, None
        else:
            lon, lat, fault = find_place(status, lat_raw, lon_raw)
        self.values: dict[str, Value] = {
            "device_id": device_id,
            "observed_at": bcd_time(moment),
            "lon": lon,
            "lat": lat,
            "place_fault": fault,
            "altitude_m": altitude if altitude != UNFILLED else None,
            "speed_kmh": speed / 10 if speed != UNFILLED else None,
            "direction_deg": direction if direction != UNFILLED else None,
            "is_backfill": is_backfill,
            "alarm_bits": alarm,
            "status_bits": status,
            **alarm_flags(alarm),
            **status_flags(status),
        }
        self.lat_raw, self.lon_raw = lat_raw, lon_raw
        self.raw_items: list[tuple[str, str]] = []
        self.vendor: dict[str, Value] = {}
        self.behaviours: list[dict[str, object]] = []
        self._read_items(body, start + BASE.size, end)

    def _read_items(self, body: bytes, at: int, end: int) -> None:
        """Items until the end. What is no whole item (padding, a vendor's fixed tail) stays as `rest`."""
        values, raw_items = self.values, self.raw_items
        while at + 2 <= end:
            word = body[at] << 8 | body[at + 1]
            stop = at + 2 + (word & 0xFF)
            if stop > end:
                break
            data = body[at + 2 : stop]
            raw_items.append((f"{word >> 8:02x}", data.hex()))
            item = BY_WORD.get(word)
            if item is None:
                self._read_other(word >> 8, data)
            elif item.parts is not None:
                values.update(item.parts(data))
            elif item.divisor == 1:
                values[item.name] = int.from_bytes(data)
            else:
                values[item.name] = int.from_bytes(data) / item.divisor
            at = stop
        self.rest = body[at:end]

    def _read_other(self, item_id: int, data: bytes) -> None:
        """Driver behaviour, or a vendor's item."""
        identifier = layout_of(item_id, data) if item_id in SOURCES else None
        if identifier is None:
            self.vendor.update(read_vendor(item_id, data))
            return
        behaviour: dict[str, object] = {**read_behaviour(item_id, data, identifier)}
        if item_id == 0x66:
            behaviour["tyres"] = wheels(data, identifier)
        self.behaviours.append(behaviour)

    def records(self) -> list[Record]:
        """The position, then one record for each behaviour item."""
        records = [Record("location", self.values)]
        shared = {"device_id": self.values["device_id"], "is_backfill": self.values["is_backfill"]}
        for behaviour in self.behaviours:
            flat = {name: value for name, value in behaviour.items() if name != "tyres"}
            flat["observed_at"] = flat["observed_at"] or self.values["observed_at"]  # the item's clock may not be set
            records.append(Record("behaviour", shared | flat))  # type: ignore[arg-type]  # all but the list is flat
        return records

    def add_to(self, fields: dict[str, object]) -> dict[str, object]:
        """Everything for a person: the record's values and the raw words behind them."""
        fields.update(self.values)
        fields["lat_raw"], fields["lon_raw"], fields["raw_items"] = self.lat_raw, self.lon_raw, self.raw_items
        if self.vendor:
            fields["vendor"] = self.vendor
        if self.behaviours:
            fields["behaviours"] = self.behaviours
        if self.rest:
            fields["items_rest"] = self.rest.hex()
        return fields


def read_position(envelope: Envelope, device_id: str, start: int, end: int, is_backfill: bool = False) -> Position:
    """The position in bytes start to end of a body. Raises BadFrame when they cannot hold one."""
    if end - start < BASE.size:
        raise envelope.fault("position too short", start, f"{max(end - start, 0)} bytes", f"at least {BASE.size}")
    return Position(device_id, envelope.body, start, end, is_backfill)


def read_batch(envelope: Envelope, device_id: str) -> tuple[dict[str, object], list[Position]]:
    """0x0704: count, kind (1 was kept in a blind area and sent later), then positions after their length as WORD."""
    body = envelope.body
    if len(body) < 3:
        raise envelope.fault("body too short", 0, f"{len(body)} bytes", "at least 3")
    count, kind = int.from_bytes(body[:2]), body[2]
    positions = _positions(envelope, device_id, 3, 2, count, kind == 1)
    return {"n_locations": count, "batch_kind": kind}, positions


def read_vendor_batch(envelope: Envelope, device_id: str) -> tuple[dict[str, object], list[Position]]:
    """0x0210, in no edition: battery and time in seven bytes, or positions after their length as BYTE to the end."""
    body = envelope.body
    if len(body) == 7:
        return {"battery_pct": body[0], "sent_at": bcd_time(body, 1)}, []
    positions = _positions(envelope, device_id, 0, 1, None, False)
    return {"n_locations": len(positions)}, positions


def _positions(
    envelope: Envelope, device_id: str, at: int, width: int, count: int | None, is_backfill: bool
) -> list[Position]:
    """`count` positions, each after its length, to the end of the body; without a count as many as there are."""
    body = envelope.body
    positions: list[Position] = []
    while at < len(body) if count is None else len(positions) < count:
        if at + width > len(body):
            raise envelope.fault("too few positions", at, f"{len(positions)}", f"{count} as stated")
        start = at + width
        end = start + int.from_bytes(body[at:start])
        if end > len(body):
            raise envelope.fault("position too long", at, f"{end - start} bytes", f"at most {len(body) - start}")
        positions.append(read_position(envelope, device_id, start, end, is_backfill))
        at = end
    if at != len(body):
        raise envelope.fault("body too long", at, f"{len(body) - at} bytes more", "the end")
    return positions

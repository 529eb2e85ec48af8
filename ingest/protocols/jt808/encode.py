"""Building frames: what a terminal sends (used by the simulated city) and what the platform answers.

Values out of range raise ValueError or struct.error; nothing is cut silently. Numbers are taken in our units and
written in the standard's; instants are aware and written in Beijing time.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.civil_time import BEIJING
from ingest.protocols.jt808.behaviour import GDRTA, JSATL, Identifier
from ingest.protocols.jt808.location import BASE
from ingest.protocols.jt808.wire import ESCAPE, FLAG, MAX_BODY_BYTES, checksum

_ITEM_PLACE = struct.Struct(">BHII6sH")


@dataclass(frozen=True, slots=True)
class Sender:
    """Whose frames these are: phone number as digits, edition 2013 or 2019, protocol version (2019 only)."""

    phone: str
    edition: int = 2019
    protocol_version: int = 1

    @property
    def phone_bytes(self) -> bytes:
        """BCD[6] or, in 2019, BCD[10], padded with zeros on the left."""
        digits = 20 if self.edition == 2019 else 12
        if len(self.phone.lstrip("0")) > digits:
            raise ValueError(f"phone {self.phone!r} has more than {digits} digits")
        return bytes.fromhex(self.phone[-digits:].zfill(digits))


@dataclass(frozen=True, slots=True)
class Position:
    """One position to send. `items` are what `item` and the functions beside it make."""

    observed_at: datetime
    lon: float
    lat: float
    speed_kmh: float = 0.0
    direction_deg: int = 0
    altitude_m: int = 0
    alarm_bits: int = 0
    status_bits: int = 0b11  # ignition on, positioned
    items: tuple[bytes, ...] = ()


# ── frames ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def escape(content: bytes) -> bytes:
    """7D as 7D 01, 7E as 7D 02 (JT/T 808-2013 §4.4.2)."""
    return content.replace(ESCAPE, b"\x7d\x01").replace(FLAG, b"\x7d\x02")


def frame(
    sender: Sender, message_id: int, serial: int, body: bytes = b"", part: tuple[int, int] | None = None
) -> bytes:
    """One frame. Raises ValueError for a body that needs several: use `frames`."""
    if len(body) > MAX_BODY_BYTES:
        raise ValueError(f"body of {len(body)} bytes: at most {MAX_BODY_BYTES} fit one frame, use frames()")
    later = sender.edition == 2019
    properties = len(body) | (0x4000 if later else 0) | (0x2000 if part else 0)
    head = struct.pack(">HH", message_id, properties)
    head += bytes([sender.protocol_version]) if later else b""
    head += sender.phone_bytes + struct.pack(">H", serial & 0xFFFF)
    head += struct.pack(">HH", part[1], part[0]) if part else b""
    content = head + body
    return FLAG + escape(content + bytes([checksum(content)])) + FLAG


def frames(
    sender: Sender, message_id: int, serial: int, body: bytes, max_body_bytes: int = MAX_BODY_BYTES
) -> tuple[bytes, ...]:
    """A message in as many frames as it needs; their serials run on from `serial`."""
    if len(body) <= max_body_bytes:
        return (frame(sender, message_id, serial, body),)
    pieces = [body[at : at + max_body_bytes] for at in range(0, len(body), max_body_bytes)]
    total = len(pieces)
    return tuple(frame(sender, message_id, serial + i, piece, (i + 1, total)) for i, piece in enumerate(pieces))


# ── what terminals send ───────────────────────────────────────────────────────────────────────────────────────────────
def heartbeat(sender: Sender, serial: int) -> bytes:
    """0x0002."""
    return frame(sender, 0x0002, serial)


def deregistration(sender: Sender, serial: int) -> bytes:
    """0x0003."""
    return frame(sender, 0x0003, serial)


def terminal_answer(sender: Sender, serial: int, reply_serial: int, reply_id: int, result: int = 0) -> bytes:
    """0x0001."""
    return frame(sender, 0x0001, serial, general_answer_body(reply_serial, reply_id, result))


def registration(
    sender: Sender,
    serial: int,
    plate: str,
    terminal_id: str,
    province_code: int = 0,
    city_code: int = 0,
    maker_id: str = "",
    model: str = "",
    plate_colour: int = 2,
) -> bytes:
    """0x0100."""
    maker_bytes, model_bytes, terminal_bytes = (11, 30, 30) if sender.edition == 2019 else (5, 20, 7)
    body = (
        struct.pack(">HH", province_code, city_code)
        + _text(maker_id, maker_bytes)
        + _text(model, model_bytes)
        + _text(terminal_id, terminal_bytes)
        + bytes([plate_colour])
        + plate.encode("gbk")
    )
    return frame(sender, 0x0100, serial, body)


def authentication(sender: Sender, serial: int, auth_code: str, imei: str = "", software_version: str = "") -> bytes:
    """0x0102; IMEI and software version are of 2019."""
    code = auth_code.encode("gbk")
    if sender.edition == 2019:
        code = bytes([len(code)]) + code + _text(imei, 15) + _text(software_version, 20)
    return frame(sender, 0x0102, serial, code)


def location(sender: Sender, serial: int, position: Position) -> bytes:
    """0x0200."""
    return frame(sender, 0x0200, serial, location_body(position))


def location_batch(
    sender: Sender, serial: int, positions: Sequence[Position], is_backfill: bool = False
) -> tuple[bytes, ...]:
    """0x0704, in several frames when it is long."""
    body = struct.pack(">HB", len(positions), int(is_backfill))
    for position in positions:
        one = location_body(position)
        body += struct.pack(">H", len(one)) + one
    return frames(sender, 0x0704, serial, body)


def location_body(position: Position) -> bytes:
    """The 28 bytes of a position and its items; the signs of the place go into the status."""
    status = position.status_bits | (4 if position.lat < 0 else 0) | (8 if position.lon < 0 else 0)
    return BASE.pack(
        position.alarm_bits,
        status,
        _millionths(position.lat),
        _millionths(position.lon),
        position.altitude_m,
        round(position.speed_kmh * 10),
        position.direction_deg,
        bcd(position.observed_at),
    ) + b"".join(position.items)


# ── items ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def item(item_id: int, data: bytes) -> bytes:
    """An additional item: id, length, data."""
    return bytes([item_id, len(data)]) + data


def mileage(mileage_km: float) -> bytes:
    """Item 0x01."""
    return item(0x01, struct.pack(">I", round(mileage_km * 10)))


def fuel(fuel_l: float) -> bytes:
    """Item 0x02."""
    return item(0x02, struct.pack(">H", round(fuel_l * 10)))


def signal(network_signal: int, satellites: int) -> bytes:
    """Items 0x30 and 0x31."""
    return item(0x30, bytes([network_signal])) + item(0x31, bytes([satellites]))


def adas(
    position: Position,
    type_code: int,
    terminal_id: str,
    alarm_no: int,
    sequence_no: int = 0,
    level: int = 1,
    phase: int = 1,
    front_speed_kmh: int = 0,
    front_gap_s: float = 0.0,
    deviation_code: int = 0,
    attachment_count: int = 0,
    region: Identifier = JSATL,
) -> bytes:
    """Item 0x64."""
    head = struct.pack(">IBBB", alarm_no, phase, type_code, level)
    special = struct.pack(">BBBBB", front_speed_kmh, round(front_gap_s * 10), deviation_code, 0, 0)
    return item(0x64, head + special + _item_tail(position, terminal_id, sequence_no, attachment_count, region))


def dsm(
    position: Position,
    type_code: int,
    terminal_id: str,
    alarm_no: int,
    sequence_no: int = 0,
    level: int = 1,
    phase: int = 1,
    fatigue_degree: int = 0,
    attachment_count: int = 0,
    region: Identifier = JSATL,
) -> bytes:
    """Item 0x65."""
    head = struct.pack(">IBBBB4x", alarm_no, phase, type_code, level, fatigue_degree)
    return item(0x65, head + _item_tail(position, terminal_id, sequence_no, attachment_count, region))


def blind_spot(
    position: Position,
    type_code: int,
    terminal_id: str,
    alarm_no: int,
    sequence_no: int = 0,
    phase: int = 1,
    attachment_count: int = 0,
    region: Identifier = JSATL,
) -> bytes:
    """Item 0x67."""
    head = struct.pack(">IBB", alarm_no, phase, type_code)
    return item(0x67, head + _item_tail(position, terminal_id, sequence_no, attachment_count, region))


def tyres(
    position: Position,
    wheels: Sequence[tuple[int, int, int, int, int]],
    terminal_id: str,
    alarm_no: int,
    sequence_no: int = 0,
    phase: int = 1,
    attachment_count: int = 0,
    region: Identifier = JSATL,
) -> bytes:
    """Item 0x66; a wheel is position, bits, kPa, degrees Celsius, battery in percent."""
    head = struct.pack(">IB", alarm_no, phase)
    wheel = struct.Struct(">HHHHH" if region is GDRTA else ">BHHHH")
    listed = bytes([len(wheels)]) + b"".join(wheel.pack(*one) for one in wheels)
    return item(0x66, head + _item_tail(position, terminal_id, sequence_no, attachment_count, region) + listed)


def _item_tail(
    position: Position, terminal_id: str, sequence_no: int, attachment_count: int, region: Identifier
) -> bytes:
    """Speed, place, time and state of the vehicle, then the alarm identifier of the region."""
    moment = bcd(position.observed_at)
    vehicle_bits = position.status_bits & 1 | (0x400 if position.status_bits & 2 else 0)
    place = _ITEM_PLACE.pack(
        round(position.speed_kmh),
        position.altitude_m,
        _millionths(position.lat),
        _millionths(position.lon),
        moment,
        vehicle_bits,
    )
    label = _text(terminal_id, region.terminal_bytes) + moment + bytes([sequence_no, attachment_count])
    return place + label.ljust(region.n_bytes, b"\0")


# ── what the platform sends ───────────────────────────────────────────────────────────────────────────────────────────
def general_answer_body(reply_serial: int, reply_id: int, result: int) -> bytes:
    """Body of 0x0001 and 0x8001."""
    return struct.pack(">HHB", reply_serial, reply_id, result)


def registration_answer_body(reply_serial: int, result: int, auth_code: str) -> bytes:
    """Body of 0x8100; the code only when registration went well."""
    return struct.pack(">HB", reply_serial, result) + (auth_code.encode("gbk") if result == 0 else b"")


# ── values ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def bcd(instant: datetime) -> bytes:
    """BCD[6] in Beijing time. Raises ValueError for a naive instant."""
    if instant.tzinfo is None:
        raise ValueError(f"naive instant {instant}: give it a time zone")
    return bytes.fromhex(f"{instant.astimezone(BEIJING):%y%m%d%H%M%S}")


def _millionths(degrees: float) -> int:
    return round(abs(degrees) * 1_000_000)


def _text(text: str, n_bytes: int) -> bytes:
    data = text.encode("gbk")
    if len(data) > n_bytes:
        raise ValueError(f"{text!r} is {len(data)} bytes in GBK: at most {n_bytes}")
    return data.ljust(n_bytes, b"\0")

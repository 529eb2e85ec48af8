"""Write GB/T 26875.3-2011 as a unit sends it, and commands as a centre does: for rehearsals and queries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ingest.protocols.gb26875 import tables as t
from ingest.protocols.gb26875.wire import Wire, build, label

TEXT_BYTES = 31
_SYSTEM_CODES = {word: code for code, word in t.SYSTEM_TYPES.items()}
_PART_CODES = {word: code for code, word in t.PART_TYPES.items()}
# One way for each field: kPa goes out in steps of 0.1 kPa, never of 0.1 MPa.
_QUANTITY_CODES = {field: code for code, (_, field, _) in t.QUANTITIES.items()}


@dataclass(frozen=True, slots=True)
class Unit:
    """A transmission device: its address and its centre's, twelve hexadecimal digits as on the wire."""

    unit_id: str
    centre: str = "000000000000"
    version: tuple[int, int] = (1, 1)


@dataclass(frozen=True, slots=True)
class Part:
    """A part by the words of tables 8.2.1.1 and 8.2.1.2 and its addresses."""

    system_type: str
    system_addr: int
    part_type: str
    zone: int
    position: int


def packet(
    unit: Unit,
    serial: int,
    sent_at: datetime,
    type_code: int = 0,
    objects: Sequence[bytes] = (),
    command: int = t.DATA,
) -> bytes:
    """A packet with its objects; without objects an empty one, as a heartbeat is."""
    body = bytes([type_code, len(objects)]) + b"".join(objects) if objects else b""
    source, destination = bytes.fromhex(unit.unit_id), bytes.fromhex(unit.centre)
    return build(Wire(serial, unit.version, label(sent_at), source, destination, command, body, 0))


def system_state(system_type: str, system_addr: int, true: Iterable[str], at: datetime) -> bytes:
    """An object of type 1: which bits of SYSTEM_BITS are true."""
    state = t.word_from(t.SYSTEM_BITS, frozenset(true))
    return bytes([_SYSTEM_CODES[system_type], system_addr]) + state.to_bytes(2, "little") + label(at)


def part_state(part: Part, true: Iterable[str], at: datetime, text: str = "") -> bytes:
    """An object of type 2: which bits of PART_BITS are true, and where the part is, cut at 31 bytes of GB 18030."""
    state = t.word_from(t.PART_BITS, frozenset(true))
    while len(raw := text.encode("gb18030")) > TEXT_BYTES:
        text = text[:-1]
    return _part(part) + state.to_bytes(2, "little") + raw.ljust(TEXT_BYTES, b"\0") + label(at)


def analogue(part: Part, field: str, value: float, at: datetime) -> bytes:
    """An object of type 3: a value by its field, as `temperature_c`. Raises OverflowError beyond two signed bytes."""
    code = _QUANTITY_CODES[field]
    numerator, denominator = t.QUANTITIES[code][2]
    steps = round(value * denominator / numerator)
    return _part(part) + bytes([code]) + steps.to_bytes(2, "little", signed=True) + label(at)


def operation(system_type: str, system_addr: int, true: Iterable[str], operator_no: int, at: datetime) -> bytes:
    """An object of type 4: which bits of OPERATION_BITS a person did."""
    done = t.word_from(t.OPERATION_BITS, frozenset(true))
    return bytes([_SYSTEM_CODES[system_type], system_addr, done, operator_no]) + label(at)


def unit_state(true: Iterable[str], at: datetime) -> bytes:
    """An object of type 21: which bits of UNIT_BITS are true."""
    return bytes([t.word_from(t.UNIT_BITS, frozenset(true))]) + label(at)


def _part(part: Part) -> bytes:
    head = bytes([_SYSTEM_CODES[part.system_type], part.system_addr, _PART_CODES[part.part_type]])
    return head + part.zone.to_bytes(2, "little") + part.position.to_bytes(2, "little")

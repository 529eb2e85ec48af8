"""Frames of SL 651-2014 to messages: single ones, packets of one message, and streams of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ingest.protocols.frame import NOTHING, BadFrame, Message, Record
from ingest.protocols.resync import Resync, Shape
from ingest.protocols.sl651 import rows as r
from ingest.protocols.sl651 import wire as w
from ingest.protocols.sl651.body import NINES_ARE_MISSING, Body, read_hex
from ingest.protocols.sl651.tables import EVENTS, OTHER_FUNCTION, Function, function_of
from ingest.protocols.sl651.text import read_ascii

NAME = "sl651"
RECORD_FIELDS = {r.KIND: r.FIELDS, r.TEST_KIND: r.FIELDS}
LENIENT = {
    w.CRC_SWAPPED: "The CRC comes low byte first, as on a Modbus line.",
    w.CRC_IGNORED: "The CRC is not worked out, or a frame was edited after it was.",
    NINES_ARE_MISSING: "A value of nines alone (9999.999) stands for a sensor that is not there.",
    r.SERIES_BY_HOUR: "The 5-minute series are of the hour that ends at or after the observation time, whatever it is.",
}
_PICTURE, _THRESHOLD = 0x36, 0x33
_ALARM_FUNCTIONS = {b"\x33": _THRESHOLD, b"33": _THRESHOLD}  # as a byte and as two characters


def splitter(lenient: frozenset[str] = NOTHING) -> Resync:
    """A new splitter of a stream; both wire forms may come through it."""

    def check(frame: bytes) -> None:
        w.check(frame, lenient)

    marks = (w.HEX_MARK, w.ASCII_MARK)
    return Resync(Shape(marks, w.size, check, w.ASCII_HEAD, w.MAX_FRAME_BYTES, "7E7E or SOH 01"))


def decode(frame: bytes, lenient: frozenset[str] = NOTHING) -> Message:
    """One frame to a message; a packet of several tells its part and leaves its rows to `join`. Raises BadFrame."""
    wire = w.take_apart(frame, lenient)
    function = function_of(wire.function)
    if wire.part is None or not wire.is_up:  # a confirmation of packets has its head whatever number it names
        return _message(wire, _body(wire, function, lenient), lenient)
    if wire.part[0] > 1:
        return _message(wire, None, lenient)
    # Only the first packet has the head (6.6.2.4). A picture runs to the end, all else may be cut anywhere.
    return _message(wire, _body(wire, function if wire.function == _PICTURE else OTHER_FUNCTION, lenient), lenient)


def join(parts: Iterable[bytes], lenient: frozenset[str] = NOTHING) -> Message:
    """All packets of one message (M3 of 6.3.1.2), in any order and repeated or not. Offsets are of the joined body."""
    wires = [w.take_apart(part, lenient) for part in parts]
    if not wires:
        raise BadFrame("packet", 0, "no frame", "at least one")
    first = wires[0]
    if first.part is None:
        if len(wires) > 1:
            raise BadFrame("packet", 0, f"{len(wires)} whole frames", "one, or packets that begin with SYN")
        return _message(first, _body(first, function_of(first.function), lenient), lenient)
    total = first.part[1]
    bodies: dict[int, w.Wire] = {}
    for wire in wires:
        if wire.part is None or wire.part[1] != total or _origin(wire) != _origin(first):
            raise BadFrame("packet", 0, f"{wire.part} of {_origin(wire)}", f"one of {total} of {_origin(first)}")
        bodies[wire.part[0]] = wire
    missing = [number for number in range(1, total + 1) if number not in bodies]
    if missing:
        raise BadFrame("packet", 0, f"no packet {missing[0]}", f"packets 1 to {total}")
    whole = b"".join(bodies[number].body for number in range(1, total + 1))
    deviations = tuple(sorted({name for wire in wires for name in wire.deviations}))
    joined = replace(bodies[total], body=whole, body_at=0, part=None, deviations=deviations, length=len(whole))
    return _message(joined, _body(joined, function_of(joined.function), lenient), lenient, parts=total)


def alarm_in(data: bytes) -> str:
    """The function of a refused frame that a station sends because a limit was passed (6.6.4.6)."""
    for mark, at in ((w.HEX_MARK, 10), (w.ASCII_MARK, 17)):
        start = data.find(mark)
        if start < 0:
            continue
        function = data[start + at : start + at + (1 if mark == w.HEX_MARK else 2)]
        if function in _ALARM_FUNCTIONS:
            return function_of(_ALARM_FUNCTIONS[function]).word
    return ""


def _origin(wire: w.Wire) -> tuple[str, int]:
    return r.station_id(wire.station), wire.function


def _body(wire: w.Wire, function: Function, lenient: frozenset[str]) -> Body:
    if wire.ascii:
        return read_ascii(wire.body, wire.body_at, function, wire.is_up)
    return read_hex(wire.body, wire.body_at, function, lenient, wire.is_up)


def _message(wire: w.Wire, body: Body | None, lenient: frozenset[str], parts: int = 0) -> Message:
    function = function_of(wire.function)
    fields: dict[str, object] = {
        "direction": "up" if wire.is_up else "down",
        "is_ascii": wire.ascii,
        "centre": wire.centre,
        "station_id": r.station_id(wire.station),
        "station_code": r.station_code(wire.station),
        "password": wire.password.hex().upper(),
        "function": f"{wire.function:02X}",
        "body_bytes": wire.length,
        "begin": f"{wire.begin:02X}",
        "end": f"{wire.end:02X}",
        "crc": f"{wire.crc:04X}",
    }
    if wire.part:
        fields["part_number"], fields["parts"] = wire.part
        fields["part_bytes"] = len(wire.body)
    elif parts:
        fields["parts"] = parts
    records: tuple[Record, ...] = ()
    deviations = set(wire.deviations)
    if body is not None:
        records = r.rows(body, function.word, lenient) if wire.part is None else ()
        fields |= _body_fields(body, wire.function)
        deviations |= body.deviations
    return Message(
        NAME, r.station_id(wire.station), function.word, fields, records, wire.part, tuple(sorted(deviations))
    )


def _body_fields(body: Body, function: int) -> dict[str, object]:
    fields: dict[str, object] = {"serial": body.serial, "sent_at": r.iso(body.sent_at)}
    if body.station is not None:
        fields["observed_station_id"] = r.station_id(body.station)
    if body.station_class is not None:
        fields["station_class_code"] = f"{body.station_class:02X}"
        fields["station_class"] = r.class_word(body.station_class)
    if body.text is not None:
        fields["text"] = body.text
    if body.rest:
        fields["body_hex"] = body.rest.hex().upper()
    if body.station is not None and body.rest:
        fields |= _parameters(body.rest, function)
    fields["elements"] = [
        {
            "station_id": r.station_id(reading.station),
            "observed_at": r.iso(reading.observed_at),
            "element": reading.identifier,
            "field": reading.field,
            "value": list(reading.points) if reading.points is not None else reading.value,
        }
        for reading in body.readings
    ]
    return fields


def _parameters(rest: bytes, function: int) -> dict[str, object]:
    """Bodies with a form of their own that we read: the version (table 57) and event counters (tables 82 and 84)."""
    if function == 0x45 and len(rest) == rest[0] + 1:
        return {"software_version": rest[1:].decode("gb18030", "replace")}
    if function == 0x50 and len(rest) == 64:
        counts = (int.from_bytes(rest[at : at + 2], "big") for at in range(0, 64, 2))
        return {"events": dict(zip(EVENTS, counts, strict=False))}
    return {}

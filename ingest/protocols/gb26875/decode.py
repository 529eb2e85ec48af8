"""Packets of GB/T 26875.3-2011 to messages and rows, and what the centre answers to them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from ingest.protocols.frame import NOTHING, BadFrame, Message, Record
from ingest.protocols.gb26875 import tables as t
from ingest.protocols.gb26875 import wire as w
from ingest.protocols.gb26875.objects import (
    NO_OBJECT_TIME,
    READERS,
    SHORT_HEARTBEAT,
    SHORT_UNIT_BYTES,
    TIME_BYTES,
    Values,
    read_objects,
)
from ingest.protocols.resync import Resync, Shape

NAME = "gb26875"
KIND = "event"
RECORD_FIELDS: dict[str, tuple[str, ...]] = {
    KIND: (
        "unit_id",
        "device_id",
        "event_kind",
        "serial",
        "sent_at",
        "observed_at",
        "is_backfill",
        "system_type",
        "system_type_code",
        "system_addr",
        "part_type",
        "part_type_code",
        "part_addr",
        "zone",
        "position",
        "text",
        "state",
        *dict.fromkeys((*t.SYSTEM_BITS, *t.PART_BITS, *t.UNIT_BITS)),
        "quantity",
        "analogue_type",
        "analogue_raw",
        *t.QUANTITY_FIELDS,
        "operation",
        *dict.fromkeys((*t.OPERATION_BITS, *t.UNIT_OPERATION_BITS)),
        "operator_no",
    )
}
LENIENT = {
    w.NO_CHECKSUM: "The sum is not worked out: it is 00 whatever the packet holds.",
    w.BCD_TIME: "Times come as two decimal digits a byte instead of plain binary.",
    SHORT_HEARTBEAT: "Data of at most one byte behind their count, too short for an object, are a heartbeat.",
    NO_OBJECT_TIME: "Objects come without their time label; the packet's own send time is the only one.",
}
# What happened or was measured; versions, settings and clocks answer a query and are fields of the message.
_ROW_TYPES = frozenset({t.SYSTEM_STATE, t.PART_STATE, t.ANALOGUE, t.OPERATION, t.UNIT_STATE, t.UNIT_OPERATION})
# What may tell of a fire.
_EVENT_TYPES = frozenset({t.SYSTEM_STATE, t.PART_STATE, t.OPERATION, t.UNIT_STATE, t.UNIT_OPERATION})
# `quantity` is never absent, so that it may be part of a key: one part may send several quantities at one time.
_WITHOUT_QUANTITY: dict[int, str] = {
    **dict.fromkeys((t.SYSTEM_STATE, t.PART_STATE, t.UNIT_STATE), "state"),
    **dict.fromkeys((t.OPERATION, t.UNIT_OPERATION), "operation"),
}


def splitter(lenient: frozenset[str] = NOTHING) -> Resync:
    """A new splitter of a stream. `2323` may stand inside a packet: its length decides, not its end mark."""

    def check(frame: bytes) -> None:
        w.check(frame, lenient)

    return Resync(Shape((w.MARK,), w.size, check, w.HEAD_BYTES, w.MAX_FRAME_BYTES, "4040"))


def decode(frame: bytes, lenient: frozenset[str] = NOTHING) -> Message:
    """One packet to a message. Raises BadFrame. Types that are reserved, of vendors or go down keep their bytes."""
    wire = w.take_apart(frame, lenient)
    sent_at = w.moment(wire.sent, lenient)
    fields: dict[str, object] = {
        "serial": wire.serial,
        "main_version": wire.version[0],
        "user_version": wire.version[1],
        "sent_at": sent_at.isoformat() if sent_at else None,
        "sent_hex": wire.sent.hex().upper(),
        "source": _address(wire.source),
        "destination": _address(wire.destination),
        "unit_bytes": len(wire.unit),
        "command": wire.command,
        "command_word": t.word_of(t.COMMANDS, wire.command),
        "unit_hex": wire.unit.hex().upper(),
        "checksum": wire.checksum,
    }
    deviations = {*wire.deviations, *({w.BCD_TIME} & lenient)}
    objects: list[Values] = []
    is_short = SHORT_HEARTBEAT in lenient and _is_short_heartbeat(wire)
    if is_short:
        deviations.add(SHORT_HEARTBEAT)
    # A unit of one byte is a vendor's heartbeat: a type alone.
    elif len(wire.unit) >= 2:
        fields["type"], fields["count"] = wire.unit[0], wire.unit[1]
        if wire.unit[0] in t.UP_TYPES:
            objects, needed = read_objects(wire.unit, t.UP_TYPES[wire.unit[0]], lenient)
            fields["objects"] = objects
            deviations |= needed
    records = tuple(
        _record(wire, values, sent_at.isoformat() if sent_at else None)
        for values in objects
        if wire.unit[0] in _ROW_TYPES
    )
    kind = "heartbeat" if is_short else _kind(wire)
    return Message(NAME, _address(wire.source), kind, fields, records, None, tuple(sorted(deviations)))


def _is_short_heartbeat(wire: w.Wire) -> bool:
    """Data of a type whose objects are longer than the byte that is there: nothing can be in it."""
    kind = t.UP_TYPES.get(wire.unit[0]) if 2 <= len(wire.unit) <= SHORT_UNIT_BYTES else None
    return wire.command == t.DATA and kind is not None and kind.size is not None and kind.size > 1


def join(parts: Iterable[bytes], lenient: frozenset[str] = NOTHING) -> Message:
    """The one packet of a message: the standard has no message in parts. Raises BadFrame for more or none."""
    frames = list(parts)
    if len(frames) != 1:
        raise BadFrame("packet", 0, f"{len(frames)} packets", "one: messages do not come in parts")
    return decode(frames[0], lenient)


def answers(message: Message, now: datetime) -> tuple[bytes, ...]:
    """The confirmation of data that a unit sent (clause 6.3): same serial, addresses swapped, empty unit."""
    if message.fields["command"] != t.DATA:
        return ()
    f = message.fields
    version = (int(str(f["main_version"])), int(str(f["user_version"])))
    source, destination = bytes.fromhex(str(f["source"])), bytes.fromhex(str(f["destination"]))
    return (w.build(w.Wire(int(str(f["serial"])), version, w.label(now), destination, source, t.CONFIRM, b"", 0)),)


def deny(frame: bytes, now: datetime) -> bytes | None:
    """The refusal of a packet that `decode` refused (6.3, 6.5), None when its header cannot be read or was no data."""
    if not frame.startswith(w.MARK) or len(frame) < w.HEAD_BYTES or frame[26] not in (t.CONTROL, t.DATA):
        return None
    serial, version = int.from_bytes(frame[2:4], "little"), (frame[4], frame[5])
    return w.build(w.Wire(serial, version, w.label(now), frame[18:24], frame[12:18], t.DENY, b"", 0))


def alarm_in(data: bytes) -> str:
    """The fire bit of the objects in data that were refused, or their type where no object is whole."""
    at = data.find(w.MARK)
    if at < 0 or len(data) < at + w.HEAD_BYTES + 2 or data[at + 26] != t.DATA:
        return ""
    unit = data[at + w.HEAD_BYTES :]
    kind = t.UP_TYPES.get(unit[0])
    if kind is None or unit[0] not in _EVENT_TYPES:
        return ""
    if kind.size is None or len(unit) < 2 + kind.size:
        return kind.word
    starts = range(2, len(unit) - kind.size + 1, kind.size + TIME_BYTES)
    is_fire = any(READERS[unit[0]](unit[start : start + kind.size]).get("fire") for start in starts)
    return f"{kind.word} fire" if is_fire else ""


def device_of(unit_id: str, values: Values) -> str:
    """One name for what an event is about: the unit, a system of it, or a part, by codes and addresses."""
    names = ("system_type_code", "system_addr", "part_type_code", "part_addr")
    return "-".join([unit_id, *(str(values[name]) for name in names if name in values)])


def _address(raw: bytes) -> str:
    return raw.hex().upper()


def _kind(wire: w.Wire) -> str:
    if not wire.unit:
        return "heartbeat" if wire.command == t.DATA else t.word_of(t.COMMANDS, wire.command)
    code = wire.unit[0]
    if len(wire.unit) >= 2 and code in t.UP_TYPES:
        return t.UP_TYPES[code].word
    return t.word_of(t.DOWN_TYPES, code)


def _record(wire: w.Wire, values: Values, sent_at: str | None) -> Record:
    """A row. An object without a usable time of its own is of the time its packet was sent: an alarm needs no clock."""
    unit_id = _address(wire.source)
    head: Values = {
        "unit_id": unit_id,
        "device_id": device_of(unit_id, values),
        "event_kind": t.UP_TYPES[wire.unit[0]].word,
        "serial": wire.serial,
        "sent_at": sent_at,
        "observed_at": values.get("observed_at") or sent_at,
        # Operations that the centre asks for are what was recorded before (8.3.2.4).
        "is_backfill": wire.command == t.RESPONSE and wire.unit[0] in (t.OPERATION, t.UNIT_OPERATION),
        "quantity": _WITHOUT_QUANTITY.get(wire.unit[0]),
    }
    return Record(KIND, {**head, **{name: value for name, value in values.items() if name != "observed_at"}})

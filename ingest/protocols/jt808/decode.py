"""One opened frame, or several joined, to a message: header fields, fields of the body, records.

An id that stands in no table gives its header and the body as hexadecimal digits; so does an encrypted body, and one
part of a message that came in several.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ingest.protocols.frame import NOTHING, BadFrame, Message, Record
from ingest.protocols.jt808.layout import REST, Layout, Reader, as_number, hex_rest, read, read_body, u8, u16, u32
from ingest.protocols.jt808.location import BASE, Position, danger_in, read_batch, read_position, read_vendor_batch
from ingest.protocols.jt808.platform import PLATFORM
from ingest.protocols.jt808.terminal import TERMINAL
from ingest.protocols.jt808.wire import ESCAPE, FLAG, LONGER_BODY, Envelope, header_bytes, open_frame

# Messages that carry positions: id → (our word, clause).
POSITIONS = {
    0x0200: ("location", "JT/T 808-2013 §8.18"),
    0x0201: ("location_answer", "JT/T 808-2013 §8.20"),
    0x0210: ("vendor_locations", "no standard"),
    0x0704: ("location_batch", "JT/T 808-2013 §8.49"),
    0x0801: ("media", "JT/T 808-2013 §8.52"),
    0x0802: ("media_list", "JT/T 808-2013 §8.57"),
}
# Bytes of a body in front of its first position.
_BEFORE_POSITION = {0x0200: 0, 0x0201: 2, 0x0704: 5, 0x0801: 8}
_MEDIA: Layout = (("media_id", u32), ("media_type", u8), ("media_format", u8), ("event", u8), ("channel", u8))
_LISTED: Layout = (("media_id", u32), ("media_type", u8), ("channel", u8), ("event", u8))

MAX_PARTS = 1024  # a message of more than a megabyte is no message of a vehicle


def decode(frame: bytes, lenient: frozenset[str] = NOTHING) -> Message:
    """One frame to a message. Raises BadFrame."""
    return message_of(open_frame(frame, lenient), lenient)


def join(parts: Iterable[bytes], lenient: frozenset[str] = NOTHING) -> Message:
    """All frames of one message that came in parts, in any order, to the whole message. Raises BadFrame.

    JT/T 808-2013 §4.4.3: each packet carries the total and its own number from 1; serials of a message run on. A packet
    that came twice counts once.
    """
    opened: dict[int, Envelope] = {}
    for frame in parts:
        envelope = open_frame(frame, lenient)
        if envelope.part is None:
            raise BadFrame("no part of a message", 2, "a whole message", "the sub-package bit")
        opened.setdefault(envelope.part[0], envelope)
    if not opened:
        raise BadFrame("no parts", 0, "nothing", "the parts of one message")
    first = opened[min(opened)]
    total = first.part[1] if first.part else 0
    if total > MAX_PARTS:
        raise BadFrame("too many parts", 1, f"{total}", f"at most {MAX_PARTS}")
    for envelope in opened.values():
        same = (envelope.message_id, envelope.phone) == (first.message_id, first.phone)
        if not same or envelope.part is None or envelope.part[1] != total:
            raise BadFrame("parts of different messages", 1, f"{envelope.message_id:04X}", f"{first.message_id:04X}")
    missing = [n for n in range(1, total + 1) if n not in opened]
    if missing:
        raise BadFrame("parts missing", 1, f"without {', '.join(map(str, missing[:5]))}", f"all of {total}")
    ordered = [opened[n] for n in range(1, total + 1)]
    body = b"".join(envelope.body for envelope in ordered)
    deviations = tuple(dict.fromkeys(name for envelope in ordered for name in envelope.deviations))
    return message_of(replace(ordered[0], body=body, part=None, deviations=deviations), lenient)


def alarm_in(data: bytes) -> str:
    """The danger bits of the first position in bytes that were refused, whatever is wrong with their frame."""
    content = data.strip(FLAG).replace(b"\x7d\x02", FLAG).replace(b"\x7d\x01", ESCAPE)
    before = _BEFORE_POSITION.get(int.from_bytes(content[:2]))
    if before is None or len(content) < 4:
        return ""
    at = header_bytes(content[2] << 8) + before
    return danger_in(int.from_bytes(content[at : at + 4])) if len(content) >= at + 4 else ""


def device_of(phone: str) -> str:
    """The terminal's phone number without the zeros that pad it, so that both editions name one device alike."""
    return phone.lstrip("0") or "0"


def message_of(envelope: Envelope, lenient: frozenset[str]) -> Message:
    """What an envelope carries."""
    device_id = device_of(envelope.phone)
    fields: dict[str, object] = {
        "message_id": envelope.message_id,
        "properties": envelope.properties,
        "edition": envelope.edition,
        "protocol_version": envelope.protocol_version,
        "phone": envelope.phone,
        "serial": envelope.serial,
        "encryption": envelope.encryption,
        "body_bytes": len(envelope.body),
    }
    records: list[Record] = []
    part = envelope.part if envelope.part and envelope.part[1] > 1 else None
    kind = kind_of(envelope.message_id)
    if part:
        # Serials of one message run on, so all its parts agree on this one (JT/T 808-2013 §4.4.3).
        fields["part_key"] = (envelope.serial - part[0] + 1) & 0xFFFF
    if envelope.encryption or part or kind == "unknown":
        fields["body"] = envelope.body.hex()
    elif envelope.message_id in POSITIONS:
        records = _read_positions(envelope, device_id, fields)
    else:
        _, _, early, late = TERMINAL.get(envelope.message_id) or PLATFORM[envelope.message_id]
        fields |= read_body(envelope, late if envelope.edition == 2019 else early, LONGER_BODY in lenient)
    deviations = (*envelope.deviations, LONGER_BODY) if REST in fields else envelope.deviations
    return Message("jt808", device_id, kind, fields, tuple(records), part, deviations)


def kind_of(message_id: int) -> str:
    """Our word for a message id."""
    row = POSITIONS.get(message_id) or TERMINAL.get(message_id) or PLATFORM.get(message_id)
    return row[0] if row else "unknown"


def _read_positions(envelope: Envelope, device_id: str, fields: dict[str, object]) -> list[Record]:
    """Fill the fields of a message with positions and give its records."""
    end = len(envelope.body)
    if envelope.message_id == 0x0200:
        return _one(read_position(envelope, device_id, 0, end), fields)
    if envelope.message_id == 0x0201:
        fields["reply_serial"] = int.from_bytes(envelope.body[:2])
        return _one(read_position(envelope, device_id, 2, end), fields)
    if envelope.message_id == 0x0801:
        return _read_media(envelope, device_id, fields)
    if envelope.message_id == 0x0802:
        return _read_media_list(envelope, device_id, fields)
    read_many = read_batch if envelope.message_id == 0x0704 else read_vendor_batch
    head, positions = read_many(envelope, device_id)
    fields |= head
    fields["locations"] = [position.add_to({}) for position in positions]
    return [record for position in positions for record in position.records()]


def _one(position: Position, fields: dict[str, object]) -> list[Record]:
    position.add_to(fields)
    return position.records()


def _read_media(envelope: Envelope, device_id: str, fields: dict[str, object]) -> list[Record]:
    """A picture or a sound, with the place where it was taken. The place is the media's, not a report of its own.

    A place with a danger bit is one all the same: a media message is confirmed, and its alarm may have come no other
    way. It was taken before it was sent.
    """
    reader = Reader(envelope, envelope.body)
    fields |= read(reader, _MEDIA)
    position = read_position(envelope, device_id, reader.at, min(reader.at + BASE.size, reader.stop))
    reader.take(BASE.size)
    fields |= {"location": position.add_to({}), "packet": hex_rest(reader)}
    if not danger_in(as_number(position.values["alarm_bits"])):
        return []
    return [Record("location", {**position.values, "is_backfill": True})]


def _read_media_list(envelope: Envelope, device_id: str, fields: dict[str, object]) -> list[Record]:
    """Stored media that were asked for, each with its place."""
    reader = Reader(envelope, envelope.body)
    fields["reply_serial"] = u16(reader)
    listed = []
    for _ in range(u16(reader)):
        media = read(reader, _LISTED)
        position = read_position(envelope, device_id, reader.at, min(reader.at + BASE.size, reader.stop))
        media["location"] = position.add_to({})
        reader.take(BASE.size)
        listed.append(media)
    if reader.left:
        raise envelope.fault("body too long", reader.at, f"{reader.left} bytes more", "the end")
    fields["media"] = listed
    return []

"""Write SL 651-2014 as a station sends it, and commands as a centre does: HEX/BCD form, for rehearsals and queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.civil_time import BEIJING
from ingest.protocols.sl651 import elements as e
from ingest.protocols.sl651.tables import ENQ, ETB, ETX, STATE_BITS, STATION_CLASSES, STX, SYN
from ingest.protocols.sl651.wire import Wire, build

_CLASS_CODES = {word: code for code, word in STATION_CLASSES.items()}
_SERIES_GUIDES = {name: guide for guide, (_, name) in e.SERIES.items()}
_BOX_CLOSED = 1 << 7


@dataclass(frozen=True, slots=True)
class Sender:
    """A station as its frames name it: ten hexadecimal digits of address, a word of table A.1, its centre."""

    station_id: str
    station_class: str = "river"
    centre: int = 1
    password: str = "0000"


@dataclass(frozen=True, slots=True)
class Group:
    """Values of one observation time by our field names; a sequence of twelve is a 5-minute series from that time."""

    observed_at: datetime
    values: Mapping[str, float | Sequence[float | None] | None]


def report(
    sender: Sender, function: int, serial: int, sent_at: datetime, groups: Iterable[Group], packet_bytes: int = 0
) -> tuple[bytes, ...]:
    """A report (30–34, 37, 3A) as one frame, or as SYN packets of at most `packet_bytes` of body each (M3).

    Raises KeyError for a field that is no element, ValueError for a value that has no room.
    """
    body = _head(serial, sent_at) + _station(sender) + bytes([_CLASS_CODES[sender.station_class]])
    for group in groups:
        body += bytes([e.TIME, e.TIME]) + _bcd(group.observed_at, "%y%m%d%H%M")
        body += b"".join(_element(name, value) for name, value in group.values.items())
    return _packets(sender, function, body, packet_bytes)


def picture(
    sender: Sender, serial: int, sent_at: datetime, observed_at: datetime, jpeg: bytes, packet_bytes: int = 1024
) -> tuple[bytes, ...]:
    """A picture (36) in packets."""
    body = _head(serial, sent_at) + _station(sender) + bytes([_CLASS_CODES[sender.station_class], e.TIME, e.TIME])
    body += _bcd(observed_at, "%y%m%d%H%M") + bytes([e.PICTURE, e.PICTURE]) + jpeg
    return _packets(sender, 0x36, body, packet_bytes)


def keep_alive(sender: Sender, serial: int, sent_at: datetime) -> bytes:
    """A keep-alive (2F)."""
    return _up(sender, 0x2F, _head(serial, sent_at))


def status(sender: Sender, serial: int, sent_at: datetime, true: Iterable[str] = ()) -> bytes:
    """States and alarms (46), those of table 58 that are true by name; the box is closed unless `box_open` is there."""
    named = set(true)
    word = 0 if "box_open" in named else _BOX_CLOSED
    for bit, name, true_is in STATE_BITS:
        word |= (name in named and true_is) << bit
    return _up(sender, 0x46, _head(serial, sent_at) + _station(sender) + _element("state_word", word))


def command(sender: Sender, function: int, sent_at: datetime, parameters: bytes = b"", serial: int = 0) -> bytes:
    """A query or setting of the centre (M4): ends in ENQ; its serial number is 0 by 6.6.2.4."""
    return build(_wire(sender, function, False, _head(serial, sent_at) + parameters, ENQ, None))


def _packets(sender: Sender, function: int, body: bytes, packet_bytes: int) -> tuple[bytes, ...]:
    if not packet_bytes:
        return (_up(sender, function, body),)
    pieces = [body[at : at + packet_bytes] for at in range(0, len(body), packet_bytes)]
    total = len(pieces)
    return tuple(
        build(_wire(sender, function, True, piece, ETX if number == total else ETB, (number, total)))
        for number, piece in enumerate(pieces, 1)
    )


def _up(sender: Sender, function: int, body: bytes) -> bytes:
    return build(_wire(sender, function, True, body, ETX, None))


def _wire(sender: Sender, function: int, is_up: bool, body: bytes, end: int, part: tuple[int, int] | None) -> Wire:
    station, password = bytes.fromhex(sender.station_id), bytes.fromhex(sender.password)
    begin = SYN if part else STX
    return Wire(False, is_up, sender.centre, station, password, function, 0, begin, part, body, 0, end, 0)


def _head(serial: int, sent_at: datetime) -> bytes:
    return serial.to_bytes(2, "big") + _bcd(sent_at, "%y%m%d%H%M%S")


def _station(sender: Sender) -> bytes:
    return bytes([e.STATION, e.STATION]) + bytes.fromhex(sender.station_id)


def _bcd(at: datetime, form: str) -> bytes:
    return bytes.fromhex(at.astimezone(BEIJING).strftime(form))


def _element(name: str, value: float | Sequence[float | None] | None) -> bytes:
    if isinstance(value, Sequence):
        guide, points = _SERIES_GUIDES[name], tuple(value)
        if len(points) != e.SERIES_POINTS:
            raise ValueError(f"{name}: {len(points)} points, expected {e.SERIES_POINTS}")
        raw = e.series_bytes(guide, points)
        return bytes([guide, len(raw) << 3]) + raw
    element = e.BY_FIELD[name]
    definition, raw = e.packed(element, value)
    return bytes([element.guide, definition]) + raw

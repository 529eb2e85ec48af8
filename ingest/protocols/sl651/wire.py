"""The frame of SL 651-2014 around its body, in both wire forms (clauses 6.4 and 6.5): take apart, check, build."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.protocols.frame import NOTHING, BadFrame
from ingest.protocols.sl651.tables import BEGINS, ENDS, SOH, STX, SYN

HEX_MARK, ASCII_MARK = b"\x7e\x7e", bytes([SOH])
HEX_HEAD, ASCII_HEAD = 14, 24  # up to and with STX or SYN
HEX_TAIL, ASCII_TAIL = 3, 5  # the end character and the CRC
MAX_BODY_BYTES = 0xFFF  # tables 16 and 20; the FFFF of table 22 leaves no bit for the direction
MAX_FRAME_BYTES = ASCII_HEAD + MAX_BODY_BYTES + ASCII_TAIL
CRC_IGNORED, CRC_SWAPPED = "crc_ignored", "crc_swapped"


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


_CRC = _crc_table()


def crc16(data: bytes) -> int:
    """CRC with X16+X15+X2+1 (table 11), as Modbus computes it; here its high byte goes first."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc


@dataclass(frozen=True, slots=True)
class Wire:
    """A checked frame: header fields, and the body without the packet count of a SYN frame.

    `body_at` is the offset of the body in the frame. `length` is the length field, which counts the packet count.
    """

    ascii: bool
    is_up: bool
    centre: int
    station: bytes
    password: bytes
    function: int
    length: int
    begin: int
    part: tuple[int, int] | None
    body: bytes
    body_at: int
    end: int
    crc: int
    deviations: tuple[str, ...] = ()


def size(head: bytes) -> int | None:
    """Length of the whole frame that starts so; None for too few bytes. Raises BadFrame for what is no header."""
    if head[:1] == ASCII_MARK:
        printed = head[1 : ASCII_HEAD - 1]
        if any(byte not in b"0123456789ABCDEFabcdef" for byte in printed):
            raise BadFrame("header", 1, printed.hex().upper(), "hexadecimal characters")
        if len(head) < ASCII_HEAD:
            return None
        field, at, begin_at, ends = int(head[19:23], 16), 19, 23, ASCII_HEAD + ASCII_TAIL
    else:
        if len(head) < HEX_HEAD:
            return None
        field, at, begin_at, ends = int.from_bytes(head[11:13], "big"), 11, 13, HEX_HEAD + HEX_TAIL
    if field >> 12 not in (0, 8):
        raise BadFrame("direction", at, f"{field >> 12:X}", "0 (up) or 8 (down)")
    if head[begin_at] not in BEGINS:
        raise BadFrame("begin", begin_at, f"{head[begin_at]:02X}", "STX 02 or SYN 16")
    return ends + (field & MAX_BODY_BYTES)


def check(frame: bytes, lenient: frozenset[str] = NOTHING) -> tuple[str, ...]:
    """Refuse what is no frame: mark, length, end character, CRC. Tells which lenient options it needed."""
    if not frame.startswith((HEX_MARK, ASCII_MARK)):
        raise BadFrame("start", 0, frame[:2].hex().upper() or "nothing", "7E7E or SOH 01")
    is_ascii = frame[:1] == ASCII_MARK
    head, tail = (ASCII_HEAD, ASCII_TAIL) if is_ascii else (HEX_HEAD, HEX_TAIL)
    wanted = size(frame[:head])
    if wanted is None:
        raise BadFrame("cut", len(frame), f"{len(frame)} bytes", f"at least {head + tail}")
    if wanted != len(frame):
        at = 19 if is_ascii else 11
        raise BadFrame("length", at, f"{len(frame)} bytes", f"{wanted} as the length field says")
    if frame[-tail] not in ENDS:
        raise BadFrame("end", len(frame) - tail, f"{frame[-tail]:02X}", "ETX, ETB, ENQ, ACK, EOT, NAK or ESC")
    return _check_crc(frame, frame[1 - tail :], is_ascii, lenient)


def _check_crc(frame: bytes, sent: bytes, is_ascii: bool, lenient: frozenset[str]) -> tuple[str, ...]:
    counted = f"{crc16(frame[: -len(sent)]):04X}"
    found = sent.decode("latin-1").upper() if is_ascii else sent.hex().upper()
    if found == counted:
        return ()
    if CRC_SWAPPED in lenient and found == counted[2:] + counted[:2]:
        return (CRC_SWAPPED,)
    if CRC_IGNORED in lenient:
        return (CRC_IGNORED,)
    raise BadFrame("crc", len(frame) - len(sent), sent.hex().upper() if is_ascii else found, counted)


def take_apart(frame: bytes, lenient: frozenset[str] = NOTHING) -> Wire:
    """A frame to its header and body. Raises BadFrame."""
    deviations = check(frame, lenient)
    is_ascii = frame[:1] == ASCII_MARK
    head, tail = (ASCII_HEAD, ASCII_TAIL) if is_ascii else (HEX_HEAD, HEX_TAIL)
    header = bytes.fromhex(frame[1 : head - 1].decode("ascii")) if is_ascii else frame[2 : head - 1]
    field = int.from_bytes(header[9:11], "big")
    is_up = field >> 12 == 0
    centre, station = (header[0], header[1:6]) if is_up else (header[5], header[:5])
    begin, body, at = frame[head - 1], frame[head:-tail], head
    part = None
    if begin == SYN:
        part, used = _part(body, head, is_ascii)
        body, at = body[used:], head + used
    return Wire(
        is_ascii,
        is_up,
        centre,
        station,
        header[6:8],
        header[8],
        field & MAX_BODY_BYTES,
        begin,
        part,
        body,
        at,
        frame[-tail],
        crc16(frame[: 1 - tail]),
        deviations,
    )


def _part(body: bytes, at: int, is_ascii: bool) -> tuple[tuple[int, int], int]:
    """Packet number and total (tables 18 and 22: 12 bits each), and the bytes they take."""
    used = 6 if is_ascii else 3
    text = body[:used].decode("latin-1") if is_ascii else body[:used].hex()
    if len(text) < 6 or any(c not in "0123456789ABCDEFabcdef" for c in text):
        raise BadFrame("packet", at, text or "nothing", "total and number, three hexadecimal digits each")
    total, current = int(text[:3], 16), int(text[3:], 16)
    if not 1 <= current <= total:
        raise BadFrame("packet", at, f"{current} of {total}", "a number from 1 to the total")
    return (current, total), used


def build(wire: Wire) -> bytes:
    """A frame from its header and body; `length`, `crc` and `body_at` are worked out, not taken."""
    count = b""
    if wire.part is not None:
        current, total = wire.part
        text = f"{total:03X}{current:03X}"
        count = text.encode() if wire.ascii else bytes.fromhex(text)
    payload = count + wire.body
    if len(payload) > MAX_BODY_BYTES:
        raise ValueError(f"{len(payload)} bytes of body: expected at most {MAX_BODY_BYTES}; send it in packets")
    centre = bytes([wire.centre])
    addresses = centre + wire.station if wire.is_up else wire.station + centre
    field = len(payload) | (0 if wire.is_up else 0x8000)
    header = addresses + wire.password + bytes([wire.function]) + field.to_bytes(2, "big")
    begin = bytes([SYN if wire.part else STX])
    start = ASCII_MARK + header.hex().upper().encode() if wire.ascii else HEX_MARK + header
    frame = start + begin + payload + bytes([wire.end])
    crc = crc16(frame).to_bytes(2, "big")
    return frame + (crc.hex().upper().encode() if wire.ascii else crc)

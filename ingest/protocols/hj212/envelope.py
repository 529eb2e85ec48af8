"""Open and close the envelope of a frame: `##`, length of the data segment, the segment, its check, CR LF.

HJ 212-2017 6.3.1 table 2. Not here: what the segment says (`ingest.protocols.hj212.segment`), cutting streams
(`ingest.protocols.hj212.stream`).
"""

from __future__ import annotations

import re

from ingest.protocols.frame import BadFrame
from ingest.protocols.hj212.crc import crc, modbus

HEAD_BYTES, CRC_BYTES = 6, 4
MAX_SEGMENT_BYTES = 1024
MAX_DIGITS_BYTES = 9999

LENIENT = {
    "crc_modbus": "the check is CRC-16/MODBUS of the data segment instead of the standard's",
    "crc_unpadded": "the check is printed without leading zeros",
    "over_length": "the data segment is longer than 1,024 bytes",
    "wrong_length": "the length counts characters or was not brought up to date; the segment ends at its last &&",
    "lf_tail": "the frame ends with LF instead of CR LF",
}

HEX = re.compile(rb"[0-9A-Fa-f]{4}")
_CLOSED = re.compile(rb"(.*&&\s*)([0-9A-Fa-f]{1,4})", re.DOTALL)


def show(data: bytes) -> str:
    """At most 16 bytes in a form for an error text."""
    return repr(data[:16])[1:] + ("…" if len(data) > 16 else "")


def open_envelope(frame: bytes, lenient: frozenset[str], used: set[str]) -> tuple[bytes, str]:
    """Data segment and check of a frame whose check holds; adds the options it needed to `used`. Raises BadFrame."""
    length = _length(frame)
    body = _without_tail(frame, lenient, used)
    end = HEAD_BYTES + length
    segment, digits = body[HEAD_BYTES:end], body[end:]
    if len(digits) != CRC_BYTES or not HEX.fullmatch(digits):
        segment, digits = _by_content(body, end, lenient, used)
    if len(segment) > MAX_SEGMENT_BYTES:
        if "over_length" not in lenient:
            raise BadFrame(
                "data segment too long",
                2,
                str(len(segment)),
                f"at most {MAX_SEGMENT_BYTES} bytes; option over_length takes it",
            )
        used.add("over_length")
    _check(segment, digits, lenient, used)
    return segment, digits.decode("ascii").upper()


def close_envelope(segment: bytes, with_modbus: bool = False) -> bytes:
    """A frame around a data segment. Raises ValueError for one that is longer than the standard allows.

    `with_modbus` is for devices that know no other check.
    """
    if len(segment) > MAX_SEGMENT_BYTES:
        raise ValueError(f"a data segment of {len(segment)} bytes; at most {MAX_SEGMENT_BYTES}, send it in parts")
    return b"##%04d%s%04X\r\n" % (len(segment), segment, modbus(segment) if with_modbus else crc(segment))


def _length(frame: bytes) -> int:
    if frame[:2] != b"##":
        raise BadFrame("no start of frame", 0, show(frame[:2]), "'##'")
    digits = frame[2:HEAD_BYTES]
    if not digits.isdigit():
        raise BadFrame("length field", 2, show(digits), "4 decimal digits")
    if len(digits) < 4:
        raise BadFrame("truncated", len(frame), f"{len(frame)} bytes", "a length of 4 digits")
    return int(digits)


def _without_tail(frame: bytes, lenient: frozenset[str], used: set[str]) -> bytes:
    """The frame without CR LF. Frames that came glued have no tail; that alone is no fault."""
    if frame.endswith(b"\r\n"):
        return frame[:-2]
    if frame.endswith(b"\n"):
        if "lf_tail" not in lenient:
            raise BadFrame("tail", len(frame) - 1, "LF", "CR LF or nothing; option lf_tail takes it")
        used.add("lf_tail")
        return frame[:-1]
    return frame


def _by_content(body: bytes, end: int, lenient: frozenset[str], used: set[str]) -> tuple[bytes, bytes]:
    """Segment and check where the length does not lead to four hex digits at the frame's end."""
    found = _CLOSED.fullmatch(body, HEAD_BYTES)
    if found:
        segment, digits = found[1], found[2]
        needed = ("wrong_length",) if HEAD_BYTES + len(segment) != end else ()
        if len(digits) < CRC_BYTES:
            needed = (*needed, "crc_unpadded")
        if lenient.issuperset(needed):
            used.update(needed)
            return segment, digits.rjust(CRC_BYTES, b"0")
    if len(body) < end + CRC_BYTES:
        raise BadFrame("truncated", len(body), f"{len(body)} bytes", f"{end + CRC_BYTES} by the length field")
    digits = body[end : end + CRC_BYTES]
    if not HEX.fullmatch(digits):
        raise BadFrame("no check where the length says", end, show(digits), "4 hex digits")
    raise BadFrame("bytes after the check", end + CRC_BYTES, show(body[end + CRC_BYTES :]), "CR LF")


def _check(segment: bytes, digits: bytes, lenient: frozenset[str], used: set[str]) -> None:
    found, right = int(digits, 16), crc(segment)
    if found == right:
        return
    hint = ""
    if found == modbus(segment):
        if "crc_modbus" in lenient:
            used.add("crc_modbus")
            return
        hint = "; it is CRC-16/MODBUS, option crc_modbus takes it"
    raise BadFrame("crc", HEAD_BYTES + len(segment), digits.decode("ascii"), f"{right:04X}{hint}")

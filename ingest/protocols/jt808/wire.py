"""The frame of JT/T 808: flags, escape, checksum and header, and cutting a stream into frames.

JT/T 808-2013 §4.4 and JT/T 808-2019 §4.4: `7E | header | body | XOR | 7E`. Between the flags 7E is sent as 7D 02 and 7D
as 7D 01; the XOR runs over header and body before escaping and may itself be escaped. All numbers are big endian.

Not here: what a body means (`messages`, `location`).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ingest.protocols.frame import KEPT_BYTES, NOTHING, BadFrame

FLAG, ESCAPE = b"\x7e", b"\x7d"
MAX_BODY_BYTES = 1023  # bits 0-9 of the properties word
LONGEST_HEADER = 21  # 2019, sub-packaged
# Both flags, and every byte of the longest frame escaped.
MAX_FRAME_BYTES = 2 + 2 * (LONGEST_HEADER + MAX_BODY_BYTES + 1)

LONGER_BODY = "longer_body"
LENIENT = {
    "unescaped_7d": "a 7D that is not followed by 01 or 02 stands for itself, and so does any 7D of a frame that was "
    "not escaped at all, when length and checksum prove it",
    "wrong_checksum": "the XOR byte is not checked",
    "body_length": "the body is as long as what arrived, whatever the header says",
    LONGER_BODY: "a body with fixed fields, as a heartbeat's, goes on behind them; what follows is kept as it is",
    "unescaped_7e": "a stream is not cut at a 7E inside a frame that stated length and checksum prove",
}

_EDITION_2019 = 0x4000
_SUB_PACKAGED = 0x2000
_HEAD_2013 = struct.Struct(">HH6sH")
_HEAD_2019 = struct.Struct(">HHB10sH")
_PART = struct.Struct(">HH")
_FOLDS = tuple(8 << i for i in range(11, -1, -1))  # shifts that fold 4,096 bytes into one


@dataclass(slots=True)
class Envelope:
    """One frame opened: its header, and its body without escapes. `part` is (number from 1, total)."""

    frame: bytes
    message_id: int
    properties: int
    edition: int
    protocol_version: int
    phone: str
    serial: int
    part: tuple[int, int] | None
    body: bytes
    body_at: int  # where the body starts in the frame without flag and escapes
    deviations: tuple[str, ...]

    @property
    def encryption(self) -> int:
        """Bits 10-12: 0 none, 1 RSA."""
        return self.properties >> 10 & 7

    def fault(self, reason: str, at: int, found: str, expected: str) -> BadFrame:
        """A fault at a byte of the body, told by its place in the frame as it came."""
        return BadFrame(reason, raw_offset(self.frame, self.body_at + at), found, expected)


def checksum(data: bytes) -> int:
    """XOR of all bytes. Folds one big number in halves: ten times quicker than a loop over bytes."""
    number = int.from_bytes(data)
    size = len(data) << 3
    for fold in _FOLDS:
        if fold < size:
            number ^= number >> fold
    return number & 0xFF


def raw_offset(frame: bytes, inner: int) -> int:
    """Where byte `inner` of the unescaped content stands in the frame, counted from the frame's first byte."""
    at = 1
    for _ in range(inner):
        at += 2 if frame[at : at + 1] == ESCAPE and frame[at + 1 : at + 2] in (b"\x01", b"\x02") else 1
    return min(at, max(len(frame) - 1, 0))


def unescape(frame: bytes, lenient: frozenset[str] = NOTHING) -> tuple[bytes, bool]:
    """What stands between the flags, and whether a literal 7D had to be taken for itself. Raises BadFrame."""
    content = frame[1:-1]
    if ESCAPE not in content:
        return content, False
    if "unescaped_7d" in lenient and _holds(content):
        return content, True
    out, literal, at = [], False, 1
    first, *rest = content.split(ESCAPE)
    out.append(first)
    at += len(first)
    for piece in rest:
        if piece[:1] == b"\x01":
            out.append(ESCAPE + piece[1:])
        elif piece[:1] == b"\x02":
            out.append(FLAG + piece[1:])
        elif "unescaped_7d" in lenient:
            out.append(ESCAPE + piece)
            literal = True
        else:
            raise BadFrame("wrong escape", at, f"7D {piece[:1].hex().upper() or '7E'}", "7D 01 or 7D 02")
        at += 1 + len(piece)
    return b"".join(out), literal


def open_frame(frame: bytes, lenient: frozenset[str] = NOTHING) -> Envelope:
    """Check and open one frame, flags included. Raises BadFrame with the first thing that is wrong."""
    if frame[:1] != FLAG:
        raise BadFrame("no start flag", 0, frame[:1].hex().upper() or "nothing", "7E")
    if len(frame) < 2 or frame[-1:] != FLAG:
        raise BadFrame("incomplete, no end flag", len(frame), "the end", "7E")
    if len(frame) > MAX_FRAME_BYTES:
        raise BadFrame("frame too long", MAX_FRAME_BYTES, f"{len(frame)} bytes", f"at most {MAX_FRAME_BYTES}")
    content, literal = unescape(frame, lenient)
    deviations = ["unescaped_7d"] if literal else []
    inside = frame.find(FLAG, 1, len(frame) - 1)
    if inside >= 0:
        _prove(content, inside)
        deviations.append("unescaped_7e")
    end = len(content) - 1
    head = _header_bytes(content, frame)
    if checksum(content):
        expected = checksum(content[:-1])
        if "wrong_checksum" not in lenient:
            at = raw_offset(frame, end)
            raise BadFrame("wrong checksum", at, f"{content[-1]:02X}", f"{expected:02X}")
        deviations.append("wrong_checksum")
    return _header(frame, content, head, lenient, deviations)


def _prove(content: bytes, inside: int) -> None:
    """A 7E that was not escaped is taken for itself when length and checksum prove it. Raises BadFrame when not."""
    if not _holds(content):
        raise BadFrame("flag inside the frame", inside, "7E", "7E only at both ends")


def _holds(content: bytes) -> bool:
    """Whether the stated length and the checksum agree with what is there."""
    properties = int.from_bytes(content[2:4])
    return len(content) == header_bytes(properties) + (properties & MAX_BODY_BYTES) + 1 and not checksum(content)


def header_bytes(properties: int) -> int:
    """How long the header is by its properties word."""
    return (17 if properties & _EDITION_2019 else 12) + (4 if properties & _SUB_PACKAGED else 0)


def _header_bytes(content: bytes, frame: bytes) -> int:
    """How long the header is. Raises BadFrame when header and checksum do not fit."""
    if len(content) >= 4:
        head = header_bytes(content[2] << 8)
        if len(content) > head:
            return head
    else:
        head = 12
    raise BadFrame("header too short", len(frame) - 1, f"{max(len(content) - 1, 0)} bytes", f"at least {head}")


def _header(frame: bytes, content: bytes, head: int, lenient: frozenset[str], deviations: list[str]) -> Envelope:
    """Take the header apart and hold the stated body length against what is there."""
    properties = content[2] << 8 | content[3]
    if properties & _EDITION_2019:
        message_id, _, protocol_version, phone, serial = _HEAD_2019.unpack_from(content)
        edition = 2019
    else:
        message_id, _, phone, serial = _HEAD_2013.unpack_from(content)
        edition, protocol_version = 2013, 0
    part = None
    if properties & _SUB_PACKAGED:
        total, number = _PART.unpack_from(content, head - 4)
        if not 1 <= number <= total:
            at = raw_offset(frame, head - 2)
            raise BadFrame("packet number out of range", at, f"packet {number} of {total}", "1 to the total")
        part = (number, total)
    body = content[head:-1]
    stated = properties & MAX_BODY_BYTES
    if stated != len(body):
        if "body_length" not in lenient:
            raise BadFrame("wrong body length", raw_offset(frame, 2), f"{stated} stated", f"{len(body)} as arrived")
        deviations.append("body_length")
    return Envelope(
        frame,
        message_id,
        properties,
        edition,
        protocol_version,
        phone.hex(),
        serial,
        part,
        body,
        head,
        tuple(deviations),
    )


class Splitter:
    """Cuts a stream at its flags. A 7E never stands inside a frame, so every flag is a place to start again.

    One flag may end a frame and begin the next: bytes that follow a frame without a new start flag are a frame when
    they can be opened as one, and noise otherwise. With `unescaped_7e` a stretch that cannot be opened waits for the
    next one, in case both are one frame.
    """

    def __init__(self, lenient: frozenset[str] = NOTHING) -> None:
        self._lenient = lenient
        self._held = b""
        self._begun = False  # the held bytes follow a flag
        self._shared = False  # and that flag ended the stretch before
        self._dropped = 0  # bytes of an endless stretch that were let go
        self._first = b""  # and its first ones
        self._waiting: tuple[bytes, bytes | BadFrame] | None = None  # a stretch that may go on, and its verdict

    def feed(self, data: bytes) -> list[bytes | BadFrame]:
        """Complete frames in order; bytes that belong to none come out as one BadFrame a stretch."""
        out: list[bytes | BadFrame] = []
        first, *rest = data.split(FLAG)
        self._hold(first)
        for piece in rest:
            self._cut(out)
            self._begun = True
            self._hold(piece)
        return out

    def close(self) -> list[bytes | BadFrame]:
        """The end of the stream: what is left can be no frame, since its end flag is missing."""
        out: list[bytes | BadFrame] = []
        self._give_up_waiting(out)
        if self._held or self._dropped:
            n_bytes = len(self._held) + self._dropped
            reason = "incomplete, no end flag" if self._begun and not self._shared else "no start flag"
            found = f"{n_bytes} bytes before the end of the stream"
            out.append(BadFrame(reason, 0, found, "7E", self._start() + (self._first or self._held)))
        self._held, self._begun, self._shared, self._dropped, self._first = b"", False, False, 0, b""
        return out

    def _hold(self, piece: bytes) -> None:
        """Keep a stretch until its flag comes; let go of one that can be no frame any more."""
        if self._dropped or len(self._held) + len(piece) > MAX_FRAME_BYTES - 2:
            self._first = (self._first + self._held + piece[:KEPT_BYTES])[:KEPT_BYTES]
            self._dropped += len(self._held) + len(piece)
            self._held = b""
        else:
            self._held += piece

    def _cut(self, out: list[bytes | BadFrame]) -> None:
        """A flag came: what is held is a frame, or nothing, or noise."""
        held, self._held = self._held, b""
        if self._dropped:
            self._give_up_waiting(out)
            found, expected = f"{self._dropped} bytes", f"at most {MAX_FRAME_BYTES}"
            out.append(BadFrame("frame too long", 0, found, expected, self._start() + self._first))
            self._dropped, self._first, self._shared = 0, b"", True
        elif not held:
            self._give_up_waiting(out)
            self._shared = False
        elif not self._begun:
            out.append(BadFrame("no start flag", 0, f"{len(held)} bytes of noise", "7E", held))
        elif "unescaped_7e" in self._lenient:
            self._judge_with_waiting(held, out)
            self._shared = True
        else:
            out.append(self._judge(held))
            self._shared = True

    def _judge(self, held: bytes) -> bytes | BadFrame:
        """The stretch between two flags; checked here only when nothing says that the first flag began it."""
        frame = FLAG + held + FLAG
        if not self._shared:
            return frame
        fault = self._fault(frame)
        if fault is None:
            return frame
        return BadFrame(f"no frame between frames ({fault})", 0, f"{len(held)} bytes", "7E", frame)

    def _judge_with_waiting(self, held: bytes, out: list[bytes | BadFrame]) -> None:
        """The same when the stretch before may be the first half of a frame with a 7E inside."""
        if self._waiting is not None:
            whole = FLAG + self._waiting[0] + FLAG + held + FLAG
            if self._fault(whole) is None:
                self._waiting = None
                out.append(whole)
                return
        self._give_up_waiting(out)
        verdict = self._judge(held)
        if self._fault(FLAG + held + FLAG) is None:
            out.append(verdict)
        else:
            self._waiting = (held, verdict)

    def _give_up_waiting(self, out: list[bytes | BadFrame]) -> None:
        if self._waiting is not None:
            out.append(self._waiting[1])
            self._waiting = None

    def _start(self) -> bytes:
        """The flag that begins what is held, where one does."""
        return FLAG if self._begun and not self._shared else b""

    def _fault(self, frame: bytes) -> str | None:
        """Why a frame cannot be opened; None for one that can."""
        try:
            open_frame(frame, self._lenient)
        except BadFrame as fault:
            return fault.reason
        return None

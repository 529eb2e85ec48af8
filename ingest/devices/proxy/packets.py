"""MQTT packets on their way from a device to the broker: all pass as they are, but a PUBLISH that is too large.

In its place goes one of the same topic, flags and packet id with an `Oversize` as its payload, once the last of its
bytes has come. So the broker itself answers it (PUBACK, PUBREC), in its turn, by its own rules of who may publish
what. Nothing else is looked at: a packet costs its fixed header. Pure.
"""

from __future__ import annotations

from collections.abc import Callable

from core.stream.oversize import HEAD_BYTES, Oversize

CONNECT, PUBLISH = 1, 3
CONNECT_BYTES = 256 * 1024  # five texts of at most 64 KiB, of which nobody fills more than some
_CONTINUES = 0x80

OnCut = Callable[[str, int], None]


class MalformedPacket(ValueError):
    """Bytes that no MQTT client sends: whoever sends them is disconnected, as the standard wants it."""


class PublishLimiter:
    """The packets of one connection. `on_cut` hears topic and size of each message that was replaced."""

    __slots__ = ("_cut", "_has_begun", "_held", "_left", "_most", "_on_cut")

    def __init__(self, most_bytes: int, on_cut: OnCut) -> None:
        self._most, self._on_cut = max(most_bytes, _CONTINUES), on_cut
        self._left = 0  # bytes of the packet under way that pass when they come
        self._held = b""  # a fixed header of which more must come
        self._has_begun = False
        self._cut: _Cut | None = None

    @property
    def has_begun(self) -> bool:
        """Whether a CONNECT has come."""
        return self._has_begun

    @property
    def is_within(self) -> bool:
        """Whether a packet has begun and not ended."""
        return bool(self._left or self._held or self._cut)

    def feed(self, data: bytes) -> bytes:
        """What goes on to the broker now. Raises MalformedPacket."""
        if self._held:
            data, self._held = self._held + data, b""
        if not self._has_begun and not self._begin(data):
            return b""
        out: list[bytes] = []
        while data:
            if self._cut is not None:
                data = self._cut.take(data)
                if not self._cut.left:
                    out.append(self._cut.rest())
                    self._on_cut(self._cut.topic, self._cut.size)
                    self._cut = None
                continue
            end = self._passing(data)
            if end == len(data):
                out.append(data)
                break
            out.append(data[:end])
            data = data[end:]
            header = _header(data, 0)
            if header is None:
                self._held = data
                break
            length, start = header
            if data[0] >> 4 != PUBLISH:
                raise MalformedPacket(
                    f"packet of type {data[0] >> 4} with {length} bytes, expected at most {self._most}"
                )
            self._cut, data = _Cut(data[0], length, self._most), data[start:]
        return out[0] if len(out) == 1 else b"".join(out)

    def trickle(self) -> bytes:
        """One more byte of what stands in for the message under way, b'' when there is none.

        The broker hears nothing of a device that sends a large message slowly, and would think it dead.
        """
        return self._cut.trickle() if self._cut is not None else b""

    def _begin(self, data: bytes) -> bool:
        """Whether the header of the first packet, a CONNECT, is here."""
        if data[0] >> 4 != CONNECT:
            raise MalformedPacket(f"first packet of type {data[0] >> 4}, expected {CONNECT} (CONNECT)")
        header = _header(data, 0)
        if header is None:
            self._held = data
            return False
        if header[0] > CONNECT_BYTES:
            raise MalformedPacket(f"CONNECT with {header[0]} bytes, expected at most {CONNECT_BYTES}")
        self._has_begun = True
        return True

    def _passing(self, data: bytes) -> int:
        """Up to where everything passes: the end, or a header that is not here whole or of a packet too large."""
        at, end, most = self._left, len(data), self._most
        while at < end - 1:
            length = data[at + 1]
            if length < _CONTINUES:
                at += 2 + length
                continue
            header = _header(data, at)
            if header is None or header[0] > most:
                break
            at = header[1] + header[0]
        self._left = max(0, at - end)
        return min(at, end)


class _Cut:
    """A PUBLISH that is swallowed. Kept of it: topic, packet id, and the first bytes of its message."""

    __slots__ = ("_first", "_kept", "_length", "_most", "_packet", "_sent", "left", "size", "topic")

    def __init__(self, first: int, length: int, most: int) -> None:
        self._first, self._length, self._most = first, length, most
        self.left = length
        self._kept, self._packet, self._sent = bytearray(), b"", 0
        self.topic, self.size = "", length

    def take(self, data: bytes) -> bytes:
        """Swallow what belongs to it; gives the rest. Raises MalformedPacket."""
        used = data[: self.left]
        self.left -= len(used)
        if not self._packet:
            self._kept += used
            self._look()
        return data[len(used) :]

    def rest(self) -> bytes:
        """What has not trickled yet."""
        return self._packet[self._sent :]

    def trickle(self) -> bytes:
        """The next byte; the last one waits for the end of the message."""
        if self._sent + 1 >= len(self._packet):
            return b""
        self._sent += 1
        return self._packet[self._sent - 1 : self._sent]

    def _look(self) -> None:
        """Write the packet that goes in its place as soon as enough of it is here."""
        if len(self._kept) < 2 and self.left:
            return
        topic_end = 2 + int.from_bytes(self._kept[:2])
        message_at = topic_end + (2 if self._first & 0b0110 else 0)  # a packet id from QoS 1 on
        if message_at > self._length:
            raise MalformedPacket(f"PUBLISH with {self._length} bytes, its topic ends at byte {message_at}")
        if self.left and len(self._kept) < message_at + HEAD_BYTES:
            return
        self.topic = self._kept[2:topic_end].decode("utf-8", "replace")
        self.size = self._length - message_at
        head = bytes(self._kept[message_at : message_at + HEAD_BYTES])
        rest = bytes(self._kept[:message_at]) + Oversize(self.size, self._most, head).pack()
        self._packet = bytes([self._first]) + _encoded(len(rest)) + rest
        self._kept.clear()


def _header(data: bytes, at: int) -> tuple[int, int] | None:
    """Remaining length of the packet that begins at `at`, and where its fixed header ends; None when that is not here.

    Raises MalformedPacket for a length of more than four bytes.
    """
    length = 0
    for number in range(4):
        place = at + 1 + number
        if place >= len(data):
            return None
        length |= (data[place] & 0x7F) << 7 * number
        if data[place] < _CONTINUES:
            return length, place + 1
    raise MalformedPacket("a length of more than four bytes")


def _encoded(length: int) -> bytes:
    """A remaining length as MQTT writes it."""
    out = bytearray()
    while length >= _CONTINUES:
        out.append(length & 0x7F | _CONTINUES)
        length >>= 7
    out.append(length)
    return bytes(out)

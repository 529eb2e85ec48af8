"""Cut a stream of bytes into frames, whatever the network made of them: halves, glued frames, noise, lost bytes.

A frame begins at `##` and four digits and ends where its length says, if the check stands there; the stream is then
right again whatever came before. Where it does not, the frame ends at the next line end or the next `##` and four
digits, and `decode` says what is wrong with it. Line ends between frames are passed over, so frames come out without.

How the stream is cut matters in one place: a sound frame inside the stated length of another comes out when the outer
one has not come whole (it may have lost bytes, and nothing may wait for it), and is part of the outer one when that has
come whole and its check holds. A way out would hold live frames back behind every length that lies.
"""

from __future__ import annotations

import re

from ingest.protocols.frame import KEPT_BYTES, BadFrame
from ingest.protocols.hj212.crc import crc
from ingest.protocols.hj212.envelope import CRC_BYTES, HEAD_BYTES, HEX, MAX_DIGITS_BYTES, MAX_SEGMENT_BYTES, show

MAX_FRAME_BYTES = HEAD_BYTES + MAX_DIGITS_BYTES + CRC_BYTES + 2

_START = re.compile(rb"##[0-9]{4}")
_END = re.compile(rb"\n|(?=##[0-9]{4})")
_MAY_START = re.compile(rb"#\Z|##[0-9]{0,3}\Z")
_CLOSED = re.compile(rb"&&\s*[0-9A-Fa-f]{4}\Z")
_LINE_ENDS = b"\r\n"


class Stream:
    """The splitter of one connection or one body; see `ingest.protocols.frame.Splitter`.

    Noise comes out as one BadFrame a stretch, at the latest when it is as long as the longest frame. The check of each
    start is worked out once, however small the pieces that come: hostile bytes cost linear time.
    """

    def __init__(self, lenient: frozenset[str]) -> None:
        self._longest = MAX_DIGITS_BYTES if "over_length" in lenient else MAX_SEGMENT_BYTES
        self._buffer = bytearray()
        self._n_gone = 0
        self._unsound: set[int] = set()
        self._noise_start = b""
        self._n_noise = 0

    def feed(self, data: bytes) -> list[bytes | BadFrame]:
        """Complete frames in order."""
        self._buffer += data
        return self._cut(at_end=False)

    def close(self) -> list[bytes | BadFrame]:
        """What is left: an unfinished frame as it is, or noise."""
        return self._cut(at_end=True)

    def _cut(self, at_end: bool) -> list[bytes | BadFrame]:
        found: list[bytes | BadFrame] = []
        buffer, at = bytes(self._buffer), 0
        while at < len(buffer):
            start = _START.search(buffer, at)
            if start is None:
                held = _MAY_START.search(buffer, max(at, len(buffer) - HEAD_BYTES + 1))
                end = held.start() if held and not at_end else len(buffer)
                self._skip(buffer[at:end], found)
                at = end
                break
            self._skip(buffer[at : start.start()], found)
            at = start.start()
            size = self._size(buffer, at, at_end)
            if size == 0:
                break
            self._end_noise(found)
            found.append(buffer[at : at + size].rstrip(_LINE_ENDS))
            at += size
        if at_end:
            self._end_noise(found)
        del self._buffer[:at]
        self._n_gone += at
        self._unsound = {start for start in self._unsound if start >= self._n_gone}
        return found

    def _size(self, buffer: bytes, at: int, at_end: bool) -> int:
        """How many bytes from `at` are one frame; 0 while more must come."""
        size = self._sound(buffer, at)
        if size:
            return size
        claimed = HEAD_BYTES + int(buffer[at + 2 : at + HEAD_BYTES]) + CRC_BYTES
        believable = claimed <= HEAD_BYTES + self._longest + CRC_BYTES
        if believable and len(buffer) - at < claimed and not at_end and not self._overtaken(buffer, at):
            return 0
        last = at + claimed if believable else at + MAX_FRAME_BYTES
        well_formed = believable and _CLOSED.search(buffer, max(at, last - 16), last) and len(buffer) >= last
        end = _END.search(buffer, at + HEAD_BYTES, last if well_formed else at + MAX_FRAME_BYTES)
        if end:
            return end.end() - at
        if well_formed:
            return claimed
        if at_end or len(buffer) - at >= MAX_FRAME_BYTES:
            return min(len(buffer) - at, MAX_FRAME_BYTES)
        return 0

    def _sound(self, buffer: bytes, at: int) -> int:
        """The size of the frame at `at` if it is complete and its check holds, else 0."""
        length = int(buffer[at + 2 : at + HEAD_BYTES])
        end = at + HEAD_BYTES + length
        digits = buffer[end : end + CRC_BYTES]
        if length > self._longest or len(digits) < CRC_BYTES or self._n_gone + at in self._unsound:
            return 0
        if HEX.fullmatch(digits) and int(digits, 16) == crc(buffer[at + HEAD_BYTES : end]):
            return HEAD_BYTES + length + CRC_BYTES
        self._unsound.add(self._n_gone + at)
        return 0

    def _overtaken(self, buffer: bytes, at: int) -> bool:
        """Whether a later frame is already whole: then the one at `at` has lost bytes and waits for nothing."""
        starts = _START.finditer(buffer, at + HEAD_BYTES)
        return any(self._sound(buffer, start.start()) for start in starts)

    def _skip(self, noise: bytes, found: list[bytes | BadFrame]) -> None:
        while noise:
            if not self._n_noise and not (noise := noise.lstrip(_LINE_ENDS)):
                return
            taken = noise[: MAX_FRAME_BYTES - self._n_noise]
            self._noise_start += taken[: KEPT_BYTES - len(self._noise_start)]
            self._n_noise += len(taken)
            noise = noise[len(taken) :]
            if self._n_noise == MAX_FRAME_BYTES:
                self._end_noise(found)

    def _end_noise(self, found: list[bytes | BadFrame]) -> None:
        if self._n_noise:
            what = f"{self._n_noise} bytes {show(self._noise_start)}"
            found.append(BadFrame("no frame", 0, what, "## and 4 digits", self._noise_start))
        self._noise_start, self._n_noise = b"", 0

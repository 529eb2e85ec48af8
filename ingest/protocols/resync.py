"""Find frames with a start mark and a length in a stream that may be glued, cut or noisy.

A candidate begins at a start mark and ends where its own header says. It is a frame only when its checksum holds, so a
mark inside noise, or inside a frame, costs nothing but a check. Not here: what a protocol's frames look like (`Shape`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ingest.protocols.frame import KEPT_BYTES, BadFrame


@dataclass(frozen=True, slots=True)
class Shape:
    """What the search must know of a protocol.

    `size` tells a candidate's whole length from its first bytes, None while too few have come, and raises BadFrame when
    they cannot be a header. `check` raises BadFrame when a whole candidate is no frame. `starts` names the marks.
    """

    marks: tuple[bytes, ...]
    size: Callable[[bytes], int | None]
    check: Callable[[bytes], None]
    head_bytes: int
    max_bytes: int
    starts: str


PATIENCE = 32


@dataclass(slots=True)
class _Candidate:
    start: int
    size: int | None = None


class Resync:
    """A splitter for one stream. Each candidate is checked once.

    After `PATIENCE` broken frames without a good one, what lies inside a broken frame is no longer looked at: bytes
    made to look like frames within frames must not cost more than their length.

    A later candidate that is whole and valid wins over an earlier one that still waits: a false start must not hold
    back the frames behind it. So how the stream is cut matters where a frame stands inside another: which of them comes
    out depends on whether the outer one is whole when the inner one is found. Noise is told as one BadFrame when a
    frame ends it, when it fills `max_bytes`, or at the end of the bytes at hand if a broken frame is in it.
    """

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._mark = re.compile(b"|".join(b"(?=" + re.escape(mark) + b")" for mark in shape.marks))
        self._overlap = max(map(len, shape.marks)) - 1
        self._buffer = bytearray()
        self._scanned = 0
        self._candidates: list[_Candidate] = []
        self._noise = 0
        self._head = b""
        self._broken: BadFrame | None = None
        self._n_broken = 0

    def feed(self, data: bytes) -> list[bytes | BadFrame]:
        """Complete frames in order, with what lay between them."""
        found: list[bytes | BadFrame] = []
        for at in range(0, len(data), self._shape.max_bytes):
            self._buffer += data[at : at + self._shape.max_bytes]
            self._scan()
            while (span := self._settle()) is not None:
                found += self._take(*span)
            self._drop()
            if self._noise >= self._shape.max_bytes:
                found += self._tell()
        if self._broken is not None and not self._candidates:
            found += self._tell()
        return found

    def close(self) -> list[bytes | BadFrame]:
        """What is left is no frame: every whole one has come out of `feed`."""
        if self._candidates and self._broken is None:
            first = self._candidates[0]
            held, wanted = len(self._buffer) - first.start, first.size
            expected = f"{wanted} bytes" if wanted else "a whole header"
            self._broken = BadFrame("cut", held, f"the end after {held} bytes", expected)
        self._candidates.clear()
        self._lose(len(self._buffer))
        return self._tell()

    def _scan(self) -> None:
        self._candidates += [_Candidate(m.start()) for m in self._mark.finditer(self._buffer, self._scanned)]
        # A mark may straddle the end of what has come: look at its first bytes again, but never find one mark twice.
        whole = self._candidates[-1].start + 1 if self._candidates else 0
        self._scanned = max(self._scanned, whole, len(self._buffer) - self._overlap)

    def _settle(self) -> tuple[int, int] | None:
        """The span of the first candidate that is a frame; candidates that cannot be one are dropped."""
        waiting: list[_Candidate] = []
        skipped = 0
        for number, candidate in enumerate(self._candidates):
            start = end = candidate.start
            if start < skipped:
                continue
            try:
                if candidate.size is None:
                    candidate.size = self._shape.size(bytes(self._buffer[start : start + self._shape.head_bytes]))
                if candidate.size is None or start + candidate.size > len(self._buffer):
                    waiting.append(candidate)
                    continue
                end = start + candidate.size
                self._shape.check(bytes(self._buffer[start:end]))
            except BadFrame as broken:
                self._broken = self._broken or broken
                if end > start:
                    self._n_broken += 1
                    skipped = end if self._n_broken > PATIENCE else 0
                continue
            self._candidates = [c for c in self._candidates[number + 1 :] if c.start >= end]
            return start, end
        self._candidates = waiting
        return None

    def _take(self, start: int, end: int) -> list[bytes | BadFrame]:
        frame = bytes(self._buffer[start:end])
        self._n_broken = 0
        self._lose(start)
        told = self._tell()
        self._cut(end - start)
        return [*told, frame]

    def _drop(self) -> None:
        """Count as noise what no candidate claims, but for bytes that may yet become a mark."""
        if self._candidates:
            self._lose(self._candidates[0].start)
            return
        for kept in range(min(self._overlap, len(self._buffer)), -1, -1):
            tail = bytes(self._buffer[len(self._buffer) - kept :])
            if any(mark.startswith(tail) for mark in self._shape.marks):
                self._lose(len(self._buffer) - kept)
                return

    def _lose(self, n_bytes: int) -> None:
        if len(self._head) < KEPT_BYTES:
            self._head += bytes(self._buffer[: min(n_bytes, KEPT_BYTES - len(self._head))])
        self._noise += n_bytes
        self._cut(n_bytes)

    def _cut(self, n_bytes: int) -> None:
        del self._buffer[:n_bytes]
        self._scanned = max(0, self._scanned - n_bytes)
        for candidate in self._candidates:
            candidate.start -= n_bytes

    def _tell(self) -> list[bytes | BadFrame]:
        noise, head, broken = self._noise, self._head, self._broken
        self._noise, self._head, self._broken = 0, b"", None
        if not noise:
            return []
        found = f"{noise} bytes from {head[:8].hex().upper()}"
        bad = broken or BadFrame("start", 0, found, self._shape.starts)
        return [BadFrame(bad.reason, bad.offset, bad.found, bad.expected, head)]

"""What all device protocols share: a frame that cannot be used, a decoded message, its records, and a codec's form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

Value = str | int | float | bool | None
NOTHING: frozenset[str] = frozenset()
KEPT_BYTES = 4096  # of bytes that are no frame: the longest frames of the binary protocols, a page of noise


class BadFrame(ValueError):
    """Bytes that are no frame of the protocol: why, where (offset from the frame's first byte), found, expected.

    `data` has the first bytes of a stretch that a splitter took out of a stream; a decoder's caller has them already.
    """

    def __init__(self, reason: str, offset: int, found: str, expected: str, data: bytes = b"") -> None:
        super().__init__(f"{reason} at byte {offset}: found {found}, expected {expected}")
        self.reason, self.offset, self.found, self.expected = reason, offset, found, expected
        self.data = data[:KEPT_BYTES]


@dataclass(frozen=True, slots=True)
class Record:
    """One row that a message carries: its kind (a word of the codec) and flat values by the codec's field names.

    Times are ISO 8601 text with an offset. A value the device did not send is absent, one it sent as invalid is None.
    """

    kind: str
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Message:
    """One decoded frame: who sent it, what it is, all its fields by our names, and the records in it.

    `part` is (number from 1, total) of a message that came in several frames, None for a whole one. `deviations` names
    the lenient options without which the frame would have been refused.
    """

    protocol: str
    device_id: str
    kind: str
    fields: Mapping[str, object]
    records: tuple[Record, ...] = ()
    part: tuple[int, int] | None = None
    deviations: tuple[str, ...] = field(default=())


class Splitter(Protocol):
    """Cuts a stream of bytes into frames; keeps what is incomplete until more comes."""

    def feed(self, data: bytes) -> list[bytes | BadFrame]:
        """Complete frames in order; bytes that belong to none come out as one BadFrame a stretch."""
        ...

    def close(self) -> list[bytes | BadFrame]:
        """The end of the stream: what is left is either a frame after all or a BadFrame."""
        ...


class Codec(Protocol):
    """What a protocol module offers, as module-level names."""

    RECORD_FIELDS: Mapping[str, tuple[str, ...]]
    """Record kind → the fields that its records may have; a contract's physical names are these."""

    LENIENT: Mapping[str, str]
    """Lenient option → the deviation that it tolerates, in one sentence."""

    MAX_FRAME_BYTES: int

    def splitter(self, lenient: frozenset[str] = NOTHING) -> Splitter:
        """A new splitter for one connection or one body."""
        ...

    def decode(self, frame: bytes, lenient: frozenset[str] = NOTHING) -> Message:
        """One frame to a message. Raises BadFrame."""
        ...

    def join(self, parts: Iterable[bytes], lenient: frozenset[str] = NOTHING) -> Message:
        """All frames of one message that came in parts, in any order, to the whole message. Raises BadFrame."""
        ...

    def answers(self, message: Message, now: datetime) -> tuple[bytes, ...]:
        """The frames the platform owes the device once the message is safe; empty when none is due."""
        ...

    def alarm_in(self, data: bytes) -> str:
        """What alarm or event bytes that were refused seem to carry, '' for none or when it cannot be decided.

        Never raises: whoever refuses a frame asks, so that an alarm reaches a person although its row cannot be made.
        """
        ...

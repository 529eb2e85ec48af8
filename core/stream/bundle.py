"""The archived form of RAW messages that landed together: their bytes, sequences, and the tick that each belongs to.

What was conformed together must be conformed together again when a lost file is restored, so ticks are kept apart.
Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.stream.raw import RawFormError

_HEAD = struct.Struct(">qQI")  # the tick's instant (µs since 1970 UTC), sequence in RAW, length of the body


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One RAW message: its sequence, its body (`core.stream.raw.pack`), and the instant of the tick that took it."""

    sequence: int
    body: bytes
    taken_at_us: int  # microseconds since 1970 UTC


def bundle(messages: Sequence[StoredMessage]) -> bytes:
    """Messages of one feed in stream order as one archive object."""
    parts: list[bytes] = []
    for message in messages:
        parts += (_HEAD.pack(message.taken_at_us, message.sequence, len(message.body)), message.body)
    return b"".join(parts)


def unbundle(body: bytes) -> list[StoredMessage]:
    """The messages of a bundle. Raises RawFormError for bytes that are none."""
    messages, at, end = [], 0, len(body)
    while at < end:
        if at + _HEAD.size > end:
            raise RawFormError(f"bundle: {end - at} bytes at byte {at}, expected a head of {_HEAD.size}")
        taken_at_us, sequence, length = _HEAD.unpack_from(body, at)
        at += _HEAD.size
        if at + length > end:
            raise RawFormError(f"bundle: message {sequence} ends at byte {at + length}, the bundle at {end}")
        messages.append(StoredMessage(sequence, body[at : at + length], taken_at_us))
        at += length
    return messages


def ticks(body: bytes) -> Iterator[tuple[int, bytes]]:
    """(instant in microseconds, bundle of its messages) for each tick in a bundle. Raises RawFormError."""
    together: list[StoredMessage] = []
    for message in unbundle(body):
        if together and message.taken_at_us != together[-1].taken_at_us:
            yield together[-1].taken_at_us, bundle(together)
            together = []
        together.append(message)
    if together:
        yield together[-1].taken_at_us, bundle(together)

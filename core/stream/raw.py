"""The RAW stream's message: bytes as devices sent them, one or many, nobody has looked inside.

One message may carry many entries of one feed: a broker acknowledges messages, not bytes, so a busy gateway packs what
came within a few milliseconds. The form is length-prefixed and needs no parser to cut.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

MANY = "_"  # last subject token of a message whose entries come from several devices
_HEAD = struct.Struct(">qHI")  # received_at (µs since 1970 UTC), length of the device id, length of the body


class RawFormError(ValueError):
    """A message that is not of this form: a fault of ours, or of somebody who writes into our stream."""


class RawEntry(NamedTuple):
    """One thing a device sent: a frame of its protocol or the body of its message. `device_id` is '' when unknown."""

    device_id: str
    received_at_us: int  # microseconds since 1970 UTC
    body: bytes


def subject_of(feed_id: str, device_id: str = MANY, root: str = "raw") -> str:
    """The subject of a feed's device, in RAW or under another root; characters that no subject may have become `-`."""
    token = "".join(c if c.isalnum() or c in "_-" else "-" for c in device_id) or MANY
    return f"{root}.{feed_id}.{token}"


def pack(entries: Sequence[RawEntry]) -> bytes:
    """The message body of entries in the order they came."""
    parts: list[bytes] = []
    for entry in entries:
        device = entry.device_id.encode()
        parts += (_HEAD.pack(entry.received_at_us, len(device), len(entry.body)), device, entry.body)
    return b"".join(parts)


def unpack(message: bytes) -> list[RawEntry]:
    """The entries of a message. Raises RawFormError with the offset."""
    entries, at, end = [], 0, len(message)
    while at < end:
        body_at = at + _HEAD.size
        if body_at > end:
            raise RawFormError(f"raw message: {end - at} bytes at byte {at}, expected a head of {_HEAD.size}")
        received_at_us, device_length, body_length = _HEAD.unpack_from(message, at)
        at = body_at + device_length + body_length
        if at > end:
            raise RawFormError(f"raw message: entry at byte {body_at - _HEAD.size} ends at {at}, the message at {end}")
        device = message[body_at : body_at + device_length].decode("utf-8", "replace")
        entries.append(RawEntry(device, received_at_us, message[body_at + device_length : at]))
    return entries

"""What stands in for a message that is larger than the broker takes: how large it was, and its first bytes.

The proxy before the broker's MQTT listener puts it in the message's place; whoever parses RAW notes it. A device that
writes one itself is noted as it says. Pure.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

MAGIC = b"\x00cityrisk oversize 1\n"  # no JSON and no frame of a protocol begins so
HEAD_BYTES = 4096
_SIZES = struct.Struct(">QQ")


@dataclass(frozen=True, slots=True)
class Oversize:
    """A message of which only `head` came through; `most_bytes` would have passed."""

    size_bytes: int
    most_bytes: int
    head: bytes

    def pack(self) -> bytes:
        """The body that travels in its place."""
        return MAGIC + _SIZES.pack(self.size_bytes, self.most_bytes) + self.head


def oversize_in(body: bytes) -> Oversize | None:
    """What a body stands in for; None for any other body."""
    sizes_end = len(MAGIC) + _SIZES.size
    if not body.startswith(MAGIC) or len(body) < sizes_end:
        return None
    size_bytes, most_bytes = _SIZES.unpack_from(body, len(MAGIC))
    return Oversize(size_bytes, most_bytes, bytes(body[sizes_end:]))

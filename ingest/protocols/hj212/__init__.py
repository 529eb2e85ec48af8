"""HJ 212: readings of pollution sources and monitors (HJ/T 212-2005, HJ 212-2017, HJ 212-2025 as far as known).

A frame is text: `##0101QN=…;ST=32;CN=2011;…;CP=&&…&&1C80` CR LF. All three editions are on the wire at once, and the
version bits of Flag do not tell them apart for sure, so frames are read by what they hold. Bytes → `envelope` →
`segment` → `message` with `records`; `stream` cuts connections into frames; `encode` writes. Encrypted segments
(SM4, HJ 212-2025) are not read: nobody here has seen one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ingest.protocols.frame import NOTHING, Message, Splitter
from ingest.protocols.hj212 import envelope, moments, segment
from ingest.protocols.hj212.encode import answers, encode, encode_parts
from ingest.protocols.hj212.message import alarm_in, joined, message_of
from ingest.protocols.hj212.records import RECORD_FIELDS
from ingest.protocols.hj212.stream import MAX_FRAME_BYTES, Stream

__all__ = [
    "LENIENT",
    "MAX_FRAME_BYTES",
    "RECORD_FIELDS",
    "alarm_in",
    "answers",
    "decode",
    "encode",
    "encode_parts",
    "join",
    "splitter",
]

LENIENT = {**envelope.LENIENT, **segment.LENIENT, **moments.LENIENT}


def splitter(lenient: frozenset[str] = NOTHING) -> Splitter:
    """A new splitter for one connection or one body."""
    return Stream(lenient)


def decode(frame: bytes, lenient: frozenset[str] = NOTHING) -> Message:
    """One frame, with or without CR LF, to a message. Raises BadFrame."""
    used: set[str] = set()
    data, check = envelope.open_envelope(frame, lenient, used)
    message = message_of(segment.read_segment(data, lenient, used), lenient, used)
    return replace(message, fields={**message.fields, "crc": check})


def join(parts: Iterable[bytes], lenient: frozenset[str] = NOTHING) -> Message:
    """All frames of one message that came in parts, in any order, to the whole message. Raises BadFrame.

    A device that asks for answers sends the next part only when the last one is answered (table C.50), so each part is
    answered by itself. Parts that belong together have the same `part_key` in their fields.
    """
    used: set[str] = set()
    segments = [segment.read_segment(envelope.open_envelope(frame, lenient, used)[0], lenient, used) for frame in parts]
    return joined(segments, lenient, used)

"""Device protocols: bytes → frames → messages → records, and back. Pure: no socket, no file, no clock.

Every protocol is one module (or folder) that satisfies `Codec`; `codec` finds it by name. A decoder raises only
`BadFrame` and guesses nothing: a known deviation of a device is a lenient option of its source, off by default, and
a message says which ones it needed.

Not here: sessions and acknowledgement over the wire (`ingest.devices`), what values mean to a feed (`ingest.conform`).
"""

from __future__ import annotations

from importlib import import_module
from typing import cast

from ingest.protocols.frame import BadFrame, Codec, Message, Record, Splitter

__all__ = ["PROTOCOLS", "BadFrame", "Codec", "Message", "Record", "Splitter", "codec"]

PROTOCOLS = ("gb26875", "hj212", "jt808", "sl651")


def codec(protocol: str) -> Codec:
    """The codec of a protocol by its name. Raises KeyError for one that is not known."""
    if protocol not in PROTOCOLS:
        raise KeyError(f"protocol {protocol!r}; known: {', '.join(PROTOCOLS)}")
    return cast(Codec, import_module(f"ingest.protocols.{protocol}"))

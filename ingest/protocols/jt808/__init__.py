"""JT/T 808: what road vehicles send, in the editions of 2011/2013 and 2019, with driver behaviour and video items.

One frame gives at most one `location` record for each position in it, and one `behaviour` record for each item of
T/JSATL 12-2017 or T/GDRTA 002-2020. The 32 alarm bits stay on the position: they are states, and a rule watches them
rise.

Not here: JT/T 809 between platforms, video streams, and sessions (`ingest.devices`).
"""

from __future__ import annotations

from ingest.protocols.frame import NOTHING
from ingest.protocols.jt808.answer import answers, deny, refusal, registration_answer, resend
from ingest.protocols.jt808.decode import alarm_in, decode, join
from ingest.protocols.jt808.location import BEHAVIOUR_FIELDS, LOCATION_FIELDS
from ingest.protocols.jt808.wire import LENIENT, MAX_FRAME_BYTES, Splitter

__all__ = [
    "LENIENT",
    "MAX_FRAME_BYTES",
    "RECORD_FIELDS",
    "alarm_in",
    "answers",
    "decode",
    "deny",
    "join",
    "refusal",
    "registration_answer",
    "resend",
    "splitter",
]

RECORD_FIELDS: dict[str, tuple[str, ...]] = {"location": LOCATION_FIELDS, "behaviour": BEHAVIOUR_FIELDS}


def splitter(lenient: frozenset[str] = NOTHING) -> Splitter:
    """A new splitter for one connection or one body."""
    return Splitter(lenient)

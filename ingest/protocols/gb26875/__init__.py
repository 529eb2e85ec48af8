"""GB/T 26875.3-2011, fire alarm transmission: user information transmission devices ("units") and what hangs on them.

Each object of a packet becomes one row of kind `event`: a system's or a part's state, a measured quantity, an
operation, the state of the unit itself. What an event is not told to be (another state's bit, another quantity) is
absent from its row.

Not here: which alarm still stands. A cleared alarm is no message of its own but a later state without the bit, or a
reset of the whole system.
"""

from __future__ import annotations

from ingest.protocols.gb26875.decode import LENIENT, RECORD_FIELDS, alarm_in, answers, decode, deny, join, splitter
from ingest.protocols.gb26875.encode import (
    Part,
    Unit,
    analogue,
    operation,
    packet,
    part_state,
    system_state,
    unit_state,
)
from ingest.protocols.gb26875.wire import MAX_FRAME_BYTES

__all__ = [
    "LENIENT",
    "MAX_FRAME_BYTES",
    "RECORD_FIELDS",
    "Part",
    "Unit",
    "alarm_in",
    "analogue",
    "answers",
    "decode",
    "deny",
    "join",
    "operation",
    "packet",
    "part_state",
    "splitter",
    "system_state",
    "unit_state",
]

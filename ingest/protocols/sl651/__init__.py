"""SL 651-2014, hydrological telemetry: rain gauges, rivers, reservoirs, sluices.

Both wire forms are read: HEX/BCD (clause 6.5, begins 7E7E) and ASCII characters (clause 6.4, begins SOH). A report
becomes one row per station and observation time (kind `hydro`; a test report, kind `test`); the twelve values of a
5-minute series become rows of their own time. One time may be told by several reports: a key needs `report` too.

Not here: rain of an interval as the difference of two counters, and levels over the station's base: both need more
than one frame.
"""

from __future__ import annotations

from ingest.protocols.sl651.answer import answers, confirm, resend
from ingest.protocols.sl651.decode import LENIENT, RECORD_FIELDS, alarm_in, decode, join, splitter
from ingest.protocols.sl651.encode import Group, Sender, command, keep_alive, picture, report, status
from ingest.protocols.sl651.wire import MAX_FRAME_BYTES

__all__ = [
    "LENIENT",
    "MAX_FRAME_BYTES",
    "RECORD_FIELDS",
    "Group",
    "Sender",
    "alarm_in",
    "answers",
    "command",
    "confirm",
    "decode",
    "join",
    "keep_alive",
    "picture",
    "report",
    "resend",
    "splitter",
    "status",
]

"""What the centre owes a station of SL 651-2014: confirmations, and the request to send one packet again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from core.civil_time import BEIJING
from ingest.protocols.frame import Message
from ingest.protocols.sl651.tables import ACK, ESC, ETB, NAK, STX, SYN, function_of
from ingest.protocols.sl651.wire import Wire, build


def answers(message: Message, now: datetime) -> tuple[bytes, ...]:
    """One confirmation of a report in mode M2 or M3 (6.3.1.2); none of a keep-alive or of a single packet.

    It ends in ESC, so that the station stays on line, and in ACK when the report announced another (ETB, table 10).
    """
    fields = message.fields
    function = function_of(int(str(fields["function"]), 16))
    if message.part is not None or fields["direction"] != "up" or not function.confirmed:
        return ()
    return (confirm(message, now, ACK if fields["end"] == f"{ETB:02X}" else ESC),)


def confirm(message: Message, now: datetime, end: int = ESC) -> bytes:
    """The confirmation of a message with a given end: ESC keeps the station on line, EOT lets it go, ACK asks on."""
    parts = message.fields.get("parts")
    return _down(message, now, end, (int(str(parts)), int(str(parts))) if parts else None)


def resend(message: Message, missing: Sequence[int], now: datetime) -> tuple[bytes, ...]:
    """NAK of the first packet that is missing (note a of table 23): a station sends one again, then waits.

    Made from a packet that came; only the first knows the serial number. Raises ValueError for a message that did not
    come in packets.
    """
    if message.part is None:
        raise ValueError(f"packet {missing[0]} of a whole message: expected a message that comes in packets")
    return (_down(message, now, NAK, (missing[0], message.part[1])),)


def _down(message: Message, now: datetime, end: int, part: tuple[int, int] | None) -> bytes:
    """A downward frame with the serial of the message (6.6.2.4) and our time, addresses swapped."""
    fields = message.fields
    serial, sent = int(str(fields.get("serial", 0))), now.astimezone(BEIJING).strftime("%y%m%d%H%M%S")
    is_ascii = bool(fields["is_ascii"])
    body = f"{serial:04X}{sent}".encode() if is_ascii else serial.to_bytes(2, "big") + bytes.fromhex(sent)
    return build(
        Wire(
            is_ascii,
            False,
            int(str(fields["centre"])),
            bytes.fromhex(str(fields["station_id"])),
            bytes.fromhex(str(fields["password"])),
            int(str(fields["function"]), 16),
            0,
            SYN if part else STX,
            part,
            body,
            0,
            end,
            0,
        )
    )

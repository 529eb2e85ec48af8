"""The packet of GB/T 26875.3-2011 (clause 6.6): take apart, check, build. Little endian throughout, nothing escaped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.civil_time import BEIJING
from ingest.protocols.frame import NOTHING, BadFrame
from ingest.protocols.gb26875.tables import COMMANDS, FIRST_VENDOR_COMMAND

MARK, END = b"@@", b"##"
HEAD_BYTES, TAIL_BYTES = 27, 3
MAX_UNIT_BYTES = 1024
MIN_FRAME_BYTES = HEAD_BYTES + TAIL_BYTES
MAX_FRAME_BYTES = MIN_FRAME_BYTES + MAX_UNIT_BYTES
NO_CHECKSUM, BCD_TIME = "no_checksum", "bcd_time"


@dataclass(frozen=True, slots=True)
class Wire:
    """A checked packet. Addresses are kept as their six bytes on the wire: vendors fill them in any order."""

    serial: int
    version: tuple[int, int]
    sent: bytes
    source: bytes
    destination: bytes
    command: int
    unit: bytes
    checksum: int
    deviations: tuple[str, ...] = ()


def size(head: bytes) -> int | None:
    """Length of the whole packet that starts so; None for too few bytes. Raises BadFrame for what is no header."""
    if len(head) < HEAD_BYTES:
        return None
    length = int.from_bytes(head[24:26], "little")
    if length > MAX_UNIT_BYTES:
        raise BadFrame("length limit", 24, f"{length} bytes", f"at most {MAX_UNIT_BYTES} of application unit")
    if head[26] not in COMMANDS and head[26] < FIRST_VENDOR_COMMAND:
        raise BadFrame("command", 26, str(head[26]), f"1 to 6, or {FIRST_VENDOR_COMMAND} and more")
    return MIN_FRAME_BYTES + length


def check(frame: bytes, lenient: frozenset[str] = NOTHING) -> tuple[str, ...]:
    """Refuse what is no packet: mark, length, end, sum. Tells which lenient options it needed."""
    if not frame.startswith(MARK):
        raise BadFrame("start", 0, frame[:2].hex().upper() or "nothing", "4040")
    if len(frame) < MIN_FRAME_BYTES:
        raise BadFrame("cut", len(frame), f"{len(frame)} bytes", f"at least {MIN_FRAME_BYTES}")
    wanted = size(frame[:HEAD_BYTES])
    if wanted != len(frame):
        raise BadFrame("length", 24, f"{len(frame)} bytes", f"{wanted} as the length field says")
    if not frame.endswith(END):
        raise BadFrame("end", len(frame) - 2, frame[-2:].hex().upper(), "2323")
    counted = sum(frame[2:-TAIL_BYTES]) & 0xFF
    if frame[-TAIL_BYTES] == counted:
        return ()
    if NO_CHECKSUM in lenient and frame[-TAIL_BYTES] == 0:
        return (NO_CHECKSUM,)
    raise BadFrame("checksum", len(frame) - TAIL_BYTES, f"{frame[-TAIL_BYTES]:02X}", f"{counted:02X}")


def take_apart(frame: bytes, lenient: frozenset[str] = NOTHING) -> Wire:
    """A packet to its fields. Raises BadFrame."""
    deviations = check(frame, lenient)
    return Wire(
        serial=int.from_bytes(frame[2:4], "little"),
        version=(frame[4], frame[5]),
        sent=frame[6:12],
        source=frame[12:18],
        destination=frame[18:24],
        command=frame[26],
        unit=frame[HEAD_BYTES:-TAIL_BYTES],
        checksum=frame[-TAIL_BYTES],
        deviations=deviations,
    )


def build(wire: Wire) -> bytes:
    """A packet from its fields; `checksum` is worked out, not taken."""
    if len(wire.unit) > MAX_UNIT_BYTES:
        raise ValueError(f"{len(wire.unit)} bytes of application unit: expected at most {MAX_UNIT_BYTES}")
    inner = wire.serial.to_bytes(2, "little") + bytes(wire.version) + wire.sent + wire.source + wire.destination
    inner += len(wire.unit).to_bytes(2, "little") + bytes([wire.command]) + wire.unit
    return MARK + inner + bytes([sum(inner) & 0xFF]) + END


def moment(raw: bytes, lenient: frozenset[str] = NOTHING) -> datetime | None:
    """Second, minute, hour, day, month, year of this century (8.2.2) in Beijing time; None when it is no time.

    Plain binary; under `bcd_time` two decimal digits a byte, as some vendors send them.
    """
    if BCD_TIME in lenient:
        if not raw.hex().isdigit():
            return None
        raw = bytes(int(f"{byte:02x}") for byte in raw)
    second, minute, hour, day, month, year = raw
    try:
        return datetime(2000 + year, month, day, hour, minute, second, tzinfo=BEIJING)
    except ValueError:
        return None


def label(at: datetime) -> bytes:
    """The time label of an instant."""
    t = at.astimezone(BEIJING)
    return bytes([t.second, t.minute, t.hour, t.day, t.month, t.year - 2000])

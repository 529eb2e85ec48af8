"""How bodies are written down here: a layout is a row of (our name, how to take it from the body).

A taker reads what it needs from a `Reader` and moves it on. Strings are GBK (JT/T 808 §4.2), of which GB 18030 is the
larger set; times are BCD in Beijing time. A row without a name adds several fields of its own.

Not here: which message has which layout (`messages`, `platform`, `parameters`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from ingest.protocols.frame import BadFrame
from ingest.protocols.jt808.wire import LONGER_BODY, Envelope

Taker = Callable[["Reader"], object]
Layout = tuple[tuple[str, Taker], ...]

TIME_BYTES = 6
REST = "body_rest"
_HOURS = {int(f"{n:02d}", 16): f"T{n:02d}" for n in range(24)}
_SIXTIES = {int(f"{n:02d}", 16): f":{n:02d}" for n in range(60)}
_MONTH_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class Reader:
    """A body and how far it is read. `fields` are those of the layout being read, for rows that depend on them."""

    __slots__ = ("at", "data", "envelope", "fields", "start", "stop")

    def __init__(self, envelope: Envelope, data: bytes, start: int = 0) -> None:
        self.envelope, self.data, self.start = envelope, data, start
        self.at, self.stop = 0, len(data)
        self.fields: dict[str, object] = {}

    @property
    def left(self) -> int:
        """How many bytes are not read yet."""
        return self.stop - self.at

    def take(self, n_bytes: int) -> bytes:
        """The next bytes. Raises BadFrame when the body ends before."""
        if self.at + n_bytes > self.stop:
            raise self.envelope.fault("body too short", self.start + self.at, f"{self.left} bytes", f"{n_bytes} more")
        self.at += n_bytes
        return self.data[self.at - n_bytes : self.at]

    def number(self, n_bytes: int) -> int:
        """The next bytes as one unsigned number."""
        return int.from_bytes(self.take(n_bytes))


# ── numbers ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def u8(reader: Reader) -> int:
    """BYTE."""
    return reader.number(1)


def u16(reader: Reader) -> int:
    """WORD."""
    return reader.number(2)


def u32(reader: Reader) -> int:
    """DWORD."""
    return reader.number(4)


def u64(reader: Reader) -> int:
    """BYTE[8], a set of 64 bits."""
    return reader.number(8)


def degrees(reader: Reader) -> float:
    """DWORD in millionths of a degree; the sign is elsewhere or not at all."""
    return reader.number(4) / 1_000_000


def flag_bit(name: str, bit: int) -> Taker:
    """One bit of a number that was read before; takes nothing."""
    return lambda reader: bool(as_number(reader.fields[name]) >> bit & 1)


def same_as(name: str) -> Taker:
    """A number that was read before, for use as a count; takes nothing."""
    return lambda reader: as_number(reader.fields[name])


# ── text, bytes, times ────────────────────────────────────────────────────────────────────────────────────────────────
def as_text(data: bytes) -> str:
    """GBK text without its padding; what is no GBK becomes U+FFFD, since a name may be cut in the middle."""
    return data.decode("gb18030", "replace").strip("\0 ")


def text(n_bytes: int) -> Taker:
    """STRING or BYTE[n] of a fixed length, padded with zeros."""
    return lambda reader: as_text(reader.take(n_bytes))


def text8(reader: Reader) -> str:
    """STRING after its length as BYTE."""
    return as_text(reader.take(reader.number(1)))


def text16(reader: Reader) -> str:
    """STRING after its length as WORD."""
    return as_text(reader.take(reader.number(2)))


def text_rest(reader: Reader) -> str:
    """STRING to the end of the body."""
    return as_text(reader.take(reader.left))


def utf16_rest(reader: Reader) -> str:
    """UTF-16 text to the end of the body, without a closing return."""
    return reader.take(reader.left).decode("utf-16-be", "replace").strip("\0\r\n ")


def hexes(n_bytes: int) -> Taker:
    """BYTE[n] or BCD[n] as hexadecimal digits."""
    return lambda reader: reader.take(n_bytes).hex()


def hex_rest(reader: Reader) -> str:
    """BYTE[n] to the end of the body."""
    return reader.take(reader.left).hex()


def hex32(reader: Reader) -> str:
    """BYTE[n] after its length as DWORD."""
    return reader.take(reader.number(4)).hex()


@lru_cache(maxsize=1024)
def _date(bcd: bytes) -> str | None:
    """YYMMDD as an ISO date of this century, None for one that no calendar has."""
    digits = bcd.hex()
    if not digits.isdecimal():
        return None
    year, month, day = 2000 + int(digits[:2]), int(digits[2:4]), int(digits[4:])
    if not 1 <= month <= 12 or not 1 <= day <= _MONTH_DAYS[month - 1] or ((month, day) == (2, 29) and year % 4):
        return None
    return f"{year}-{month:02d}-{day:02d}"


def bcd_time(data: bytes, at: int = 0) -> str | None:
    """BCD[6] YYMMDDhhmmss as ISO 8601 with +08:00; None for an unset clock (all zeros) or digits that are no time."""
    date = _date(data[at : at + 3])
    hour, minute, second = _HOURS.get(data[at + 3]), _SIXTIES.get(data[at + 4]), _SIXTIES.get(data[at + 5])
    if date is None or hour is None or minute is None or second is None:
        return None
    return f"{date}{hour}{minute}{second}+08:00"


def time(reader: Reader) -> str | None:
    """BCD[6] as ISO 8601 with +08:00."""
    return bcd_time(reader.take(TIME_BYTES))


def utc_time(reader: Reader) -> str | None:
    """BCD[6] of UTC as ISO 8601, the one time that is not Beijing's (JT/T 808-2019 §8.6)."""
    local = bcd_time(reader.take(TIME_BYTES))
    return local and local.replace("+08:00", "+00:00")


def clock(reader: Reader) -> str:
    """BCD[2] hhmm, or BCD[5] hhmmss and ten thousandths, as digits."""
    return reader.take(2).hex()


# ── groups ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def as_number(value: object) -> int:
    """A field that is known to be a number."""
    assert isinstance(value, int)
    return value


def read(reader: Reader, layout: Layout) -> dict[str, object]:
    """All rows of a layout in order."""
    fields: dict[str, object] = {}
    outer = reader.fields
    reader.fields = fields
    for name, taker in layout:
        value = taker(reader)
        if name:
            fields[name] = value
        elif isinstance(value, dict):
            fields.update(value)
    reader.fields = outer
    return fields


def many(count: Taker, layout: Layout) -> Taker:
    """A counted list of groups."""
    return lambda reader: [read(reader, layout) for _ in range(_count(reader, count, 1))]


def numbers(count: Taker, n_bytes: int) -> Taker:
    """A counted list of numbers."""
    return lambda reader: [reader.number(n_bytes) for _ in range(_count(reader, count, n_bytes))]


def _count(reader: Reader, count: Taker, least_bytes: int) -> int:
    """A count that the bytes which follow can hold: a hostile one must not make us try."""
    at = reader.at
    n = as_number(count(reader))
    if n * least_bytes > reader.left:
        raise reader.envelope.fault("count too large", reader.start + at, f"{n}", f"{reader.left} bytes follow")
    return n


def if_bit(name: str, bit: int, layout: Layout) -> Taker:
    """Fields that are there only when a bit of an earlier number is set; use without a name."""
    return lambda reader: read(reader, layout) if as_number(reader.fields[name]) >> bit & 1 else {}


def if_more(layout: Layout) -> Taker:
    """Fields that are there only when the body goes on; use without a name."""
    return lambda reader: read(reader, layout) if reader.left else {}


# ── whole bodies ──────────────────────────────────────────────────────────────────────────────────────────────────────
def read_body(envelope: Envelope, layouts: tuple[Layout, ...], may_go_on: bool = False) -> dict[str, object]:
    """The body by the first layout that fits it to its last byte. Raises BadFrame with the fault of the first one.

    With `may_go_on` a body may be longer than its table; what follows stands in `body_rest`.
    """
    fault: BadFrame | None = None
    longer: dict[str, object] | None = None
    for layout in layouts:
        reader = Reader(envelope, envelope.body)
        try:
            fields = read(reader, layout)
        except BadFrame as found:
            fault = fault or found
            continue
        if not reader.left:
            return fields
        expected = f"the end; option {LONGER_BODY} takes it"
        fault = fault or envelope.fault("body too long", reader.at, f"{reader.left} bytes more", expected)
        longer = longer or {**fields, REST: hex_rest(reader)}
    if may_go_on and longer is not None:
        return longer
    assert fault is not None
    raise fault

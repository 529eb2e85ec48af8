"""What stands in the body of an SL 651-2014 frame, whichever wire form it came in, and the reader of the HEX/BCD form.

Not here: the ASCII form (`text`), rows (`rows`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from core.civil_time import BEIJING
from ingest.protocols.frame import BadFrame, Value
from ingest.protocols.sl651 import elements as e
from ingest.protocols.sl651.tables import Function

NINES_ARE_MISSING = "nines_are_missing"
HEAD_BYTES = 8
SERIES_STEP_MIN = 5


@dataclass(frozen=True, slots=True)
class Reading:
    """One element as sent: whose, of when, and its value, or points `step_min` apart of which the first is of `when`.

    `is_timed` tells a time that was sent but is none (`observed_at` None) from one that was not sent at all.
    """

    station: bytes
    station_class: int | None
    observed_at: datetime | None
    is_timed: bool
    identifier: str
    field: str | None
    value: Value = None
    points: tuple[Value, ...] | None = None
    step_min: int = 0


@dataclass(slots=True)
class Body:
    """A body taken apart. `rest` is what its function leaves to a clause of its own: parameters, versions, counters."""

    serial: int
    sent_at: datetime | None
    station: bytes | None = None
    station_class: int | None = None
    readings: list[Reading] = field(default_factory=list)
    text: str | None = None
    rest: bytes = b""
    picture_bytes: int = 0
    deviations: set[str] = field(default_factory=set)


class Context:
    """What the next element belongs to: the last station, class and time (6.6.2.7, 6.6.2.11)."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self.observed_at: datetime | None = None
        self.is_timed = False
        self.is_used = False  # an element belongs to the time already

    def enter(self, station: bytes, station_class: int | None) -> None:
        """A station's group begins; its observation time follows, or came just before it: some stations turn them."""
        self.body.station, self.body.station_class = station, station_class
        if self.is_used:
            self.observed_at, self.is_timed, self.is_used = None, False, False

    def at(self, observed_at: datetime | None) -> None:
        """An observation time begins; None is one that was sent but is none."""
        self.observed_at, self.is_timed, self.is_used = observed_at, True, False

    def add(
        self, identifier: str, name: str | None, value: Value, points: tuple[Value, ...] | None = None, step: int = 0
    ) -> None:
        """Keep one element under the current station and time."""
        owner = self.body.station or b""
        self.is_used = True
        self.body.readings.append(
            Reading(
                owner, self.body.station_class, self.observed_at, self.is_timed, identifier, name, value, points, step
            )
        )


def moment(digits: str) -> datetime | None:
    """A time as ten or twelve digits (6.6.2.5) in Beijing time, None when it is none. Years are of this century."""
    if not digits.isascii() or not digits.isdigit():
        return None
    year, month, day, hour, minute, *second = (int(digits[at : at + 2]) for at in range(0, len(digits), 2))
    try:
        return datetime(2000 + year, month, day, hour, minute, second[0] if second else 0, tzinfo=BEIJING)
    except ValueError:
        return None


class _Cursor:
    """Reads a body from its start; `at` is the offset in the frame, for whoever looks the fault up."""

    def __init__(self, data: bytes, offset: int) -> None:
        self._data, self._offset, self._at = data, offset, 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    @property
    def at(self) -> int:
        return self._offset + self._at

    def take(self, n_bytes: int, what: str) -> bytes:
        if n_bytes > self.left:
            raise BadFrame("body", self.at, f"{self.left} bytes left", f"{n_bytes} bytes of {what}")
        taken = self._data[self._at : self._at + n_bytes]
        self._at += n_bytes
        return taken

    def byte(self, what: str) -> int:
        return self.take(1, what)[0]

    def rest(self) -> bytes:
        return self.take(self.left, "the rest")

    def fixed(self, guide: int) -> None:
        """The definition byte of a guide that repeats itself (notes a–d of table C.1)."""
        at, found = self.at, self.byte("a definition")
        if found != guide:
            raise BadFrame("definition", at, f"{found:02X}", f"{guide:02X} after guide {guide:02X}")


def read_hex(data: bytes, offset: int, function: Function, lenient: frozenset[str], is_up: bool = True) -> Body:
    """The body of a HEX/BCD frame (6.6.3). Raises BadFrame where an element is cut or its definition is wrong."""
    cursor = _Cursor(data, offset)
    serial = int.from_bytes(cursor.take(2, "serial number"), "big")
    body = Body(serial, moment(cursor.take(6, "send time").hex()))
    context = Context(body)
    if not is_up or function.body == "raw":
        body.rest = cursor.rest()
    elif function.body == "parameters":
        if cursor.left:
            _guide(cursor, context, cursor.byte("a guide"), has_class=False, lenient=lenient)
        body.rest = cursor.rest()
    else:
        while cursor.left:
            guide = cursor.byte("a guide")
            _guide(cursor, context, guide, has_class=function.body == "elements", lenient=lenient)
    return body


def _guide(cursor: _Cursor, context: Context, guide: int, has_class: bool, lenient: frozenset[str]) -> None:
    body = context.body
    if guide == e.STATION:
        cursor.fixed(guide)
        station = cursor.take(5, "station address")
        context.enter(station, cursor.byte("station class") if has_class else None)
    elif guide == e.TIME:
        cursor.fixed(guide)
        context.at(moment(cursor.take(5, "observation time").hex()))
    elif guide == e.MANUAL:
        cursor.fixed(guide)
        body.text = cursor.rest().decode("gb18030", "replace")
        context.add("RGZS", None, body.text)
    elif guide == e.PICTURE:
        cursor.fixed(guide)
        body.picture_bytes = len(cursor.rest())
        context.add("PIC", None, body.picture_bytes)
    elif guide == e.VELOCITY_BATCH:
        cursor.byte("a definition")
        context.add("DATA", None, cursor.rest().hex().upper())
    elif guide == e.STEP:
        _stepped(cursor, context, lenient)
    elif guide in e.SERIES:
        _series(cursor, context, guide, cursor.byte("a definition") >> 3)
    else:
        identifier, element, n_bytes, decimals = _definition(cursor, guide)
        context.add(
            identifier,
            element.field if element else None,
            _value(element, cursor.take(n_bytes, identifier), decimals, body, lenient),
        )


def _definition(cursor: _Cursor, guide: int) -> tuple[str, e.Element | None, int, int]:
    """Identifier, element, bytes and decimals. Reserved and vendors' guides keep their hex as identifier."""
    identifier = f"{guide:02X}"
    if guide == e.VENDOR:
        identifier += f"{cursor.byte('an extended guide'):02X}"
    definition = cursor.byte("a definition")
    if guide == e.STATE and definition >> 3 != e.STATE_BYTES:
        raise BadFrame("definition", cursor.at - 1, f"{definition >> 3} bytes", f"{e.STATE_BYTES} bytes of ZT")
    element = e.BY_GUIDE.get(guide)
    return element.identifier if element else identifier, element, definition >> 3, definition & 7


def _value(element: e.Element | None, raw: bytes, decimals: int, body: Body, lenient: frozenset[str]) -> Value:
    if NINES_ARE_MISSING in lenient and (element is None or element.guide != e.STATE):
        digits = raw.hex().lstrip("0")
        if digits.strip("9") == "" and len(digits) >= (element.digits if element else 2 * len(raw)):
            body.deviations.add(NINES_ARE_MISSING)
            return None
    return e.value_of(element, raw, decimals)


def _series(cursor: _Cursor, context: Context, guide: int, n_bytes: int) -> None:
    identifier, name = e.SERIES[guide]
    wanted = e.SERIES_POINTS * (1 if guide == e.RAIN_SERIES else 2)
    if n_bytes != wanted:
        raise BadFrame("definition", cursor.at - 1, f"{n_bytes} bytes", f"{wanted} bytes of {identifier}")
    points = e.series_of(guide, cursor.take(n_bytes, identifier))
    context.add(identifier, name, None, points, SERIES_STEP_MIN)


def _stepped(cursor: _Cursor, context: Context, lenient: frozenset[str]) -> None:
    """A time step, then one element, then its values to the end of the body (6.6.4.4)."""
    definition_at, definition = cursor.at, cursor.byte("a definition")
    if definition != 3 << 3:
        raise BadFrame("definition", definition_at, f"{definition:02X}", "18 after guide 04")
    step_at, step = cursor.at, cursor.take(3, "time step").hex()
    if not step.isdigit():
        raise BadFrame("step", step_at, step.upper(), "days, hours and minutes in BCD")
    context.add("DRxnn", None, step)
    step_min = int(step[:2]) * 1440 + int(step[2:4]) * 60 + int(step[4:])
    guide = cursor.byte("a guide")
    if guide in e.SERIES:
        n_bytes = cursor.byte("a definition") >> 3
        if step_min not in (0, SERIES_STEP_MIN):
            raise BadFrame("step", step_at, step, "000000 or 000005 before a 5-minute series")
        _evenly(cursor, n_bytes)
        raw = cursor.rest()
        identifier, name = e.SERIES[guide]
        context.add(identifier, name, None, e.series_of(guide, raw), SERIES_STEP_MIN)
        return
    identifier, element, n_bytes, decimals = _definition(cursor, guide)
    if not step_min:
        raise BadFrame("step", step_at, step, "a step, or DRP or DRZ after 000000 (table C.1, note g)")
    _evenly(cursor, n_bytes)
    points: list[Value] = []
    while cursor.left:
        points.append(_value(element, cursor.take(n_bytes, identifier), decimals, context.body, lenient))
    context.add(identifier, element.field if element else None, None, tuple(points), step_min)


def _evenly(cursor: _Cursor, n_bytes: int) -> None:
    if not n_bytes or cursor.left % n_bytes:
        raise BadFrame("body", cursor.at, f"{cursor.left} bytes of values", f"a multiple of {n_bytes}")

"""Readings of one SL 651-2014 message to wide rows: one a station and observation time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from ingest.protocols.frame import Record, Value
from ingest.protocols.sl651 import elements as e
from ingest.protocols.sl651.body import SERIES_STEP_MIN, Body, Reading
from ingest.protocols.sl651.tables import STATE_BITS, STATION_CLASSES

KIND = "hydro"
TEST_KIND = "test"  # a test report belongs to a database of its own (6.6.4.3): somebody is pouring water
SERIES_BY_HOUR = "series_by_hour"
HISTORY_REPORTS = frozenset({"period"})  # what the centre asks a station's store for (6.6.4.11)
_OWNER = ("station_id", "station_code", "station_class", "report", "serial", "sent_at", "observed_at", "is_backfill")
FIELDS: tuple[str, ...] = (
    *_OWNER,
    *(element.field for element in e.ELEMENTS),
    *(name for guide, (_, name) in e.SERIES.items() if guide != e.RAIN_SERIES),
    *(name for _, name, _ in STATE_BITS),
)


def station_id(address: bytes) -> str:
    """The five bytes of an address as they stand on the wire: ten hexadecimal digits."""
    return address.hex().upper()


def station_code(address: bytes) -> str:
    """The address as the centre restores it (6.2.3.2).

    Eight digits of SL 502 after a first byte 00; otherwise the county's six and the station number as six digits.
    """
    if address[:1] == b"\0":
        return address[1:].hex().upper()
    return address[:3].hex().upper() + f"{int.from_bytes(address[3:], 'big'):06d}"


def class_word(code: int | None) -> str | None:
    """The word of a station class, of a class that is not in table A.1 its hex, None when none was sent."""
    return None if code is None else STATION_CLASSES.get(code, f"{code:02X}")


def iso(at: datetime | None) -> str | None:
    """ISO 8601 with the offset +08:00, None for a time that is none."""
    return at.isoformat() if at else None


def rows(body: Body, report: str, lenient: frozenset[str]) -> tuple[Record, ...]:
    """Rows in the order of what was sent. What has no column (vendors' elements) stays in the message's fields.

    A value that came twice for one time begins a second row: gate groups of a sluice repeat their elements. A clock is
    no reason to lose a value: an observation time that is none is the time of sending, and a series of such a time ends
    then.
    """
    made: dict[tuple[bytes, datetime | None], list[dict[str, Value]]] = {}
    order: list[dict[str, Value]] = []
    for reading in body.readings:
        if reading.field is None:
            continue
        for at, value in _spread(reading, body, lenient):
            known = made.setdefault((reading.station, at), [])
            if not known or not _fits(known[-1], reading.field, value):
                known.append(_owner(reading, body, report, at))
                order.append(known[-1])
            row = known[-1]
            row[reading.field] = value if row.get(reading.field) is None else row[reading.field]
            if reading.field == "state_word" and isinstance(value, int):
                row.update({name: (value >> bit & 1) == true_is for bit, name, true_is in STATE_BITS})
    kind = TEST_KIND if report == "test" else KIND
    return tuple(Record(kind, row) for row in order)


def _spread(reading: Reading, body: Body, lenient: frozenset[str]) -> Iterator[tuple[datetime | None, Value]]:
    """Each value with its time. A state without a time is of the moment it was sent (6.6.4.20 gives it none)."""
    if reading.points is None:
        yield reading.observed_at or body.sent_at, reading.value
        return
    first = reading.observed_at
    if first is None and body.sent_at is not None:
        first = body.sent_at - timedelta(minutes=(len(reading.points) - 1) * reading.step_min)
    if first is None:  # no clock at all: only the last point is of now
        yield from ((None, value) for value in [one for one in reading.points if one is not None][-1:])
        return
    is_array = reading.identifier.startswith(("DRP", "DRZ"))
    if is_array and first.minute != SERIES_STEP_MIN and SERIES_BY_HOUR in lenient:
        body.deviations.add(SERIES_BY_HOUR)
        first = (first - timedelta(minutes=1)).replace(minute=SERIES_STEP_MIN)
    for number, value in enumerate(reading.points):
        try:
            yield first + timedelta(minutes=number * reading.step_min), value
        except OverflowError:
            return


def _fits(row: dict[str, Value], name: str, value: Value) -> bool:
    return row.get(name) is None or value is None or row[name] == value


def _owner(reading: Reading, body: Body, report: str, at: datetime | None) -> dict[str, Value]:
    return {
        "station_id": station_id(reading.station),
        "station_code": station_code(reading.station),
        "station_class": class_word(reading.station_class),
        "report": report,
        "serial": body.serial,
        "sent_at": iso(body.sent_at),
        "observed_at": iso(at),
        "is_backfill": report in HISTORY_REPORTS,
    }

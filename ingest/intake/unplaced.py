"""What cannot become a row and may be an alarm all the same: it goes to LIVE on a feed of its own, where it rings.

A device was told that we have its frame. If the frame holds an event or an alarm word and ends in quarantine, a person
must look at it: alerting makes one alert of all that one sender sends so. Not here: quarantine itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import polars as pl

from core.contract import Contract
from core.stages import Note, RawTable, UnreadAlarm
from core.stream.bundle import StoredMessage
from core.stream.raw import unpack
from ingest.intake.identity import UNKNOWN_DEVICE
from ingest.parse.columns import ROW
from ingest.parse.frames import BAD_FRAME, JSON
from ingest.protocols import codec

FEED = "intake.unreadable_alarm"
_SCHEMA = {
    "feed_id": pl.String(),
    "sender": pl.String(),
    "device_id": pl.String(),
    "reason": pl.String(),
    "found": pl.String(),
    "place": pl.String(),
    "_row": pl.String(),
    "_received_at": pl.Datetime("us", "UTC"),
    "_flags": pl.String(),
}
_SILENT = frozenset({"", "0", "0.0", "false", "none"})


def unreadable(raw: RawTable, contract: Contract, notes: Sequence[Note], received: pl.Series) -> pl.DataFrame:
    """One line for each sender and reason of what was lost of a feed and may have been an alarm.

    `raw` and `received` are all rows as they came, `notes` all that was found. A body that is no row at all counts for
    every feed whose rows are alarms, a frame when its protocol sees an alarm in it.
    """
    if not contract.alarm_columns and all(note.alarm is None for note in notes):
        return pl.DataFrame(schema=_SCHEMA)
    # A protocol says what a frame holds that cannot be read; of a body that is no JSON nothing is known.
    may_tell = bool(contract.alarm_columns) and contract.server.file_format in (None, JSON)
    at_place = {place: row for row, place in enumerate(raw.frame[ROW].to_list())}
    found: dict[tuple[str, str], dict[str, object]] = {}
    for note in notes:
        if note.outcome != "quarantined" or note.grain != "row":
            continue
        row = at_place.get(note.locator)
        if not (_may_be_alarm(note, may_tell) if row is None else _tells(note, raw.frame, row, contract)):
            continue
        sender, received_at = _heard(raw, row, note, received)
        says = f"{note.alarm.says}: {note.found}" if note.alarm is not None else note.found
        found.setdefault(
            (sender, note.reason),
            {
                "feed_id": contract.id,
                "sender": sender or contract.department_code,
                "device_id": sender or None,
                "reason": note.reason,
                "found": says,
                "place": note.locator,
                "_row": _place(note.locator),
                "_received_at": received_at,
                "_flags": "",
            },
        )
    return pl.DataFrame(list(found.values()), schema=_SCHEMA).sort("_row")


def with_protocol_alarms(
    notes: Sequence[Note], messages: Sequence[StoredMessage], contract: Contract
) -> Sequence[Note]:
    """The notes on unknown devices with the alarm that their protocol sees in the frame that a row came in."""
    protocol = contract.server.file_format or JSON
    wanted = {_entry(note.locator) for note in notes if note.reason == UNKNOWN_DEVICE}
    if not wanted or protocol == JSON:
        return notes
    coded, alarms = codec(protocol), dict[str, UnreadAlarm]()
    for message in messages:
        for number, entry in enumerate(unpack(message.body)):
            place = f"{message.sequence}.{number}"
            if place in wanted and (says := coded.alarm_in(entry.body)):
                alarms[place] = UnreadAlarm(entry.device_id, says, entry.received_at_us)
    return [replace(note, alarm=note.alarm or alarms.get(_entry(note.locator))) for note in notes]


def _may_be_alarm(note: Note, may_tell: bool) -> bool:
    """Whether what became no row at all may have been an alarm."""
    return note.reason == BAD_FRAME and (note.alarm is not None or may_tell)


def _tells(note: Note, frame: pl.DataFrame, row: int, contract: Contract) -> bool:
    """Whether a row that was lost tells an alarm. Rules judge unknown devices, but not what only a protocol says."""
    if note.reason == UNKNOWN_DEVICE:
        return note.alarm is not None and not contract.alarm_columns
    return _alarms(frame, row, contract)


def _entry(locator: str) -> str:
    """The place of the entry that a row came in."""
    return ".".join(locator.split(".")[:2])


def _heard(raw: RawTable, row: int | None, note: Note, received: pl.Series) -> tuple[str, object]:
    """Who passed the door with it, and when; a frame without an alarm that can be read is of its tick."""
    if note.alarm is not None:
        return note.alarm.sender, datetime.fromtimestamp(note.alarm.received_us / 1e6, UTC)
    if row is None:
        return "", received.max()
    return "" if raw.senders is None else str(raw.senders[row]), received[row]


def _alarms(frame: pl.DataFrame, row: int, contract: Contract) -> bool:
    """Whether a row says anything in a column that tells an alarm."""
    cells = (frame[name][row] for name in contract.alarm_columns if name in frame.columns)
    return any(str(cell).strip().lower() not in _SILENT for cell in cells if cell is not None)


def _place(locator: str) -> str:
    """The place by which LIVE orders: a row's own, a message's first entry."""
    return locator if "." in locator else f"{locator}.0"

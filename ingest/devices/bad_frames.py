"""Bytes that are no frame: the first few a minute of each sender go to archive and quarantine, the others are counted.

A device that is set up wrongly leaves enough to be read again under a better contract; a flood fills neither disk nor
ledger. What has come since the last writing is lost with the process: nobody was answered for it, but over MQTT, where
an answer waits for the writing. Not here: frames of devices that may not speak, which are in order and only counted.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl
import sqlalchemy as sa

from core.contract import Contract
from core.mask import mask_numbers
from core.settings import Home
from core.stages import Batch, Note, Payload
from core.store.archive import Archive
from core.store.ledger import batch_id_of
from core.stream.bundle import StoredMessage, bundle
from core.stream.live import micros
from core.stream.raw import RawEntry, pack
from ingest.land.accept import LandingRequest, LandingZone, accept
from ingest.parse.frames import BAD_FRAME, JSON, medium_of

OF_A_SENDER, OF_ALL = 6, 30  # kept a minute
MINUTE = timedelta(minutes=1)
_FOUND_LENGTH = 160
_ONLY_COUNTED = f"at most {OF_A_SENDER} a minute of a sender, {OF_ALL} of all, are kept"


@dataclass(frozen=True, slots=True)
class BadEntry:
    """One stretch of bytes that could not be used; `device_id` is '' when nobody knows whose they are."""

    device_id: str
    data: bytes
    found: str
    expected: str
    at: datetime
    stored: Callable[[], None] | None = None  # called once it is written


@dataclass(slots=True)
class BadFrameBatch:
    """What came in for one raw feed by one carrier, and how much more was only counted."""

    raw_feed: str
    carrier: str  # tcp, udp, mqtt
    kept: list[BadEntry] = field(default_factory=list)
    n_others: int = 0


class BadFrames:
    """All that waits to be written. One thread notes; `write_bad_frames` may run in another one."""

    def __init__(self) -> None:
        self._sheets: dict[tuple[str, str], BadFrameBatch] = {}
        self._minute_at: datetime | None = None
        self._of_sender: Counter[str] = Counter()
        self.is_awaited = asyncio.Event()  # somebody waits for the writing

    def has_room(self, sender: str, at: datetime) -> bool:
        """Whether something more of a sender (its address, or its topic) would be kept in this minute."""
        if self._minute_at is None or at - self._minute_at >= MINUTE:
            self._minute_at = at
            self._of_sender.clear()
        return self._of_sender[sender] < OF_A_SENDER and self._of_sender.total() < OF_ALL

    def keep(self, raw_feed: str, carrier: str, sender: str, bad: BadEntry) -> None:
        """Note something that there is room for."""
        self.note(sender)
        self._sheet(raw_feed, carrier).kept.append(bad)
        if bad.stored is not None:
            self.is_awaited.set()

    def note(self, sender: str) -> None:
        """Take of a sender's room for something that is kept elsewhere."""
        self._of_sender[sender] += 1

    def count(self, raw_feed: str, carrier: str) -> None:
        """Note that something came for which there is no room."""
        self._sheet(raw_feed, carrier).n_others += 1

    def take(self, at: datetime, *, everything: bool = False) -> list[BadFrameBatch]:
        """What is to be written, no longer held here; sheets of counts alone wait for the minute's end."""
        is_over = everything or self._minute_at is None or at - self._minute_at >= MINUTE
        sheets = [sheet for sheet in self._sheets.values() if sheet.kept or is_over]
        for sheet in sheets:
            del self._sheets[sheet.raw_feed, sheet.carrier]
        return sheets

    def give_back(self, sheet: BadFrameBatch) -> None:
        """Hold again what could not be written."""
        held = self._sheet(sheet.raw_feed, sheet.carrier)
        held.kept[:0] = sheet.kept
        held.n_others += sheet.n_others

    def _sheet(self, raw_feed: str, carrier: str) -> BadFrameBatch:
        key = (raw_feed, carrier)
        if key not in self._sheets:
            self._sheets[key] = BadFrameBatch(raw_feed, carrier)
        return self._sheets[key]


def write_bad_frames(
    home: Home,
    engine: sa.Engine,
    archive: Archive,
    contracts: Mapping[str, Contract],
    sheet: BadFrameBatch,
    now: datetime,
) -> None:
    """Archive the bytes in the form of RAW messages and note each in quarantine; `cityrisk quarantine replay` reads it.

    Raises what disk and ledger raise; then nothing of the sheet is written.
    """
    contract = next(one for one in contracts.values() if one.raw_feed == sheet.raw_feed)
    contract, sequence = contracts.get(sheet.raw_feed, contract), micros(now)
    protocol = contract.server.file_format or JSON
    entries = [RawEntry(bad.device_id, micros(bad.at), bad.data) for bad in sheet.kept]
    sha256 = archive.put(bundle([StoredMessage(sequence, pack(entries), sequence)]))
    notes = [
        Note(BAD_FRAME, "row", "quarantined", f"{sequence}.{number}", None, _said(bad), mask_numbers(bad.expected))
        for number, bad in enumerate(sheet.kept)
    ]
    if sheet.n_others:
        found = f"{sheet.n_others} more"
        notes.append(Note(BAD_FRAME, "batch", "ignored", "", None, found, _ONLY_COUNTED, sheet.n_others))
    batch_id = batch_id_of(contract.id, sha256, f"{sheet.carrier} {sequence}")
    batch = Batch(batch_id, contract.id, pl.DataFrame(), tuple(notes), len(sheet.kept) + sheet.n_others)
    payload = Payload(contract.id, b"", medium_of(protocol), f"{protocol}-{sheet.carrier}", now)
    accept(LandingZone(home, engine), LandingRequest(contract, batch, payload, sha256, f"listen-{now:%Y%m%dT%H}"))


def _said(bad: BadEntry) -> str:
    """What was found, without a person's number in clear."""
    return mask_numbers(f"{bad.device_id}: {bad.found}" if bad.device_id else bad.found)[:_FOUND_LENGTH]

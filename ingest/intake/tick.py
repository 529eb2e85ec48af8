"""One tick: RAW messages of all feeds → rows in contract shape, those for LIVE and those that wait to land.

Everything that a feed remembers between ticks is here: how far it has landed, how far LIVE has it, what waits. A tick
touches no network; the broker's side is `ingest.intake.process`, files and ledger are `ingest.intake.lander`.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import polars as pl

from core.civil_time import civil_date
from core.contract import Contract, ContractError
from core.stages import Note, RawTable
from core.store.refusal import withdrawals_since
from core.stream.bundle import StoredMessage
from core.stream.live import micros
from core.stream.publish import Place, place_of
from core.stream.reader import Taken
from ingest.conform import Conformed, DeviceClocks
from ingest.intake.identity import UNKNOWN_DEVICE, Rights, of_unknown, rightful
from ingest.intake.offsets import ClockTracker
from ingest.intake.seen import SeenRows
from ingest.intake.unplaced import FEED as UNPLACED
from ingest.intake.unplaced import unreadable, with_protocol_alarms
from ingest.land.files import with_landed_on
from ingest.parse.frames import BAD_FRAME, tables_of
from ingest.pull import Intake, apply_overrides, known_places, read_overrides
from ingest.values.times import INSTANT

log = logging.getLogger(__name__)

NOTES_KEPT = 1000  # single notes of one kind in one landing; more become one note with a count


@dataclass
class PendingRows:
    """What a feed has gathered since it last landed."""

    frames: list[pl.DataFrame] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    repeats: list[str] = field(default_factory=list)  # places of rows that were seen before
    secrets: dict[str, str] = field(default_factory=dict)
    unknown_days: set[str] = field(default_factory=set)  # that nobody remembers: landing must look into its files
    rows_in: int = 0
    rows: int = 0
    watermark_at: datetime | None = None  # the newest event time
    late: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write down."""
        return not (self.rows or self.notes or self.repeats)

    def all_notes(self) -> list[Note]:
        """Single notes up to a number of each kind, the others counted."""
        found, counted, more = list[Note](), Counter[tuple[str, str]](), dict[tuple[str, ...], Note]()
        for note in self.notes:
            kind = (note.reason, note.outcome)
            counted[kind] += note.n_rows
            if note.grain == "row" and counted[kind] <= NOTES_KEPT:
                found.append(note)
                continue
            column = note.column or ""
            key = (*kind, note.grain, column if note.grain == "batch" else "")
            grouped = more.get(key) or replace(note, grain="batch", n_rows=0)
            more[key] = replace(grouped, n_rows=grouped.n_rows + note.n_rows)
        return [*found, *more.values()]


@dataclass
class Feed:
    """One feed of the stream: its contract and how far it has come. `place` is the last row that LIVE has."""

    contract: Contract
    cursor: int = 0
    place: Place = ()
    overrides: list[tuple[str, str, str]] = field(default_factory=list)
    clocks: DeviceClocks = field(default_factory=DeviceClocks)
    waiting: PendingRows = field(default_factory=PendingRows)


@dataclass(frozen=True, slots=True)
class Shaped:
    """A feed's rows of one tick that LIVE has not seen, and what was counted."""

    feed_id: str
    frame: pl.DataFrame
    rows_in: int
    quarantined: int
    ignored: int
    late: int


class Ticker:
    """All feeds of one home's stream."""

    def __init__(self, intake: Intake, feeds: Mapping[str, Feed], seen: SeenRows, rights: Rights | None = None) -> None:
        """`rights` judge senders, and rows that name another device than their sender; without them nobody is doubted.

        `unplaced` is the last row that LIVE has of what could not become a row and may be an alarm.
        """
        self._intake = intake
        self._seen = seen
        self._withdrawal = withdrawals_since(intake.engine, 0).newest
        self._rights = rights
        self.feeds = feeds
        self.unplaced: Place = ()
        self.messages: defaultdict[str, list[StoredMessage]] = defaultdict(list)  # by raw feed, since the last landing
        self.unknown_subjects: Counter[str] = Counter()
        self.clocks = ClockTracker()
        self._by_raw: defaultdict[str, list[Feed]] = defaultdict(list)
        for feed_id in sorted(feeds):
            self._by_raw[feeds[feed_id].contract.raw_feed].append(feeds[feed_id])
        for raw_feed, sharing in self._by_raw.items():
            _check_sharing(raw_feed, [feed.contract for feed in sharing])

    @property
    def rows_waiting(self) -> int:
        """Rows that have not landed yet."""
        return sum(feed.waiting.rows + len(feed.waiting.repeats) for feed in self.feeds.values())

    @property
    def has_waiting(self) -> bool:
        """Whether something must be written down, be it a note."""
        return any(not feed.waiting.is_empty for feed in self.feeds.values())

    def read_overrides(self) -> None:
        """Learn what people decided since."""
        for feed in self.feeds.values():
            feed.overrides = read_overrides(self._intake.engine, feed.contract)

    def forget_withdrawn(self) -> None:
        """What was taken back may be sent again: of its feed only what landed and what waits here is known.

        Not while a load lands, for nobody could say then which of its rows have landed.
        """
        found = withdrawals_since(self._intake.engine, self._withdrawal)
        self._withdrawal = found.newest
        for feed_id in found.feed_ids & self.feeds.keys():
            feed = self.feeds[feed_id]
            self._seen.forget(feed.contract, feed.waiting.frames)

    def take_in(self, taken: Sequence[Taken], now: datetime) -> list[Shaped]:
        """Conform a tick's messages; gives the feeds that had any, in id order."""
        by_raw: defaultdict[str, list[StoredMessage]] = defaultdict(list)
        at_us = micros(now)
        for message in taken:
            _, department, feed, *_ = (*message.subject.split("."), "", "")
            by_raw[f"{department}.{feed}"].append(StoredMessage(message.sequence, message.body, at_us))
        found = []
        for raw_feed, messages in by_raw.items():
            feeds = self._by_raw.get(raw_feed)
            if feeds is None:
                self._note_unknown(raw_feed, len(messages))
                continue
            self.messages[raw_feed] += messages
            for alike, fresh in _not_landed(feeds, messages):
                found += self._shape(alike, fresh, now)
        return sorted(found, key=lambda shaped: shaped.feed_id)

    def _shape(self, feeds: Sequence[Feed], messages: Sequence[StoredMessage], now: datetime) -> list[Shaped]:
        """Parse and conform messages for the feeds they carry; one that we cannot take never costs its neighbours."""
        try:
            tables = tables_of(messages, [feed.contract for feed in feeds])
            strangers = [self._of_strangers(feed, tables[feed.contract.id], now) for feed in feeds]
            conformed = [self._conformed(feed, tables[feed.contract.id], now) for feed in feeds]
        except Exception as error:
            if len(messages) > 1:
                half = len(messages) // 2
                return self._shape(feeds, messages[:half], now) + self._shape(feeds, messages[half:], now)
            log.exception("%s: message %d cannot be read", feeds[0].contract.raw_feed, messages[0].sequence)
            found = f"{type(error).__name__} in {len(messages[0].body)} bytes"
            note = Note(
                BAD_FRAME, "row", "quarantined", str(messages[0].sequence), None, found, "a message we can read"
            )
            return [self._sorted(feed, None, 0, (note,), now) for feed in feeds]
        shaped = [one for one in strangers if one is not None]
        for feed, done in zip(feeds, conformed, strict=True):
            raw = tables[feed.contract.id]
            lost = with_protocol_alarms(done.notes, messages, feed.contract)
            shaped += self._unread(feed.contract, raw, lost, now)
            shaped.append(self._sorted(feed, done, raw.frame.height, done.notes, now))
        return shaped

    def _unread(self, contract: Contract, raw: RawTable, notes: Sequence[Note], now: datetime) -> list[Shaped]:
        """What was lost of a feed and may have been an alarm, for LIVE alone."""
        received = raw.received_us
        if received is None or not notes:
            return []
        frame = unreadable(raw, contract, notes, received.cast(INSTANT))
        frame = frame.with_columns(pl.col("_received_at").fill_null(now))  # nothing else came of its message
        frame = _behind(frame, self.unplaced) if frame.height else frame
        return [Shaped(UNPLACED, frame, 0, 0, 0, 0)] if frame.height else []

    def _of_strangers(self, feed: Feed, raw: RawTable, now: datetime) -> Shaped | None:
        """Rows of senders that no register lists, for LIVE alone: they land nowhere, but danger in them must ring.

        They go before the feed's other rows: LIVE's last message says how far the feed has come.
        """
        contract = feed.contract
        unknown = None if self._rights is None else of_unknown(raw, contract, self._rights)
        if unknown is None:
            return None
        rows = replace(raw.where(unknown), notes=())
        done = self._intake.conform(contract, apply_overrides(rows, feed.overrides), now, None, DeviceClocks())
        marks = pl.concat_str(pl.lit(UNKNOWN_DEVICE), pl.col("_flags"), separator=",").str.strip_suffix(",")
        frame = done.frame.with_columns(marks.alias("_flags"), pl.lit(contract.department_code).alias("_sender"))
        return Shaped(contract.id, _behind(frame, feed.place) if frame.height else frame, 0, 0, 0, 0)

    def _conformed(self, feed: Feed, raw: RawTable, now: datetime) -> Conformed:
        raw = apply_overrides(raw, feed.overrides)
        if self._rights is not None:
            raw = rightful(raw, feed.contract, self._rights)
        return self._intake.conform(feed.contract, raw, now, known_places(self._intake, feed.contract), feed.clocks)

    def _sorted(self, feed: Feed, done: Conformed | None, rows_in: int, notes: Sequence[Note], now: datetime) -> Shaped:
        """Put what a tick gave to what waits, and choose what LIVE has not seen."""
        waiting, contract = feed.waiting, feed.contract
        waiting.rows_in += rows_in
        waiting.notes += notes
        quarantined = sum(note.n_rows for note in notes if note.outcome == "quarantined")
        ignored = sum(note.n_rows for note in notes if note.outcome == "ignored")
        if done is None or done.frame.is_empty():
            return Shaped(contract.id, pl.DataFrame(), rows_in, quarantined, ignored, 0)
        frame = done.frame
        fresh, unknown = self._seen.split(frame, contract, civil_date(now))
        if not fresh.all():
            repeats = frame.filter(~pl.Series(fresh))["_row"].to_list()
            waiting.repeats += repeats
            ignored += len(repeats)
            frame = frame.filter(pl.Series(fresh))
        if unknown.any():
            waiting.unknown_days |= set(with_landed_on(done.frame.filter(pl.Series(unknown)), contract)["landed_on"])
        waiting.secrets |= done.secrets
        if frame.is_empty():
            return Shaped(contract.id, frame, rows_in, quarantined, ignored, 0)
        self.clocks.note(contract, frame)
        waiting.frames.append(frame)
        waiting.rows += frame.height
        late = _watch(waiting, frame, contract, now)
        return Shaped(contract.id, _behind(frame, feed.place), rows_in, quarantined, ignored, late)

    def _note_unknown(self, raw_feed: str, n: int) -> None:
        if raw_feed not in self.unknown_subjects:
            log.error("RAW: messages of %s, which no stream contract names; they stay in RAW only", raw_feed)
        self.unknown_subjects[raw_feed] += n


def _check_sharing(raw_feed: str, contracts: Sequence[Contract]) -> None:
    """Feeds that share frames must read them alike. Raises ContractError."""
    if raw_feed not in [contract.id for contract in contracts]:
        raise ContractError(f"{contracts[0].id}: its frames come as {raw_feed}, but no stream contract has this id")
    ways = {(c.server.file_format, frozenset(c.server.options.get("lenient", ()))) for c in contracts}
    if len(ways) > 1:
        names = ", ".join(contract.id for contract in contracts)
        raise ContractError(f"{names}: one stream of frames, but protocol or lenient options differ; make them equal")


def _watch(waiting: PendingRows, frame: pl.DataFrame, contract: Contract, now: datetime) -> int:
    """Move the watermark; gives how many rows came later after their event than the feed agreed."""
    if contract.event_time is None:
        return 0
    moments = frame[contract.event_time.landed_name]
    newest = moments.max()
    if isinstance(newest, datetime) and (waiting.watermark_at is None or newest > waiting.watermark_at):
        waiting.watermark_at = newest
    late = int((moments.to_physical().to_numpy() < micros(now - contract.late_after)).sum())
    waiting.late += late
    return late


def _not_landed(
    feeds: Sequence[Feed], messages: Sequence[StoredMessage]
) -> Iterator[tuple[list[Feed], Sequence[StoredMessage]]]:
    """Feeds with the messages that have not landed for them; all of one kind but after a crash between two landings."""
    by_cursor: defaultdict[int, list[Feed]] = defaultdict(list)
    for feed in feeds:
        by_cursor[max(feed.cursor, messages[0].sequence - 1)].append(feed)
    for cursor, alike in by_cursor.items():
        fresh = [m for m in messages if m.sequence > cursor] if cursor >= messages[0].sequence else messages
        if fresh:
            yield alike, fresh


def _behind(frame: pl.DataFrame, place: Place) -> pl.DataFrame:
    """The rows behind a place; all of them unless LIVE is ahead of what landed, as after a crash."""
    if not place or place_of(frame["_row"][0]) > place:
        return frame
    return frame.filter(pl.Series([place_of(row) > place for row in frame["_row"].to_list()]))

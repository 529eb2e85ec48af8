"""RAW messages of a stream → text table: JSON bodies and frames of device protocols.

A frame that cannot be used costs itself alone: the others of its message, and the other devices of the tick, are not
its neighbours in a file. So everything that a file would be refused for is a note on one entry here. Pure.

Not here: sessions with devices (`ingest.devices`), what values mean (`ingest.conform`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any

import orjson
import polars as pl

from core.contract import STREAM_PROTOCOLS, Column, Contract
from core.mask import mask_numbers
from core.stages import Note, RawTable, UnreadAlarm
from core.store.tables import BUNDLE
from core.stream.bundle import StoredMessage, unbundle
from core.stream.oversize import MAGIC, oversize_in
from core.stream.raw import RawEntry, RawFormError, unpack
from ingest.parse.body_bounds import BOUNDS, beyond_bounds, glance
from ingest.parse.columns import ROW, expected_names, physical_names
from ingest.parse.fault import FileFault
from ingest.parse.lenient_json import load_json
from ingest.parse.records import MOST_UNKNOWN, as_text, explode, flatten
from ingest.protocols import BadFrame, Codec, Message, codec
from ingest.values.times import read_instants

BAD_FRAME = "bad_frame"
HISTORY_FIELD = "is_backfill"  # by which every codec's records say that they were kept and sent later
FRESH = timedelta(minutes=15)  # between event and sending by the device's own clock, as HJ 212 real-time data keep
JSON = "json"
_FOUND_LENGTH = 80
_EXACT = 2**53  # below it every whole number has a float of its own
_BODY_FORM = "a JSON object or an array of objects"

Records = list[Mapping[str, Any]]


def medium_of(protocol: str) -> str:
    """The medium word of an archived bundle of this protocol, at most 12 letters."""
    return f"{BUNDLE}{protocol}"


def media() -> dict[str, Callable[[bytes, Contract], RawTable]]:
    """Medium word → parser, for every protocol that devices speak."""
    return {medium_of(protocol): partial(_parse_bundle, protocol) for protocol in STREAM_PROTOCOLS}


def is_bundle(medium: str) -> bool:
    """Whether archived bytes of this medium are a bundle of RAW messages."""
    return medium.startswith(medium_of(""))


def tables_of(messages: Sequence[StoredMessage], contracts: Sequence[Contract]) -> dict[str, RawTable]:
    """The tables of all feeds that one raw feed's messages carry, by feed id; each frame is decoded once.

    `_row` is `<sequence>.<entry>`, with `.<record>` behind it where an entry may hold several. What was wrong with
    messages and frames is noted once, under the feed whose subject they came on.
    """
    places, notes = _entries(messages)
    found: dict[tuple[str, frozenset[str]], _Rows] = {}
    tables = {}
    for contract in contracts:
        protocol, lenient = contract.server.file_format or JSON, frozenset(contract.server.options.get("lenient", ()))
        rows = found.get((protocol, lenient))
        if rows is None:
            rows = _json_rows(places) if protocol == JSON else _protocol_rows(places, codec(protocol), lenient)
            found[protocol, lenient] = rows
        own = [*notes, *rows.notes] if contract.id == contract.raw_feed else []
        tables[contract.id] = _table(rows.of_kind(contract.server.options.get("record")).meant(contract), contract, own)
    return tables


def _parse_bundle(protocol: str, body: bytes, contract: Contract) -> RawTable:
    """An archived bundle. Raises FileFault for bytes that are none, or frames of another protocol than agreed."""
    if protocol != contract.server.file_format:
        raise FileFault("unreadable_file", f"frames of {protocol}; the contract says {contract.server.file_format}")
    try:
        messages = unbundle(body)
    except RawFormError as error:
        raise FileFault("truncated_file", str(error)) from error
    return tables_of(messages, [contract])[contract.id]


@dataclass(slots=True)
class _Rows:
    """Records with where each stands and who sent it; `kinds` is empty where records have no kind (JSON)."""

    places: list[str] = field(default_factory=list)
    received: list[int] = field(default_factory=list)  # microseconds since 1970 UTC, at the first door
    devices: list[str] = field(default_factory=list)
    records: Records = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    is_plain: bool = False  # bodies were printable ASCII, for certain where True

    def of_kind(self, kind: object) -> _Rows:
        """The records of one kind; all of them where records have none."""
        return self.where([k == kind for k in self.kinds]) if self.kinds else self

    def meant(self, contract: Contract) -> _Rows:
        """The records that a feed is about: with one of the fields of `having`, with none of `lacking`."""
        having, lacking = (contract.server.options.get(name) for name in ("having", "lacking"))
        if not having and not lacking:
            return self
        return self.where(
            [
                (not having or any(record.get(name) is not None for name in having))
                and not any(record.get(name) is not None for name in lacking or ())
                for record in self.records
            ]
        )

    def where(self, kept: Sequence[bool]) -> _Rows:
        """The records for which `kept` is true, without notes."""
        if all(kept):
            return _Rows(self.places, self.received, self.devices, self.records)
        rows = [i for i, keep in enumerate(kept) if keep]
        columns = (self.places, self.received, self.devices, self.records)
        return _Rows(*([column[i] for i in rows] for column in columns))  # type: ignore[arg-type]  # each of its own


def _entries(messages: Sequence[StoredMessage]) -> tuple[list[tuple[str, RawEntry]], list[Note]]:
    places: list[tuple[str, RawEntry]] = []
    notes = []
    for message in messages:
        try:
            entries = unpack(message.body)
        except RawFormError as error:
            notes.append(_bad(str(message.sequence), "", str(error), "a message in our own form"))
            continue
        head = f"{message.sequence}."
        read = [(f"{head}{number}", entry) for number, entry in enumerate(entries)]
        if MAGIC in message.body:  # rare, and looked for at once: hardly a message stands in for a larger one
            read, oversize = _without_oversize(read)
            notes += oversize
        places += read
    return places, notes


def _without_oversize(read: list[tuple[str, RawEntry]]) -> tuple[list[tuple[str, RawEntry]], list[Note]]:
    """The entries but those that stand in for a message of which only the beginning came; a note on each of these."""
    kept, notes = [], []
    for place, entry in read:
        larger = oversize_in(entry.body)
        if larger is None:
            kept.append((place, entry))
            continue
        found = f"a message of {larger.size_bytes} bytes, the first {len(larger.head)} are kept"
        notes.append(_bad(place, entry.device_id, found, f"at most {larger.most_bytes} bytes"))
    return kept, notes


def _json_rows(places: Sequence[tuple[str, RawEntry]]) -> _Rows:
    rows, seen = _Rows(), glance([entry.body for _, entry in places])
    rows.is_plain, read = seen.is_plain, load_json if seen.has_many_digits else orjson.loads
    add_place, add_device, add_record = rows.places.append, rows.devices.append, rows.records.append
    add_received = rows.received.append
    for place, entry in places:
        body = entry.body
        try:
            document = read(body)
        except json.JSONDecodeError:
            try:
                document = load_json(body)
            except json.JSONDecodeError as error:
                found = f"{len(body)} bytes that are not JSON from byte {error.pos} on"
                rows.notes.append(_bad(place, entry.device_id, found, _BODY_FORM))
                continue
        if not seen.is_flat and (excess := beyond_bounds(body, document)) is not None:
            rows.notes.append(_bad(place, entry.device_id, f"{excess} in {len(body)} bytes", BOUNDS))
        elif type(document) is dict:
            add_place(place)
            add_received(entry.received_at_us)
            add_device(entry.device_id)
            add_record(document)
        elif type(document) is list and document and all(type(record) is dict for record in document):
            rows.places += [f"{place}.{number}" for number in range(len(document))]
            rows.received += [entry.received_at_us] * len(document)
            rows.devices += [entry.device_id] * len(document)
            rows.records += document
        else:
            found = f"a {type(document).__name__} of {len(body)} bytes"
            rows.notes.append(_bad(place, entry.device_id, found, _BODY_FORM))
    return rows


def _protocol_rows(places: Iterable[tuple[str, RawEntry]], coded: Codec, lenient: frozenset[str]) -> _Rows:
    rows = _Rows()
    for place, entry in places:
        number = 0
        for message in _messages(place, entry, coded, lenient, rows.notes):
            for record in message.records:
                rows.places.append(f"{place}.{number}")
                rows.received.append(entry.received_at_us)
                rows.devices.append(entry.device_id or message.device_id)
                rows.records.append(record.values)
                rows.kinds.append(record.kind)
                number += 1
    return rows


def _messages(
    place: str, entry: RawEntry, coded: Codec, lenient: frozenset[str], notes: list[Note]
) -> Iterator[Message]:
    """Whole messages of an entry, those in parts joined; what cannot be used becomes a note."""
    splitter, parts = coded.splitter(lenient), list[bytes]()
    for piece in (*splitter.feed(entry.body), *splitter.close()):
        try:
            if isinstance(piece, BadFrame):
                raise piece
            message = coded.decode(piece, lenient)
            if message.part is not None:
                parts.append(piece)
                if len(parts) < message.part[1]:
                    continue
                message, parts = coded.join(parts, lenient), []
        except BadFrame as error:
            found = f"{error.reason} at byte {error.offset} of {len(entry.body)}: {error.found}"
            unread = [error.data if isinstance(piece, BadFrame) else piece]
            notes.append(
                replace(_bad(place, entry.device_id, found, error.expected), alarm=_alarm(entry, coded, unread))
            )
            continue
        yield message
    if parts:
        found = f"{len(parts)} parts of a message in {len(entry.body)} bytes"
        note = _bad(place, entry.device_id, found, "all parts of the message")
        notes.append(replace(note, alarm=_alarm(entry, coded, parts)))


def _alarm(entry: RawEntry, coded: Codec, unread: Iterable[bytes]) -> UnreadAlarm | None:
    """The first alarm that the protocol sees in bytes of an entry that make no message."""
    says = next(filter(None, map(coded.alarm_in, unread)), "")
    return UnreadAlarm(entry.device_id, says, entry.received_at_us) if says else None


def _table(rows: _Rows, contract: Contract, notes: list[Note]) -> RawTable:
    expected = expected_names(contract)
    if contract.server.file_format == JSON:
        rows = _flat(_unwrapped(rows, contract), contract)
        rows, unknown, drift = _settled(rows, frozenset(expected), contract)
        notes = [*notes, *drift]
    else:
        unknown = []  # a codec's records hold every field of the protocol; a feed agrees on some
    owner = contract.by_concept("device_id")
    own_id = physical_names(owner)[0] if owner is not None and len(physical_names(owner)) == 1 else None
    numbers = {name for column in contract.columns if _is_number(column) for name in physical_names(column)}
    columns = [pl.Series(ROW, rows.places, dtype=pl.String)]
    for name in (*expected, *unknown):
        values = [record.get(name) for record in rows.records]
        if name == own_id and None in values:  # the topic or the session says whose reading it is
            values = [device or None if v is None else v for v, device in zip(values, rows.devices, strict=True)]
        columns.append(_texts(name, values, name in numbers))
    frame = pl.DataFrame(columns)
    received = pl.Series("received_us", rows.received, dtype=pl.Int64)
    senders = pl.Series("senders", rows.devices, dtype=pl.String)
    ids = "".join(rows.devices)
    is_plain = rows.is_plain and ids.isascii() and ids.isprintable()
    return RawTable(frame, tuple(notes), received, _history(rows, frame, contract), senders, is_plain)


def _history(rows: _Rows, frame: pl.DataFrame, contract: Contract) -> pl.Series:
    """Rows of the past: their protocol says so, the device sent them long after they were, or newer ones with them.

    Of the rows of one device in one entry only the newest speaks of now. Both times of a device are by its own clock,
    so their distance tells its age whatever that clock says.
    """
    marked = pl.Series("is_history", [record.get(HISTORY_FIELD) is True for record in rows.records], dtype=pl.Boolean)
    event = contract.event_time
    if event is None or len(physical_names(event)) != 1 or frame.is_empty():
        return marked
    times = frame[physical_names(event)[0]]
    sent = contract.by_concept("transmitted_at")
    if sent is not None:
        sent_at = read_instants(frame[sent.physical_name], sent, is_sheet=False)
        age = sent_at - read_instants(times, event, is_sheet=False)
        marked |= (age > FRESH).fill_null(False)
    if "".join(rows.places).count(".") == len(rows.places):
        return marked  # one record an entry
    owner = contract.by_concept("device_id") or contract.by_concept("object_id")
    owners = frame[ROW] if owner is None or len(physical_names(owner)) != 1 else frame[physical_names(owner)[0]]
    if len(set(zip(rows.received, owners.to_list(), strict=True))) == len(rows.received):
        return marked  # an entry has one receipt: no device speaks twice in one, nearly always
    entries = [".".join(place.split(".", 2)[:2]) for place in rows.places]
    newest = pl.DataFrame({"entry": entries, "owner": owners, "at": times}).select(
        (pl.col("at") < pl.col("at").max().over("entry", "owner")).fill_null(False)
    )
    return marked | newest.to_series()


def _unwrapped(rows: _Rows, contract: Contract) -> _Rows:
    """Records with the fields of the object that the contract's `unwrap` names beside their own.

    `{"ts": …, "values": {…}}` is how ThingsBoard and its kin write a reading.
    """
    inner = contract.server.options.get("unwrap")
    if not inner:
        return rows
    records = [
        {**{k: v for k, v in record.items() if k != inner}, **record[inner]}
        if isinstance(record.get(inner), dict)
        else record
        for record in rows.records
    ]
    return _Rows(rows.places, rows.received, rows.devices, records)


def _says_nothing(contract: Contract) -> frozenset[str]:
    """The fields that only say whose and when: a record with no other is in somebody else's form."""
    about = [c for c in contract.columns if c.key_position is not None or c is contract.event_time]
    return frozenset(name for column in about for name in physical_names(column))


def _flat(rows: _Rows, contract: Contract) -> _Rows:
    """Nested records as dotted columns, only for feeds that expect such."""
    parents = {name[:at] for name in expected_names(contract) for at, sign in enumerate(name) if sign == "."}
    if not parents and not contract.explode:
        return rows
    flat = _Rows()
    for place, received, device, record in zip(rows.places, rows.received, rows.devices, rows.records, strict=True):
        for number, part in enumerate(explode(dict(record), contract.explode)):
            flat.places.append(f"{place}.{number}" if contract.explode else place)
            flat.received.append(received)
            flat.devices.append(device)
            flat.records.append(flatten(part, parents))
    return flat


def _settled(rows: _Rows, expected: frozenset[str], contract: Contract) -> tuple[_Rows, list[str], list[Note]]:
    """Rows whose fields the contract can take, unknown fields that it keeps, and notes on the others."""
    shapes = {shape: frozenset(shape) for shape in set(map(tuple, rows.records))}
    said = expected - _says_nothing(contract)
    foreign = {shape for shape, names in shapes.items() if not names & (said or expected)}
    extra = {shape: names - expected for shape, names in shapes.items() if names - expected}
    if not foreign and not extra:
        return rows, [], []
    mode, kept, notes = contract.drift_mode, list[bool](), list[Note]()
    agreed = f"{len(expected)} agreed fields"
    for place, device, record in zip(rows.places, rows.devices, rows.records, strict=True):
        shape = tuple(record)
        unknown = ", ".join(sorted(extra.get(shape, ())))[:_FOUND_LENGTH]
        if shape in foreign:
            notes.append(_bad(place, device, f"an object of {len(shape)} other fields", ", ".join(sorted(expected))))
        elif unknown and (mode == "freeze" or (mode == "discard_row" and _fills(record, extra[shape]))):
            notes.append(Note("extra_column", "row", "quarantined", place, unknown, None, agreed))
        else:
            kept.append(True)
            continue
        kept.append(False)
    names = sorted({name for shape, more in extra.items() if shape not in foreign for name in more})
    if names and mode in ("evolve", "discard_value"):
        n_rows = sum(tuple(record) in extra for record in rows.records)
        listed = ", ".join(names)[:_FOUND_LENGTH]
        notes.append(Note("extra_column", "batch", "flagged", "", listed, listed, agreed, n_rows))
    # Names without end would make a column of every row: then none of them is kept.
    return rows.where(kept), names if mode == "evolve" and len(names) <= MOST_UNKNOWN else [], notes


def _fills(record: Mapping[str, Any], names: Iterable[str]) -> bool:
    return any(record[name] not in (None, "") for name in names)


def _texts(name: str, values: list[Any], is_number: bool) -> pl.Series:
    """Values as text, a whole column at once where its values are of one type."""
    kinds = set(map(type, values))
    kinds.discard(type(None))
    if kinds <= {str}:
        return pl.Series(name, values, dtype=pl.String)
    if kinds == {float} or (
        is_number and kinds == {int, float} and max(abs(v) for v in values if v is not None) < _EXACT
    ):
        return pl.Series(name, values, dtype=pl.Float64, strict=False).cast(pl.String)
    if kinds == {int} and max(abs(v) for v in values if v is not None) < 2**63:
        return pl.Series(name, values, dtype=pl.Int64).cast(pl.String)
    return pl.Series(name, [_text(value) for value in values], dtype=pl.String)


def _text(value: Any) -> str | None:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else as_text(value)


def _is_number(column: Column) -> bool:
    return column.logical_type in ("number", "integer")


def _bad(place: str, device_id: str, found: str, expected: str) -> Note:
    """A frame or body that is kept out; nothing of its content is shown, it may be personal."""
    found = mask_numbers(f"{device_id}: {found}" if device_id else found)
    return Note(BAD_FRAME, "row", "quarantined", place, None, found[:_FOUND_LENGTH], expected[:_FOUND_LENGTH])

"""A feed's sample payload and what must come of it: `feeds/<feed>.sample.<ending>` beside `<feed>.expected.json`.

The sample is in the form in which the department serves the feed; the expected file says row by row what lands and
what is kept out for which reason. It is written by people from the agreement, so that it can disagree with the code.
No server and no home is needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from core.boundaries import load_areas
from core.contract import Contract
from core.declarations import DeclarationError, read_declaration
from core.geo import AreaIndex
from core.stages import Note, Payload
from core.stream.bundle import StoredMessage, bundle
from core.stream.raw import RawEntry, pack
from ingest.conform import ConformContext, Conformed, conform
from ingest.parse import FileFault, parse
from ingest.parse.frames import JSON, medium_of

CONTRACT_ENDING = ".odcs.yaml"
_KEY = b"the hash key of samples, no city"  # pseudonyms of samples are numbered, so that its value is never seen
_APART_US = 1_000  # between two messages of a sample: no device is heard twice in one instant
_DECIMALS = 6  # of what is compared: a tenth of a metre in degrees
_ENDING_OF_KIND = {"api": "json", "sql": "ndjson"}

Document = Mapping[str, Any]


class SampleError(ValueError):
    """A sample that is not there or cannot be used: names the file, what was found and what to do next."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A feed's sample: the payload as the department sends it, and the file that says what must come of it."""

    contract: Contract
    payload: Path
    expected: Path


def sample_of(contract: Contract, contract_path: Path) -> Sample:
    """The sample beside a contract. Raises SampleError for a file that is missing or in another form than agreed."""
    stem, folder, ending = contract_path.name.removesuffix(CONTRACT_ENDING), contract_path.parent, ending_of(contract)
    found = sorted(path.name for path in folder.glob(f"{stem}.sample.*"))
    wanted = f"{stem}.sample.{ending}"
    if found != [wanted]:
        raise SampleError(
            f"{folder / wanted}: {', '.join(found) or 'no sample'} found, expected one payload as {contract.id} is "
            f"served ({_form(ending)}); put some good rows and one of each trouble there"
        )
    return Sample(contract, folder / wanted, folder / f"{stem}.expected.json")


def ending_of(contract: Contract) -> str:
    """How the sample of a feed is named, which says its form: that of the feed's server."""
    if contract.is_stream:
        return "mqtt" if contract.server.file_format == JSON else "hex"
    return _ENDING_OF_KIND.get(contract.server.kind) or contract.server.file_format or "csv"


def _form(ending: str) -> str:
    forms = {
        "mqtt": "a line a message, topic and payload as `mosquitto_sub -v` prints them",
        "hex": "a line a frame in hex digits; lines that begin with `# ` say what it is",
        "ndjson": "a JSON object a row, as the database answers",
        "json": "a page of the service",
    }
    return forms.get(ending, f"a file of kind {ending}")


def sample_faults(contract: Contract, contract_path: Path) -> list[str]:
    """What is wrong with a feed's sample: a file that is missing, or rows and reasons that are not as expected."""
    try:
        sample = sample_of(contract, contract_path)
        if not sample.expected.is_file():
            return [
                f"{sample.expected}: not there; `cityrisk feed sample {contract.id}` says what comes of "
                f"{sample.payload.name}: compare it with the agreement, correct it and put it there"
            ]
        expected = read_declaration(sample.expected, "expected")
        found = outcome(sample, datetime.fromisoformat(expected["received_at"]))
    except (DeclarationError, SampleError) as error:
        return [str(error)]
    return [f"{sample.expected}: {difference}" for difference in _differences(found, expected)]


def outcome(sample: Sample, received_at: datetime) -> dict[str, Any]:
    """What comes of a sample that is received at an instant, in the form of its expected file."""
    try:
        shaped, notes = _taken(sample, received_at)
    except FileFault as fault:
        note = Note(fault.reason, "file", "quarantined", "", found=fault.detail)
        return {"received_at": _plain(received_at), "rows": [], "notes": [_noted(note)]}
    rows = shaped.frame.drop("_received_at").rows(named=True)
    hashed = [column.landed_name for column in sample.contract.landed_columns if column.mask == "hash"]
    numbered = _numbered(row[name] for row in rows for name in hashed)
    named = [{**row, **{name: numbered.get(row[name]) for name in hashed}} for row in rows]
    return {
        "received_at": _plain(received_at),
        "rows": [{name: _plain(v) for name, v in row.items() if v not in (None, "")} for row in named],
        "notes": [_noted(note) for note in (*notes, *shaped.notes)],
    }


def as_text(document: Document) -> str:
    """The text of an expected file: a row or a note is one line, so that a change shows as the line it is."""
    parts = [f'  "received_at": {json.dumps(document["received_at"])}']
    for name in ("rows", "notes"):
        lines = ",\n".join(f"    {json.dumps(one, ensure_ascii=False)}" for one in document[name])
        parts.append(f'  "{name}": [\n{lines}\n  ]' if lines else f'  "{name}": []')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def payload_of(sample: Sample, received_at: datetime) -> Payload:
    """The sample as intake hands it on: a file or page as it is, messages of devices as a bundle of one tick."""
    contract, body, media = sample.contract, sample.payload.read_bytes(), ending_of(sample.contract)
    if contract.is_stream:
        at_us = round(received_at.timestamp() * 1_000_000)
        body, media = (
            bundle(
                [
                    StoredMessage(number, pack([RawEntry(sender, at_us + number * _APART_US, frame)]), at_us)
                    for number, sender, frame in _messages(sample.payload, body)
                ]
            ),
            medium_of(contract.server.file_format or JSON),
        )
    return Payload(contract.id, body, media, sample.payload.name, received_at)


def _taken(sample: Sample, received_at: datetime) -> tuple[Conformed, tuple[Note, ...]]:
    """The sample parsed and conformed as intake does it, with the parser's notes. Raises FileFault."""
    payload = payload_of(sample, received_at)
    raw = parse(payload.body, payload.media, sample.contract)
    return conform(raw, sample.contract, ConformContext(received_at, _KEY, _areas())), raw.notes


def _messages(path: Path, body: bytes) -> Iterator[tuple[int, str, bytes]]:
    """Line, sender ('' where the frame says it) and bytes of every message of a device feed's sample."""
    for number, line in enumerate(body.decode("utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("# "):
            continue
        if path.suffix == ".mqtt":
            topic, _, text = line.partition(" ")
            yield number, topic.rpartition("/")[2], text.encode()
            continue
        try:
            yield number, "", bytes.fromhex(line)
        except ValueError as error:
            raise SampleError(f"{path}:{number}: {error}; expected the hex digits of one frame") from error


@cache
def _areas() -> AreaIndex:
    return load_areas()


def _numbered(hashes: Iterator[str | None]) -> dict[str | None, str]:
    """Pseudonyms by their form: which are the same shows, their value does not."""
    distinct = dict.fromkeys(value for value in hashes if value is not None)
    return {value: f"<pseudonym {number}>" for number, value in enumerate(distinct, 1)}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return round(value, _DECIMALS) if isinstance(value, float) else value


def _noted(note: Note) -> dict[str, object]:
    """A note as the expected file has it; what is the rule is left out: one row, nothing said of a column."""
    told = {
        "at": note.locator,
        "reason": note.reason,
        "outcome": note.outcome,
        "grain": note.grain if note.grain != "row" else None,
        "column": note.column,
        "found": note.found,
        "n_rows": note.n_rows if note.n_rows != 1 else None,
    }
    return {name: value for name, value in told.items() if value not in (None, "")}


def _differences(found: Document, expected: Document) -> Iterator[str]:
    """In words, what is not as expected: rows by their place, notes by place and reason."""
    ours, theirs = _by_place(found["rows"]), _by_place(expected["rows"])
    for place in [*theirs, *(place for place in ours if place not in theirs)]:
        if place not in ours:
            yield f"row {place} is expected to land and does not; {_why(place, found)}"
        elif place not in theirs:
            yield f"row {place} lands and is not expected to"
        else:
            yield from _cell_differences(place, ours[place], theirs[place])
    ours, theirs = _by_reason(found["notes"]), _by_reason(expected["notes"])
    for key in [*theirs, *(key for key in ours if key not in theirs)]:
        if ours.get(key) != theirs.get(key):
            where = f"row {key[0]}" if key[0] else "the payload"
            yield f"{where}: {key[1]}: found {ours.get(key)}, expected {theirs.get(key)}"


def _cell_differences(place: str, ours: Document, theirs: Document) -> Iterator[str]:
    for name in dict.fromkeys((*theirs, *ours)):
        if ours.get(name) != theirs.get(name):
            yield f"row {place}: {name}: found {ours.get(name)!r}, expected {theirs.get(name)!r}"


def _why(place: str, found: Document) -> str:
    reasons = [note["reason"] for note in found["notes"] if note.get("at") == place]
    return f"found {', '.join(reasons)}" if reasons else "nothing is noted of it"


def _by_place(rows: Sequence[Document]) -> dict[Any, Document]:
    return {row["_row"]: row for row in rows}


def _by_reason(notes: Sequence[Document]) -> dict[Any, Document]:
    return {(note.get("at", ""), note["reason"], note.get("column")): note for note in notes}

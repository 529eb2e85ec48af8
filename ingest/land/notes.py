"""Notes of a batch as rows of quarantine: bounded in number, each with the place where a person looks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import sqlalchemy as sa

from core.contract import Contract
from core.stages import Note, Payload
from core.store.quarantine import FOUND, QuarantineRow, quarantine
from ingest.conform.rows import LAST_WORD
from ingest.places import pack_places, unpack_places

NOT_LANDED_BEFORE = "a row that has not landed before"
ROWS = "rows"  # the grain of a note on many rows, whose locator is their packed places
NOTES_A_REASON = 1_000  # rows of a batch that get a note of their own for one reason and column


def source_ref_of(payload_ref: str, locator: str, is_file: bool) -> str:
    """Where a person looks: `file:line` for files, the key itself for rows of services and databases."""
    name = payload_ref.rsplit("/", 1)[-1] if is_file else payload_ref
    if not locator:
        return name
    return f"{name}:{locator}" if is_file else locator


def record_notes(
    connection: sa.Connection,
    contract: Contract,
    batch_id: str,
    notes: Sequence[Note],
    payload: Payload,
    archive_sha256: str,
) -> None:
    """Write what was found in a batch."""
    if not notes:
        return
    # Of RAW a sequence says enough; what never came there is named by the door that it came to.
    is_named = contract.server.kind == "files" or (contract.is_stream and not payload.source_ref.startswith("raw:"))
    rows = [
        QuarantineRow(
            feed_id=contract.id,
            batch_id=batch_id,
            reason=note.reason,
            grain=note.grain,
            outcome=note.outcome,
            source_ref=source_ref_of(payload.source_ref, _shown(note), is_named),
            locator=note.locator,
            column_name=note.column,
            found=note.found,
            expected=note.expected,
            n_rows=note.n_rows,
            archive_sha256=archive_sha256,
            contract_version=contract.version,
            at=payload.received_at,
        )
        for note in drawn_together(notes)
    ]
    connection.execute(sa.insert(quarantine), FOUND.rows(rows))


def left_out(contract: Contract, reason: str, expected: str, places: Sequence[str]) -> list[Note]:
    """What is noted of rows that a batch left out: each by itself, but those of a stream, which repeats by nature."""
    if contract.is_stream:
        return [Note(reason, "batch", "ignored", " ".join(places), None, None, expected, len(places))] if places else []
    return [Note(reason, "row", "ignored", place, expected=expected) for place in places]


def is_listing(grain: str, expected: str | None) -> bool:
    """Whether such a note's locator lists row places, separated by blanks: those that a stream's batch left out."""
    return grain == "batch" and expected in (NOT_LANDED_BEFORE, LAST_WORD)


def places_of(grain: str, locator: str) -> list[str]:
    """The row places that a note of the ledger stands for: one, or many; none of a batch or a file."""
    if grain == ROWS:
        return list(unpack_places(locator))
    return [locator] if grain == "row" else []


def drawn_together(notes: Sequence[Note]) -> list[Note]:
    """Notes for the ledger: of rows with one reason and column the first thousand, and one note for all the others.

    What was found in the others is in the archived bytes; their places are kept, so that restore and replay know them.
    """
    kept: list[Note] = []
    more: dict[tuple[object, ...], list[Note]] = {}
    seen: Counter[tuple[object, ...]] = Counter()
    for note in notes:
        kind = (note.reason, note.outcome, note.column, note.expected)
        seen[kind] += note.grain == "row"
        if note.grain == "row" and seen[kind] > NOTES_A_REASON:
            more.setdefault(kind, []).append(note)
        else:
            kept.append(note)
    for rest in more.values():
        packed = pack_places(note.locator for note in rest)
        kept.append(replace(rest[0], grain=ROWS, locator=packed, found=None, n_rows=len(rest), alarm=None))
    return kept


def _shown(note: Note) -> str:
    """The place that stands behind the source: none of a note on many rows."""
    return "" if note.grain == ROWS or is_listing(note.grain, note.expected) else note.locator

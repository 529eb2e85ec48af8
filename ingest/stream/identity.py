"""Whether whoever passed the door may speak for the device that a row names.

The door knows the sender by its topic or session; the id in a body, a sub-package or a station's group is only a
claim. A sender may speak for itself and for devices that the register places behind it; any other row is kept out,
with a note, before it is anybody's reading.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import polars as pl

from ingest.contract import Contract
from ingest.parse.columns import ROW, physical_names
from ingest.stages import Note, RawTable

FOREIGN_DEVICE = "foreign_device"

MaySpeak = Callable[[Contract, str, str], bool]  # feed, sender, device


def rightful(raw: RawTable, contract: Contract, may_speak: MaySpeak) -> RawTable:
    """The rows whose sender may speak for them; a note on each of the others."""
    owner = contract.by_concept("device_id") or contract.by_concept("object_id")
    senders = raw.senders
    if senders is None or owner is None or len(physical_names(owner)) != 1 or raw.frame.is_empty():
        return raw
    claimed = raw.frame[physical_names(owner)[0]].str.strip_chars()
    doubtful = ((claimed != senders) & (senders != "")).fill_null(False).arg_true().to_list()
    foreign = [row for row in doubtful if not may_speak(contract, senders[row], claimed[row])]
    if not foreign:
        return raw
    expected = "the sender itself, or a device that the register places behind it"
    notes = tuple(
        Note(
            FOREIGN_DEVICE, "row", "quarantined", raw.frame[ROW][row], owner.name,
            f"{senders[row]} speaks for {claimed[row]}"[:80], expected,
        )
        for row in foreign
    )  # fmt: skip
    kept = pl.Series([True]).new_from_index(0, raw.frame.height).scatter(foreign, False)
    return replace(
        raw,
        frame=raw.frame.filter(kept),
        notes=(*raw.notes, *notes),
        received_us=None if raw.received_us is None else raw.received_us.filter(kept),
        is_history=None if raw.is_history is None else raw.is_history.filter(kept),
        senders=senders.filter(kept),
    )

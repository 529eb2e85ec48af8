"""Whether whoever passed the door may speak for the device that a row names.

The door knows the sender by its topic or session; the id in a body, a sub-package or a station's group is only a
claim. A sender may speak for itself and for devices that the register places behind it; any other row is kept out,
with a note, before it is anybody's reading.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import polars as pl

from core.contract import Contract
from core.stages import Note, RawTable
from ingest.parse.columns import ROW, physical_names

FOREIGN_DEVICE = "foreign_device"
UNKNOWN_DEVICE = "unknown_device"
IDENTITY_REASONS = (FOREIGN_DEVICE, UNKNOWN_DEVICE)


class Rights(Protocol):
    """Who may speak, as the registers say."""

    def refresh(self) -> None:
        """Read what has landed since: the door may know a device that was registered a moment ago."""
        ...

    def is_known(self, contract: Contract, sender: str) -> bool:
        """Whether a register lists the sender, or a person let it in."""
        ...

    def may_speak(self, contract: Contract, sender: str, device_id: str) -> bool:
        """Whether a known sender may speak for another device."""
        ...


def of_unknown(raw: RawTable, contract: Contract, rights: Rights) -> pl.Series | None:
    """Which rows come from senders in no register; None when all are known."""
    if raw.senders is None or raw.frame.is_empty():
        return None
    strangers = [one for one in raw.senders.unique().to_list() if one and not rights.is_known(contract, one)]
    if strangers:
        rights.refresh()
        strangers = [one for one in strangers if not rights.is_known(contract, one)]
    return raw.senders.is_in(strangers) if strangers else None


def rightful(raw: RawTable, contract: Contract, rights: Rights) -> RawTable:
    """The rows whose sender is known and may speak for them; a note on each of the others."""
    unknown = of_unknown(raw, contract, rights)
    if unknown is not None:
        raw = replace(raw.where(~unknown), notes=(*raw.notes, *_strangers(raw.where(unknown))))
    owner = contract.by_concept("device_id") or contract.by_concept("object_id")
    senders = raw.senders
    if senders is None or owner is None or len(physical_names(owner)) != 1 or raw.frame.is_empty():
        return raw
    claimed = raw.frame[physical_names(owner)[0]].str.strip_chars()
    doubtful = ((claimed != senders) & (senders != "")).fill_null(False).arg_true().to_list()
    foreign = [row for row in doubtful if not rights.may_speak(contract, senders[row], claimed[row])]
    if foreign:
        rights.refresh()
        foreign = [row for row in foreign if not rights.may_speak(contract, senders[row], claimed[row])]
    if not foreign:
        return raw
    expected = "the sender itself, or a device that the register places behind it"
    notes = tuple(
        Note(
            FOREIGN_DEVICE,
            "row",
            "quarantined",
            raw.frame[ROW][row],
            owner.name,
            f"{senders[row]} speaks for {claimed[row]}"[:80],
            expected,
        )
        for row in foreign
    )
    kept = pl.Series([True]).new_from_index(0, raw.frame.height).scatter(foreign, False)
    return replace(raw.where(kept), notes=(*raw.notes, *notes))


def _strangers(raw: RawTable) -> list[Note]:
    expected = "a device of the register, or one that was let in"
    places, senders = raw.frame[ROW].to_list(), [] if raw.senders is None else raw.senders.to_list()
    return [
        Note(UNKNOWN_DEVICE, "row", "quarantined", place, None, sender[:80], expected)
        for place, sender in zip(places, senders, strict=True)
    ]

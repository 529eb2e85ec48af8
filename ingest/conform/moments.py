"""Event times against transmission times: late, from the future, in the wrong time zone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from core.civil_time import CIVIL_OFFSET
from core.contract import Column, Contract
from ingest.conform.findings import Rows

LATE_AFTER = timedelta(days=2)
FUTURE_AFTER = timedelta(minutes=10)
ZONE_SHIFT = CIVIL_OFFSET
ZONE_TOLERANCE = timedelta(minutes=10)
ZONE_SHARE = 0.8
ZONE_MIN_ROWS = 6
_LATE_CONCEPTS = ("observed_at", "occurred_at")


@dataclass(frozen=True, slots=True)
class Delay:
    """How long after its event each row was transmitted (negative: before it), null where a time is missing.

    `has_sent` says whether the department tells transmission times; else the receipt stands for them. Nothing is sent
    after it was received: a later time is a wrong clock, and receipt stands for it.
    """

    event: Column
    has_sent: bool
    seconds: pl.Series

    @property
    def tells_late(self) -> bool:
        """Whether lateness means anything here: facts whose department tells when it sent them."""
        return self.has_sent and self.event.concept in _LATE_CONCEPTS


def delay_of(contract: Contract, values: dict[str, pl.Series], received_at: datetime) -> Delay | None:
    """The delay of every row; None for registers."""
    event, sent = contract.event_time, contract.by_concept("transmitted_at")
    if event is None:
        return None
    moment = values[event.name]
    received = pl.Series("sent", [received_at], dtype=pl.Datetime("us", "UTC")).new_from_index(0, len(moment))
    told = received if sent is None else values[sent.name]
    if told.null_count():
        told = told.zip_with(told.is_not_null(), received)
    told = told.zip_with(told <= received, received)
    seconds = (told - moment).cast(pl.Int64).cast(pl.Float64) / 1_000_000
    return Delay(event, sent is not None, seconds)


def late(delay: Delay) -> pl.Series:
    """Rows sent more than two days after their event."""
    return pl.Series(delay.seconds.to_numpy() > LATE_AFTER.total_seconds())


def future(delay: Delay) -> pl.Series:
    """Rows whose event is more than ten minutes after they were sent."""
    return pl.Series(delay.seconds.to_numpy() < -FUTURE_AFTER.total_seconds())


def ahead(values: pl.Series, received_at: datetime) -> pl.Series:
    """Instants that receipt cannot have seen."""
    return (values > received_at + FUTURE_AFTER).fill_null(False)


def shifted_groups(
    delay: Delay, groups: pl.Series | None, rows: npt.NDArray[np.bool_]
) -> Iterator[tuple[str, Rows, int, float]]:
    """Groups of rows whose clocks are eight hours off: (group, all its rows, shifted rows, hours).

    A group is one device of a service or database, or the whole file (`groups` None). Only `rows` are looked at.
    """
    seconds = np.abs(delay.seconds.to_numpy())
    shifted = pl.Series(np.abs(seconds - ZONE_SHIFT.total_seconds()) <= ZONE_TOLERANCE.total_seconds())
    if not delay.has_sent or not shifted.any():
        return
    names = pl.Series("group", [""]).new_from_index(0, len(shifted)) if groups is None else groups.alias("group")
    frame = pl.DataFrame({"group": names, "shifted": shifted, "seconds": delay.seconds}).with_row_index("row")
    summary = (
        frame.filter(pl.Series(rows))
        .group_by("group", maintain_order=True)
        .agg(pl.len().alias("n"), pl.col("shifted").sum(), pl.col("row"), pl.col("seconds").median())
        .filter(pl.col("n") >= ZONE_MIN_ROWS, pl.col("shifted") >= pl.col("n") * ZONE_SHARE)
    )
    for name, _, count, members, seconds in summary.iter_rows():
        yield name or "", np.array(members, dtype=np.int64), count, -seconds / 3600

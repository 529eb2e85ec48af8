"""When each row was received, and the event times of devices judged against it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from core.contract import Contract
from core.stages import RawTable
from ingest.conform.clocks import UNSET, Judged
from ingest.conform.columns import ColumnRead
from ingest.conform.context import ConformContext
from ingest.values.times import INSTANT


@dataclass(frozen=True, slots=True)
class Receipt:
    """Receipt of every row, and the event time as it was sent where receipt stands for it (null elsewhere)."""

    at: pl.Series
    event_time_sent: pl.Series


def receipt_of(raw: RawTable, context: ConformContext) -> Receipt:
    """Receipt at the first door for what devices sent, else that of the payload."""
    height = raw.frame.height
    at = (
        raw.received_us.cast(INSTANT).alias("_received_at")
        if raw.received_us is not None
        else pl.Series("_received_at", [context.received_at], dtype=INSTANT).new_from_index(0, height)
    )
    return Receipt(at, pl.Series("_event_time_sent", [None], dtype=pl.String).new_from_index(0, height))


def judge_clocks(
    raw: RawTable, contract: Contract, context: ConformContext, receipt: Receipt, event: ColumnRead, owners: pl.Series
) -> Judged:
    """Judge the event times of a stream's rows; `owners` says whose clock each is."""
    received = receipt.at.cast(pl.Int64).to_numpy()
    times = event.values.cast(pl.Int64)
    events = (times.fill_null(UNSET) if times.null_count() else times).to_numpy()
    history = np.zeros(len(events), bool) if raw.is_history is None else raw.is_history.to_numpy()
    return context.clocks.judge(contract, owners, events, received, history)


def replaced(values: pl.Series, receipt: Receipt, wrong: pl.Series, places: pl.Series) -> pl.Series:
    """Event times with receipt in the place of wrong ones.

    Rows of one message were received at one instant: each gets as many microseconds more as it has rows before it, so
    that rows of one device never fall together.
    """
    numbers = places.str.splitn(".", 3).struct.field("field_2").cast(pl.Int64, strict=False).fill_null(0)
    instead = (receipt.at.to_physical() + numbers).cast(INSTANT)
    return values.zip_with(~wrong, instead)


def as_text(instants: pl.Series) -> pl.Series:
    """Instants as ISO 8601 with offset, which every contract's time format gives way to."""
    return instants.dt.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00")

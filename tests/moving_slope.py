"""One slope with one device, in a home: its registers, and readings that landed while nobody alerted."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import polars as pl
import sqlalchemy as sa

from core.catalogue import load_contracts
from core.settings import Home
from warehouse import synthetic

READINGS, REGISTERS = "resources.geo_reading", ("resources.geo_point", "resources.geo_device")
CONTRACTS = load_contracts()
DEVICE = "resources:D000000"
FAST_MM_PER_H = 9.5  # 228 mm a day; the rule is red from 22.86


def register_slope(home: Home, engine: sa.Engine) -> None:
    """The point and the device that stands at it."""
    for feed_id in REGISTERS:
        frame = synthetic.rows_of(CONTRACTS[feed_id], date(2026, 11, 1), 1)
        synthetic.land_rows(home, engine, CONTRACTS[feed_id], frame, feed_id)


def land_slope(
    home: Home,
    engine: sa.Engine,
    last_at: datetime,
    mm_per_h: float,
    hours: int = 30,
    clock_ahead: timedelta = timedelta(0),
) -> None:
    """Hourly readings up to an instant, at one speed."""
    contract = CONTRACTS[READINGS]
    names = {column.concept: column.landed_name for column in contract.landed_columns}
    one = synthetic.rows_of(contract, date(2026, 11, 1), 1)
    frame = pl.concat(
        one.with_columns(
            pl.lit(last_at + clock_ahead - timedelta(hours=back)).dt.cast_time_unit("us").alias(names["observed_at"]),
            pl.lit(last_at - timedelta(hours=back)).dt.cast_time_unit("us").alias("_received_at"),
            pl.lit(1000 - mm_per_h * back).alias("displacement_mm"),
            pl.lit(str(back)).alias("_row"),
            pl.lit(None, pl.String).alias(names["quality_flag"]),
        )
        for back in range(hours, -1, -1)
    )
    synthetic.land_rows(home, engine, contract, frame, "before")

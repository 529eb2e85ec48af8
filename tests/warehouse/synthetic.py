"""Plausible landed rows made from a contract alone, and a ledger that calls them live."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import polars as pl
import sqlalchemy as sa

from core.civil_time import CIVIL_ZONE
from core.contract import Column, Contract
from core.settings import Home
from core.stages import META_COLUMNS
from core.store import tables
from ingest.land.files import write_files

LANDED_META = {**META_COLUMNS, "_lon": pl.Float64(), "_lat": pl.Float64()}
POLARS_TYPES = {
    "string": pl.String(),
    "number": pl.Float64(),
    "integer": pl.Int64(),
    "boolean": pl.Boolean(),
    "date": pl.Date(),
    "timestamp": pl.Datetime("us", "UTC"),
}
COUNTIES = ("420502", "420503", "420504", "420506")


def rows_of(contract: Contract, day: date, n: int, seed: int = 0, received_at: datetime | None = None) -> pl.DataFrame:
    """`n` rows in landed shape whose events fall on one Beijing day. Keys are the same for every day and seed."""
    rng = random.Random(f"{contract.id} {day} {seed}")
    midnight = datetime.combine(day, time(), landing_zone())
    received = received_at or (midnight + timedelta(days=1, minutes=5)).astimezone(UTC)
    records = [_record(contract, rng, midnight, index, received) for index in range(n)]
    columns = {c.landed_name: POLARS_TYPES[c.logical_type] for c in contract.landed_columns}
    return pl.DataFrame(records, schema={**columns, **LANDED_META}, orient="row")


def land_rows(
    home: Home,
    engine: sa.Engine,
    contract: Contract,
    frame: pl.DataFrame,
    batch_id: str,
    state: str = "admitted",
) -> None:
    """Write a frame as one batch and put it into the ledger, as ingest does after its checks."""
    files = write_files(home, contract, batch_id, frame.with_columns(pl.lit(batch_id).alias("_batch_id")))
    received_at = frame["_received_at"][0] if frame.height else datetime(2026, 1, 1, tzinfo=UTC)
    with engine.begin() as connection:
        connection.execute(
            sa.insert(tables.batch).values(
                batch_id=batch_id,
                feed_id=contract.id,
                contract_version=contract.version,
                source_ref="test",
                media="json",
                archive_sha256=batch_id,
                received_at=received_at,
                rows_in=frame.height,
                rows_landed=frame.height,
                rows_quarantined=0,
                rows_ignored=0,
                state=state,
                run_id="test",
            )
        )
        for file in files:
            connection.execute(
                sa.insert(tables.file).values(
                    path=str(file.path),
                    batch_id=batch_id,
                    feed_id=contract.id,
                    landed_on=file.landed_on,
                    rows=file.rows,
                    bytes=file.bytes,
                    state="live",
                )
            )


def land_city(
    home: Home, engine: sa.Engine, contracts: Mapping[str, Contract], days: Sequence[date], n: int = 8
) -> None:
    """Every feed: registers once, facts on each of the days."""
    for contract in contracts.values():
        for day in days[:1] if contract.is_register else days:
            land_rows(home, engine, contract, rows_of(contract, day, n), f"{contract.slug}-{day}")


def landing_zone() -> Any:
    """The zone of the civil day that files are named for."""

    return CIVIL_ZONE


def _record(contract: Contract, rng: random.Random, midnight: datetime, index: int, received: datetime) -> list[Any]:
    has_place = contract.by_concept("lon") is not None or contract.by_concept("geometry_wkt") is not None
    lon, lat = 111.2 + index / 100, 30.6 + index / 100
    county = COUNTIES[index % len(COUNTIES)]
    values = [_value(contract, c, rng, midnight, index, lon, lat, county) for c in contract.landed_columns]
    place = (county, lon, lat) if has_place else (county if contract.by_concept("area_code") else None, None, None)
    return [*values, "", str(index + 1), received, "", None, None, *place]


def _value(
    contract: Contract,
    column: Column,
    rng: random.Random,
    midnight: datetime,
    index: int,
    lon: float,
    lat: float,
    county: str,
) -> Any:
    """One plausible value: ids count, events lie within the day, everything else within its limits."""
    day = midnight.date()
    match column.concept:
        case "object_id" | "device_id":
            return f"{column.concept[:1].upper()}{index:06d}"
        case "event_id" | "inspection_id":
            return f"{day:%Y%m%d}-{index:06d}"
        case "observed_at" | "occurred_at" | "inspected_at":
            # Devices of all feeds have the same ids here, so each feed reports at a second of its own.
            return (midnight + timedelta(minutes=index % 1440, seconds=len(contract.id))).astimezone(UTC)
        case "transmitted_at":
            return (midnight + timedelta(minutes=index % 1440 + 1)).astimezone(UTC)
        case "area_code":
            return county
        case "lon" | "lat":
            return lon if column.concept == "lon" else lat
        case "credit_code":
            return f"9142050{index % 5}MA00000000"[:18]
        case "enterprise_name":
            return f"宜昌企业{index % 5}有限公司"
        case "geometry_wkt":
            return f"LINESTRING ({lon} {lat}, {lon + 0.001} {lat})"
    if column.allowed:
        return rng.choice(column.allowed)
    low = column.minimum if column.minimum is not None else 0.0
    high = column.maximum if column.maximum is not None else low + 100.0
    match column.logical_type:
        case "number":
            return round(rng.uniform(low, high), 3)
        case "integer":
            return rng.randint(int(low), int(high))
        case "boolean":
            return rng.random() < 0.5
        case "date":
            return day - timedelta(days=rng.randrange(3000))
        case "timestamp":
            return (midnight + timedelta(minutes=rng.randrange(1440))).astimezone(UTC)
        case _:
            is_key = column.key_position is not None
            return f"{column.name}-{index:06d}" if is_key else f"{column.name} {rng.randrange(100)}"

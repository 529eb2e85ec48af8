"""Landed files and ledger rows for quality tests, made from contracts alone: good by construction, then spoilt."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from core.catalogue import load_contracts
from core.contract import Column, Contract
from core.settings import Home
from core.store import tables

NOW = datetime(2026, 7, 30, 4, 0, tzinfo=UTC)  # noon in Beijing
N_DEVICES = 5
_SERIAL = count(1)
_POLARS: dict[str, pl.DataType] = {
    "string": pl.String(),
    "number": pl.Float64(),
    "integer": pl.Int64(),
    "boolean": pl.Boolean(),
    "date": pl.Date(),
    "timestamp": pl.Datetime("us", "UTC"),
}


def good_rows(contract: Contract, n: int = 200, day: date = date(2026, 7, 30)) -> pl.DataFrame:
    """`n` rows that keep every promise of the contract; facts lie in the morning of one Beijing day."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=8)
    step = timedelta(minutes=715) / max(1, (n - 1) // N_DEVICES)  # the last readings are of 11:55
    rows = []
    for i in range(n):
        device, moment = i % N_DEVICES, start + (i // N_DEVICES) * step
        rows.append({c.landed_name: _good(contract, c, i, device, moment, day) for c in contract.landed_columns})
    schema = {c.landed_name: _POLARS["string" if c.mask == "hash" else c.logical_type] for c in contract.landed_columns}
    return pl.DataFrame(rows, schema=schema)


def _good(contract: Contract, column: Column, i: int, device: int, moment: datetime, day: date) -> Any:
    referring = {r.arguments.get("column") for r in contract.rules if r.kind == "reference"}
    is_fact = contract.event_time is not None
    if column.name in referring or (is_fact and column.name in contract.key and len(contract.key) > 1):
        i = device
    match "string" if column.mask == "hash" else column.logical_type:
        case "string":
            if column.allowed:
                return column.allowed[i % len(column.allowed)]
            prefix = day.strftime("%m%d") if is_fact and contract.key == (column.name,) else ""
            varying = [f"K{prefix}{i:07d}", f"{10 + i}-43-2", f"K{i:015d}", f"1{i:09d}", f"1{i:011d}"]
            codes = [*varying, "420502", "01"]
            return next(code for code in codes if re.search(_pattern(contract, column), code))
        case "number" | "integer":
            low = column.minimum if column.minimum is not None else 0
            high = column.maximum if column.maximum is not None else low + 100
            value = (low + high) / 2 + (i % 7 - 3) / 10 + (day.toordinal() % 5) / 10
            return int(value) if column.logical_type == "integer" else value
        case "boolean":
            return i % 2 == 0
        case "date":
            return day
    return moment


@cache
def _catalogue() -> dict[str, Contract]:
    return load_contracts()


def _pattern(contract: Contract, column: Column) -> str:
    """What a code must look like; one that refers to a register looks as it does there."""
    for rule in contract.rules:
        if rule.kind == "reference" and rule.arguments["column"] == column.name:
            return _catalogue()[rule.arguments["feed"]].column(rule.arguments["to"]).pattern or ""
    return column.pattern or ""


def land(
    home: Home,
    engine: sa.Engine,
    contract: Contract,
    frames: Iterable[tuple[date, pl.DataFrame]],
    *,
    state: str = "landed",
    run_id: str = "run-1",
    rows_ignored: int = 0,
    batch_id: str | None = None,
) -> list[Path]:
    """One batch with one file for each day; gives the files' paths."""
    serial = next(_SERIAL)
    batch_id = batch_id or f"batch-{serial:06d}"
    paths, files = [], []
    for day, frame in frames:
        relative = Path(*contract.id.split(".")) / day.isoformat() / f"{batch_id}.parquet"
        path = home.landing / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        with_meta(frame, batch_id).write_parquet(path)
        paths.append(path)
        files.append(
            {
                "path": str(relative),
                "batch_id": batch_id,
                "feed_id": contract.id,
                "landed_on": day.isoformat(),
                "rows": len(frame),
                "bytes": path.stat().st_size,
                "state": "live",
            }
        )
    rows = sum(f["rows"] for f in files)
    with engine.begin() as connection:
        connection.execute(
            tables.batch.insert().values(
                batch_id=batch_id,
                feed_id=contract.id,
                contract_version=contract.version,
                source_ref="test",
                media="csv",
                archive_sha256=f"{serial:064x}",
                received_at=NOW - timedelta(hours=1),
                rows_in=rows,
                rows_landed=rows,
                rows_quarantined=0,
                rows_ignored=rows_ignored,
                state=state,
                run_id=run_id,
            )
        )
        if files:
            connection.execute(tables.file.insert(), files)
    return paths


def with_meta(frame: pl.DataFrame, batch_id: str) -> pl.DataFrame:
    """The columns that every landed file has beside the contract's own."""
    n = len(frame)
    return frame.with_columns(
        pl.lit(batch_id).alias("_batch_id"),
        pl.Series("_row", [str(i + 2) for i in range(n)], dtype=pl.String),
        pl.lit(NOW).cast(pl.Datetime("us", "UTC")).alias("_received_at"),
        pl.lit("").alias("_flags"),
        pl.lit(None, dtype=pl.String).alias("_extra"),
        pl.lit(None, dtype=pl.String).alias("_area_code"),
    )


def land_good(
    home: Home, engine: sa.Engine, contracts: Mapping[str, Contract], *, state: str = "landed", history_days: int = 0
) -> None:
    """Good rows of every feed for today, and for facts an admitted history of the days before."""
    today = NOW.date()
    for contract in contracts.values():
        if contract.event_time is not None:
            for back in range(history_days, 0, -1):
                day = today - timedelta(days=back)
                land(home, engine, contract, [(day, good_rows(contract, day=day))], state="admitted", run_id="run-0")
        land(home, engine, contract, [(today, good_rows(contract, day=today))], state=state)

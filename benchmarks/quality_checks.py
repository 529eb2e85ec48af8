"""Time all checks of one reading feed over landed Parquet: `python benchmarks/quality_checks.py [--rows 20000000]`.

Makes the landed files and their ledger rows in a temporary folder first (not timed), then checks them in this process,
in turn with one hand-written pass of SQL over the same files (`quality_checks.sql`). The import of Great Expectations
is timed apart: a process pays it once, whatever it checks.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.catalogue import load_contracts
from core.contract import Contract
from core.settings import Home, open_home
from core.store import database, tables
from quality.engine import ExpectationEngine
from quality.run import Checker
from quality.verdict import Verdict

SCRIPT = Path(__file__).with_suffix(".sql")
NOW = datetime(2026, 7, 30, 16, 0, tzinfo=UTC)  # midnight in Beijing
FEED, REGISTER = "resources.geo_reading", "resources.geo_device"
DAYS = 20
HISTORY_DAYS = 8
HISTORY_SHARE = 0.05  # of the new rows, spread over the history days
N_DEVICES = 2000


def main() -> None:
    """Make, check, print one JSON line."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=20_000_000)
    arguments.add_argument("--copies", type=int, default=0, help="rows to land a second time, to be found")
    arguments.add_argument("--repeat", type=int, default=3)
    chosen = arguments.parse_args()
    contracts = load_contracts()
    with tempfile.TemporaryDirectory() as folder:
        home = open_home({}, Path(folder))
        engine = database.open_ops(home.ops_url)
        make(home, engine, contracts, chosen.rows, chosen.copies)
        print(json.dumps(timed_check(home, engine, contracts, chosen.rows, chosen.repeat)))
        engine.dispose()


def timed_check(
    home: Home, engine: sa.Engine, contracts: dict[str, Contract], rows: int, repeat: int
) -> dict[str, Any]:
    """Check the feed and say what took how long."""
    imports = _seconds(lambda: ExpectationEngine(home.build / "spill").close())
    by_hand_s, product_s = [], []
    verdicts: list[Verdict] = []
    for _ in range(repeat):
        by_hand_s.append(_seconds(lambda: by_hand(home)))
        with Checker(home, engine, contracts, "bench", NOW) as checker:
            product_s.append(_seconds(lambda: verdicts.extend(checker.check(contracts[FEED]))))
    hand, product = statistics.median(by_hand_s), statistics.median(product_s)
    last = {v.check_id: v for v in verdicts}
    return {
        "rows": rows,
        "checks": sum(v.kind != "refused" for v in last.values()),
        "not_passed": {v.check_id: v.observed for v in last.values() if v.verdict != "passed"},
        "import_s": round(imports, 1),
        "by_hand_s": round(hand, 1),
        "check_s": round(product, 1),
        "ratio": round(product / hand, 2),
        "peak_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2, 1),
        "duckdb": duckdb.__version__,
    }


def by_hand(home: Home) -> None:
    """Run the hand-written pass on a connection of its own."""
    readings = sorted(map(str, home.landing.glob("resources/geo_reading/*/*.parquet")))
    files = {
        "new": [path for path in readings if not path.endswith("past.parquet")],
        "past": [path for path in readings if path.endswith("past.parquet")],
        "devices": sorted(map(str, home.landing.glob("resources/geo_device/*/*.parquet"))),
    }
    script = SCRIPT.read_text(encoding="utf-8")
    for name, paths in files.items():
        script = script.replace("{" + name + "}", str(paths))
    with duckdb.connect(":memory:", config={"memory_limit": "4GB"}) as connection:
        connection.execute(script).fetchall()


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def make(home: Home, engine: sa.Engine, contracts: dict[str, Contract], rows: int, copies: int) -> None:
    """New readings of 20 days in two batches, a thin history before them, and their register."""
    contract, first_day = contracts[FEED], (NOW + timedelta(hours=8)).date() - timedelta(days=DAYS)
    land(home, engine, contracts[REGISTER], "register", "admitted", {"2026-07-01": _devices(contracts[REGISTER])})
    past = {
        (first_day - timedelta(days=back)).isoformat(): int(rows * HISTORY_SHARE / HISTORY_DAYS)
        for back in range(HISTORY_DAYS, 0, -1)
    }
    land(home, engine, contract, "past", "admitted", {d: _readings(contract, d, n, 0, n) for d, n in past.items()})
    half = rows // DAYS // 2
    days = [(first_day + timedelta(days=i)).isoformat() for i in range(DAYS)]
    for part, batch_id in enumerate(("first", "second")):
        for day in days:
            land_file(home, engine, contract, batch_id, day, _readings(contract, day, half, part * half, 2 * half))
        _record(engine, contract, batch_id, "landed")
    if copies:
        land(home, engine, contract, "copy", "landed", {days[-1]: _readings(contract, days[-1], copies, 0, 2 * half)})


def _readings(contract: Contract, day: str, n: int, offset: int, per_day: int) -> pl.DataFrame:
    """`n` readings of a Beijing day that has `per_day`, from place `offset` on; the same place, the same row."""
    start = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(hours=8)
    i = pl.int_range(offset, offset + n, eager=True).alias("i")
    step_us = 86_400_000_000 * N_DEVICES // max(per_day, N_DEVICES)
    moment = (pl.lit(start) + pl.duration(microseconds=(pl.col("i") // N_DEVICES) * step_us)).dt.cast_time_unit("us")
    noise = (pl.col("i").hash(seed=7) % 10_000) / 10_000
    values: dict[str, pl.Expr] = {
        "device_id": pl.format("D{}", (pl.col("i") % N_DEVICES).cast(pl.String).str.zfill(6)),
        "observed_at": moment,
        "recorded_at": moment,
        "quality_flag": pl.lit("normal"),
        "displacement_mm": noise * 10 + 5,
        "battery_v": noise + 12,
    }
    columns = [values.get(c.landed_name, noise).alias(c.landed_name) for c in contract.landed_columns]
    return i.to_frame().select(columns)


def _devices(contract: Contract) -> pl.DataFrame:
    """The register: only its key is read."""
    return pl.DataFrame({"device_id": [f"D{i:06d}" for i in range(N_DEVICES)]})


def land(
    home: Home, engine: sa.Engine, contract: Contract, batch_id: str, state: str, frames: dict[str, pl.DataFrame]
) -> None:
    """One batch with one file a day."""
    for day, frame in frames.items():
        land_file(home, engine, contract, batch_id, day, frame)
    _record(engine, contract, batch_id, state)


def land_file(home: Home, engine: sa.Engine, contract: Contract, batch_id: str, day: str, frame: pl.DataFrame) -> None:
    """Write one file; `_record` makes it live."""
    path = home.landing / contract.department_code / contract.feed / day / f"{batch_id}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.with_columns(
        pl.lit(batch_id).alias("_batch_id"), pl.lit(NOW).dt.cast_time_unit("us").alias("_received_at")
    ).write_parquet(path, compression="zstd", compression_level=1)


def _record(engine: sa.Engine, contract: Contract, batch_id: str, state: str) -> None:
    """The ledger rows of a batch whose files are written."""
    home = Path(str(engine.url.database)).parent
    files = sorted((home / "landing" / contract.department_code / contract.feed).glob(f"*/{batch_id}.parquet"))
    with engine.begin() as connection:
        connection.execute(
            tables.batch.insert().values(
                batch_id=batch_id,
                feed_id=contract.id,
                contract_version=contract.version,
                source_ref="benchmark",
                media="csv",
                archive_sha256="0" * 64,
                received_at=NOW,
                rows_in=0,
                rows_landed=0,
                rows_quarantined=0,
                rows_ignored=0,
                state=state,
                run_id=state,
            )
        )
        connection.execute(
            tables.file.insert(),
            [
                {
                    "path": str(f.relative_to(home / "landing")),
                    "batch_id": batch_id,
                    "feed_id": contract.id,
                    "landed_on": f.parent.name,
                    "rows": 0,
                    "bytes": f.stat().st_size,
                    "state": "live",
                }
                for f in files
            ],
        )


if __name__ == "__main__":
    main()

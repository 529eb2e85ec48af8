"""Landed Parquet to published tables against a hand-written script: `benchmarks/warehouse_20m.py [--readings N]`.

Makes one feed's landed files and their ledger rows first (not timed). Then, in turn and `--repeat` times: the script of
`warehouse_20m.sql`, and the product's own path (checks, manifest, dbt build with its tests, copy of the mart file).
Fixed start-up (imports, parse, seeds, every model on the registers alone) is measured apart. Both sides are compared:
the hourly roll-up must have the same rows and sums.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.catalogue import load_contracts
from core.contract import Contract
from core.settings import Home, open_home
from core.store import database, tables
from orchestration.build import NodeResult, build
from orchestration.manifest import write_manifest

SCRIPT = Path(__file__).with_suffix(".sql")
NOW = datetime(2026, 7, 30, 16, 30, tzinfo=UTC)
FIRST_DAY = date(2026, 7, 1)
DAYS, STEP_MIN, N_METRICS, N_POINTS = 30, 5, 5, 100
PER_DEVICE = DAYS * 24 * 60 // STEP_MIN * N_METRICS
READINGS, DEVICES, POINTS = "resources.geo_reading", "resources.geo_device", "resources.geo_point"
META = "'' as _flags, '1' as _row, null::varchar as _extra, timestamptz '2026-07-30 16:00:00+00' as _received_at"
COUNTIES = ("420502", "420503", "420504", "420505", "420506")


def main() -> None:
    """Make, run both sides in turn, print one JSON line."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--readings", type=int, default=20_000_000)
    arguments.add_argument("--repeat", type=int, default=3)
    arguments.add_argument("--no-checks", action="store_true", help="leave the checks of `quality` out")
    chosen = arguments.parse_args()
    contracts = load_contracts()
    with tempfile.TemporaryDirectory() as folder:
        home = open_home({}, Path(folder))
        engine = database.open_ops(home.ops_url)
        make_registers(home, engine, contracts)
        if not chosen.no_checks:
            from quality.engine import ExpectationEngine

            ExpectationEngine(home.build / "spill").close()  # its imports are start-up
        start_up = seconds(lambda: product_build(home, engine, contracts))
        fixed = seconds(lambda: product_build(home, engine, contracts))
        n_devices = max(1, chosen.readings // PER_DEVICE)
        make_readings(home, engine, contracts[READINGS], n_devices)
        hand, product, parts = [], [], []
        for _ in range(chosen.repeat):
            hand.append(seconds(lambda: by_hand(home)))
            parts.append(by_product(home, engine, contracts, not chosen.no_checks))
            product.append(sum(parts[-1].values()))
        compare(home)
        engine.dispose()
    by_hand_s, product_s = statistics.median(hand), statistics.median(product)
    result = {
        "readings": n_devices * PER_DEVICE,
        "by_hand_s": round(by_hand_s, 1),
        "product_s": round(product_s, 1),
        "product_parts_s": {name: round(statistics.median(p[name] for p in parts), 1) for name in parts[0]},
        "first_build_on_registers_alone_s": round(start_up, 1),
        "fixed_build_s": round(fixed, 1),
        "ratio": round(product_s / by_hand_s, 2),
        "ratio_without_fixed": round((product_s - fixed) / by_hand_s, 2),
        "peak_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2, 1),
        "duckdb": duckdb.__version__,
    }
    print(json.dumps(result))


def by_hand(home: Home) -> None:
    """Run the script into a fresh file."""
    path = home.root / "by_hand.duckdb"
    path.unlink(missing_ok=True)
    files = {
        name: str(landed_files(home, feed))
        for name, feed in (("readings", READINGS), ("devices", DEVICES), ("points", POINTS))
    }
    script = SCRIPT.read_text("utf-8")
    for name, listed in files.items():
        script = script.replace("{" + name + "}", listed)
    with duckdb.connect(str(path), config={"memory_limit": "4GB"}) as connection:
        connection.execute("set TimeZone = 'UTC'; set preserve_insertion_order = false")
        connection.execute(script)


def by_product(home: Home, engine: sa.Engine, contracts: Mapping[str, Contract], with_checks: bool) -> dict[str, float]:
    """Seconds of each step from landed files to a served copy, everything from nothing."""
    parts = {}
    if with_checks:
        from quality.run import check_feed

        set_state(engine, "landed")
        parts["checks"] = seconds(lambda: check_feed(home, engine, contracts[READINGS], contracts, "bench", NOW))
    set_state(engine, "admitted")
    slowest: list[NodeResult] = []
    parts["build"] = seconds(lambda: slowest.extend(product_build(home, engine, contracts)[:8]))
    for node in slowest:
        print(f"{node.seconds:7.1f} s  {node.name}", file=sys.stderr)
    parts["publish"] = seconds(lambda: shutil.copyfile(home.mart, home.root / "served.duckdb"))
    return parts


def product_build(home: Home, engine: sa.Engine, contracts: Mapping[str, Contract]) -> tuple[NodeResult, ...]:
    """Manifest and build, everything anew. Gives the nodes, the slowest first."""
    write_manifest(home, engine, contracts, NOW, "bench", "420500", full_refresh=True)
    result = build(home, full_refresh=True)
    if not result.success:
        raise SystemExit(result.message)
    return tuple(sorted(result.nodes, key=lambda node: -node.seconds))


def compare(home: Home) -> None:
    """Both hourly roll-ups must agree. Raises SystemExit when they do not."""
    query = (
        "select count(*), sum(n), sum(n_flagged), round(sum(mean_value), 3), round(sum(max_value), 3) "
        "from {}reading_hourly"
    )
    with duckdb.connect(str(home.root / "by_hand.duckdb"), read_only=True) as connection:
        hand = connection.execute(query.format("")).fetchone()
    with duckdb.connect(str(home.root / "served.duckdb"), read_only=True) as connection:
        product = connection.execute(query.format("mart.")).fetchone()
    if hand is None or product is None or any(abs(a - b) > 1e-6 * abs(a) for a, b in zip(hand, product, strict=True)):
        raise SystemExit(f"the two sides differ: by hand {hand}, product {product}")


def make_registers(home: Home, engine: sa.Engine, contracts: Mapping[str, Contract]) -> None:
    """Points in five counties, and more devices than any run needs."""
    place = "[" + ", ".join(f"'{code}'" for code in COUNTIES) + "]"
    land(
        home,
        engine,
        contracts[POINTS],
        "points",
        {
            FIRST_DAY: f"""
        select 'P' || lpad(i::varchar, 8, '0') as point_id, '点' || i as name_zh, 'landslide' as hazard_type,
          'medium' as scale, {place}[1 + i % 5] as area_code, {place}[1 + i % 5] as _area_code,
          111.3 + i / 1000 as _lon, 30.7 + i / 1000 as _lat, 20 as people_threatened, {META}
        from range({N_POINTS}) as t(i)"""
        },
    )
    land(
        home,
        engine,
        contracts[DEVICES],
        "devices",
        {
            FIRST_DAY: f"""
        select 'D' || lpad(i::varchar, 6, '0') as device_id, 'P' || lpad((i % {N_POINTS})::varchar, 8, '0') as point_id,
          'automatic' as device_class, 'gnss' as device_type, null::varchar as _area_code,
          null::double as _lon, null::double as _lat, {META}
        from range(5000) as t(i)"""
        },
    )


def make_readings(home: Home, engine: sa.Engine, contract: Contract, n_devices: int) -> None:
    """Two batches a day, every device every five minutes, one row in a hundred flagged."""
    steps = 24 * 60 // STEP_MIN // 2
    for half in range(2):
        land(
            home,
            engine,
            contract,
            f"readings-{half}",
            {
                FIRST_DAY + timedelta(days=day): f"""
            select 'D' || lpad(device::varchar, 6, '0') as device_id,
              timestamptz '{FIRST_DAY + timedelta(days=day)} 00:00:00+08'
                + to_minutes({STEP_MIN} * (step + {half * steps}))
                as observed_at, observed_at as recorded_at,
              10 + 5 * sin(device + step / 50) as displacement_mm, 1 + (device * 7 + step) % 100 / 50 as crack_width_mm,
              (device + step) % 90 / 45 as tilt_deg, greatest(0, sin(step / 20)) * 8 as rain_1h_mm,
              20 + (device + step) % 400 / 10 as soil_moisture_pct, 12.5 as battery_v,
              case when (device * 31 + step) % 100 = 0 then 'maintenance' else 'normal' end as quality_flag,
              null::varchar as _area_code, null::double as _lon, null::double as _lat, {META}
            from range({n_devices}) as t(device), range({steps}) as u(step)"""
                for day in range(DAYS)
            },
        )


def land(home: Home, engine: sa.Engine, contract: Contract, batch_id: str, days: Mapping[date, str]) -> None:
    """One admitted batch with one file a day, filled by a query."""
    paths = []
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        for day, query in days.items():
            path = Path(contract.department_code) / contract.feed / day.isoformat() / f"{batch_id}.parquet"
            (home.landing / path).parent.mkdir(parents=True, exist_ok=True)
            rows = f"select *, '{batch_id}' as _batch_id from ({query})"
            connection.execute(f"copy ({rows}) to '{home.landing / path}' (format parquet, compression zstd)")
            paths.append((day, path))
    record: dict[str, Any] = {
        "batch_id": batch_id,
        "feed_id": contract.id,
        "contract_version": contract.version,
        "source_ref": "benchmark",
        "media": "csv",
        "archive_sha256": "0" * 64,
        "received_at": NOW,
        "rows_in": 0,
        "rows_landed": 0,
        "rows_quarantined": 0,
        "rows_ignored": 0,
        "state": "admitted",
        "run_id": "bench",
    }
    files = [
        {
            "path": str(path),
            "batch_id": batch_id,
            "feed_id": contract.id,
            "landed_on": day.isoformat(),
            "rows": 0,
            "bytes": 0,
            "state": "live",
        }
        for day, path in paths
    ]
    with engine.begin() as connection:
        connection.execute(tables.batch.insert().values(**record))
        connection.execute(tables.file.insert(), files)


def set_state(engine: sa.Engine, state: str) -> None:
    """Put the readings' batches before or behind their checks."""
    with engine.begin() as connection:
        connection.execute(sa.update(tables.batch).where(tables.batch.c.feed_id == READINGS).values(state=state))


def landed_files(home: Home, feed_id: str) -> list[str]:
    """Absolute paths of a feed's files."""
    return sorted(str(path) for path in (home.landing / feed_id.replace(".", "/")).glob("*/*.parquet"))


def seconds(act: Callable[[], object]) -> float:
    """How long an act takes by the clock on the wall."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()

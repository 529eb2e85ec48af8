"""How fast rows reach contract shape: `python benchmarks/conform.py [--rows 300000] [--ticks 80]`.

One process, no broker, no store. *table*: one payload of gas readings as a parser gives it, conformed once. *ticks*:
encrypted-store messages of 1,250 JSON readings (50 ms at 25,000/s) unpacked, parsed and conformed, device clocks
remembered from tick to tick. Rows a second of processor time, the median of the repeats. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.boundaries import load_areas
from core.catalogue import load_contracts
from core.stages import RawTable
from core.stream.bundle import StoredMessage
from core.stream.live import micros
from core.stream.raw import RawEntry, pack
from ingest.conform import ConformContext, DeviceClocks, conform
from ingest.parse.frames import tables_of

START = datetime(2026, 8, 15, 2, 30, tzinfo=UTC)
N_DEVICES = 20_000
TICK_ROWS = 1250
TICK = timedelta(milliseconds=50)
REPEATS = 5


def main() -> None:
    """Make the payloads, conform them a few times, print one JSON line."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=300_000)
    arguments.add_argument("--ticks", type=int, default=80)
    given = arguments.parse_args()
    contract, areas = load_contracts()["urban.gas_reading"], load_areas()
    table = RawTable(pl.DataFrame(columns(given.rows)))
    bundles = [bundle(i) for i in range(given.ticks)]

    def whole_table() -> int:
        context = ConformContext(START + timedelta(minutes=2), b"k" * 32, areas)
        return conform(table, contract, context).frame.height

    def ticks() -> int:
        clocks, rows = DeviceClocks(), 0
        for i, message in enumerate(bundles):
            context = ConformContext(START + i * TICK, b"k" * 32, areas, clocks=clocks)
            raw = tables_of([message], [contract])[contract.id]
            rows += conform(raw, contract, context).frame.height
        return rows

    print(json.dumps({"table": rate(whole_table, given.rows), "ticks": rate(ticks, given.ticks * TICK_ROWS)}))


def rate(run: Callable[[], int], expected: int) -> dict[str, int]:
    """Rows a second of processor time after one run that warms up; every row must come through."""
    run()
    rates = []
    for _ in range(REPEATS):
        started = time.process_time()
        rows = run()
        rates.append(rows / (time.process_time() - started))
        if rows != expected:
            raise SystemExit(f"{rows:,} rows came through, {expected:,} expected: the figure would be of another work")
    return {"rows": expected, "rows_per_processor_s": round(statistics.median(rates))}


def columns(n_rows: int) -> dict[str, list[str]]:
    """A payload of readings, every text as a parser leaves it."""
    return {
        "_row": [str(i + 1) for i in range(n_rows)],
        "deviceId": [device(i) for i in range(n_rows)],
        "ts": [str(micros(START + timedelta(seconds=i // N_DEVICES)) // 1000) for i in range(n_rows)],
        "ch4Lel": [f"{i % 97 / 10}" for i in range(n_rows)],
        "ch4Vol": [f"{i % 31 / 10}" for i in range(n_rows)],
        "press": [f"{200 + i % 50}" for i in range(n_rows)],
        "temp": [f"{i % 300 / 10}" for i in range(n_rows)],
        "st": ["0"] * n_rows,
    }


def bundle(number: int) -> StoredMessage:
    """One tick of single readings from as many devices."""
    at = START + number * TICK
    entries = []
    for i in range(number * TICK_ROWS, (number + 1) * TICK_ROWS):
        body = {
            "deviceId": device(i),
            "ts": micros(at) // 1000,
            "ch4Lel": i % 97 / 10,
            "ch4Vol": 0.4,
            "press": 201,
            "temp": 18.5,
            "st": "0",
        }
        entries.append(RawEntry(device(i), micros(at), json.dumps(body).encode()))
    return StoredMessage(number + 1, pack(entries), 0)


def device(number: int) -> str:
    """The id of a detector."""
    return f"GD4205{number % N_DEVICES:08d}"


if __name__ == "__main__":
    main()

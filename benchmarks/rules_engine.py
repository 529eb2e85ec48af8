"""How fast the rule engine folds readings from memory, and how large it is at 500,000 live points.

`python benchmarks/rules_engine.py [--readings N] [--points N] [--open N]`: all committed rules, one process, no broker,
no store. A reading is one value; a batch of 100 readings is 20 rows of 5 metrics, one of 1 is a row with one. Readings
a second are of processor time, the median of three folds by new engines; each memory is of a process of its own.
Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from alerting.engine import Asset, Engine, Registry, shapes_of
from alerting.engine.episode import Change, EpisodeChange
from alerting.rules import RULE_FILES, RuleSet, load_rules
from core.catalogue import load_contracts
from core.stream.live import LiveBatch, micros
from orchestration.project import PROJECT, table_of

T0 = datetime(2026, 6, 1, tzinfo=UTC)
REPEATS = 3
GAS, TUNNEL, POSITION = "urban.gas_reading", "urban.tunnel_reading", "transport.vehicle_position"
METRICS = 5  # of a row


def rules() -> RuleSet:
    """The committed rules."""
    with tempfile.TemporaryDirectory() as scratch:
        for name in RULE_FILES:
            shutil.copy(table_of(PROJECT, name), scratch)
        return load_rules(Path(scratch))


def registry(n_devices: int) -> Registry:
    """Gas, tunnel and vehicle devices with their attributes, a third each."""
    devices = {}
    for i in range(n_devices // 3):
        for prefix, letter, attributes in (
            ("urban", "G", {"gateway_id": f"GW{i // 16}", "space_type": "adjacent_space"}),
            ("urban", "T", {"gateway_id": f"TW{i // 16}", "compartment_type": "gas", "sump_limit_m": 1.0}),
            ("transport", "V", {"vehicle_type": "heavy_truck", "speed_limit_kmh": 90.0}),
        ):
            asset = Asset(
                f"{prefix}:{letter}{i}", f"{prefix}:O{letter}{i}", None, f"对象{i}", 111.0, 30.0, "420502", attributes
            )
            devices[asset.id] = asset
    return Registry(shapes_of(load_contracts().values()), {}, devices)


def gas_batches(n_readings: int, rows: int, n_devices: int, leaks: float) -> Iterator[LiveBatch]:
    """Batches of `rows` rows with five cells each: four metrics and the flag; event times a minute apart a device."""
    chance = random.Random(1)
    place = 0
    for number in range(n_readings // (rows * METRICS)):
        received = T0 + timedelta(milliseconds=20 * number)
        at = micros(received) - 300_000
        keys = [f"G{(place + i) % n_devices}" for i in range(rows)]
        place += rows
        lel = [60.0 if chance.random() < leaks else 2.5 for _ in range(rows)]
        yield LiveBatch(
            GAS,
            received,
            "",
            {
                "device_id": keys,
                "observed_at": [at] * rows,
                "methane_pct_lel": lel,
                "methane_pct_vol": [0.12] * rows,
                "gas_pressure_kpa": [2.1] * rows,
                "air_temperature_c": [18.0] * rows,
                "quality_flag": ["normal"] * rows,
                "_lon": [None] * rows,
                "_lat": [None] * rows,
                "_area_code": ["420502"] * rows,
                "_flags": [""] * rows,
            },
        )


def mixed_batches(n_readings: int, n_devices: int) -> Iterator[LiveBatch]:
    """Tunnel rows and moving vehicles: five values a row, limits of each object, runs of driving, silences."""
    place, rows = 0, 20
    for number in range(n_readings // (rows * METRICS)):
        received = T0 + timedelta(milliseconds=20 * number)
        at = [micros(received) - 300_000] * rows
        index = [(place + i) % n_devices for i in range(rows)]
        place += rows
        if number % 2:
            yield LiveBatch(
                TUNNEL,
                received,
                "",
                {
                    "device_id": [f"T{i}" for i in index],
                    "observed_at": at,
                    "methane_pct_lel": [1.0] * rows,
                    "oxygen_pct_vol": [20.8] * rows,
                    "h2s_mg_m3": [0.1] * rows,
                    "air_temperature_c": [19.0] * rows,
                    "water_level_m": [0.2] * rows,
                    "quality_flag": ["normal"] * rows,
                },
            )
        else:
            yield LiveBatch(
                POSITION,
                received,
                "",
                {
                    "device_id": [f"V{i}" for i in index],
                    "observed_at": at,
                    "speed_kmh": [62.0] * rows,
                    "direction_deg": [90.0] * rows,
                    "alarm_bits": [0] * rows,
                    "acc_on": [True] * rows,
                    "_lon": [111.2] * rows,
                    "_lat": [30.7] * rows,
                    "_area_code": ["420502"] * rows,
                },
            )


def single_batches(n_readings: int, n_devices: int) -> Iterator[LiveBatch]:
    """Batches of one row with one value."""
    for number in range(n_readings):
        received = T0 + timedelta(milliseconds=2 * number)
        yield LiveBatch(
            GAS,
            received,
            "",
            {
                "device_id": [f"G{number % n_devices}"],
                "observed_at": [micros(received) - 300_000],
                "methane_pct_lel": [2.5],
                "quality_flag": ["normal"],
            },
        )


def leaking(n_devices: int, at: datetime) -> Iterator[LiveBatch]:
    """Every device far over its limit, and again after the hold."""
    for received in (at, at + timedelta(seconds=11)):
        for first in range(0, n_devices, 100):
            keys = [f"G{i}" for i in range(first, min(first + 100, n_devices))]
            n = len(keys)
            yield LiveBatch(
                GAS,
                received,
                "",
                {
                    "device_id": keys,
                    "observed_at": [micros(received)] * n,
                    "methane_pct_lel": [60.0] * n,
                    "quality_flag": ["normal"] * n,
                },
            )


def speed(engine: Engine, batches: list[LiveBatch], values_a_row: int) -> tuple[float, int]:
    """Readings a second of processor time (others may be busy on the machine), and how many changes came of them."""
    changes: list[EpisodeChange] = []
    started = time.process_time()
    for batch in batches:
        changes += engine.fold(batch)
    took = time.process_time() - started
    return sum(b.height for b in batches) * values_a_row / took, len(changes)


def measured(ruleset: RuleSet, city: Registry, batches: list[LiveBatch], values_a_row: int = METRICS) -> dict[str, Any]:
    """The median of some folds, each by a new engine."""
    found = [speed(Engine(ruleset, city), batches, values_a_row) for _ in range(REPEATS)]
    return {"readings_per_s": round(statistics.median(s for s, _ in found)), "changes": found[0][1]}


def memory(points: int, n_open: int) -> dict[str, Any]:
    """An engine that has heard every device of so many points, with so many episodes open."""
    ruleset, each, process = rules(), points // METRICS // 3, psutil.Process()
    city = registry(each * 3)
    engine = Engine(ruleset, city)
    for batch in gas_batches(each * METRICS, 100, each, 0.0):
        engine.fold(batch)
    for batch in mixed_batches(2 * each * METRICS, each):
        engine.fold(batch)
    opened = [
        change
        for batch in leaking(n_open, T0 + timedelta(minutes=10))
        for change in engine.fold(batch)
        if change.change is Change.OPENED and change.rule_id == "gas_methane_lel"
    ]
    whole_mb = round(process.memory_info().rss / 1e6)
    started = time.process_time()
    body = engine.snapshot()
    packed_s = time.process_time() - started
    started = time.process_time()
    Engine.restore(body, ruleset, city)
    return {
        "points": points,
        "devices": each * 3,
        "open_episodes": len(opened),
        "tracks": engine.open_count,
        "process_mb": whole_mb,
        "with_snapshot_and_restored_mb": round(process.memory_info().rss / 1e6),
        "snapshot_mb": round(len(body) / 1e6, 1),
        "snapshot_s": round(packed_s, 3),
        "restore_s": round(time.process_time() - started, 3),
    }


def alone(points: int, n_open: int) -> dict[str, Any]:
    """`memory` in a new process, so that nothing measured before counts."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(memory, points, n_open).result()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readings", type=int, default=1_000_000)
    parser.add_argument("--points", type=int, default=500_000)
    parser.add_argument("--open", type=int, default=10_000)
    arguments = parser.parse_args()
    ruleset, n = rules(), arguments.readings
    city = registry(9_000)
    print(
        json.dumps(
            {
                "rules": len(ruleset.rules),
                "quiet_100_a_batch": measured(ruleset, city, list(gas_batches(n, 20, 3_000, 0.0))),
                "leaks_100_a_batch": measured(ruleset, city, list(gas_batches(n, 20, 3_000, 0.001))),
                "mixed_100_a_batch": measured(ruleset, city, list(mixed_batches(n // 2, 3_000))),
                "one_a_batch": measured(ruleset, city, list(single_batches(n // 5, 3_000)), 1),
                "memory_quiet": alone(arguments.points, 0),
                "memory_open": alone(arguments.points, arguments.open),
            }
        )
    )


if __name__ == "__main__":
    main()

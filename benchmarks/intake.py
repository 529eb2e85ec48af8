"""Time intake alone behind a real broker: `python benchmarks/intake.py [--readings 3000000] [--pace 5000]`.

Drain: RAW is filled first (not timed), then intake takes everything to LIVE and into landed files. Paced: readings come
at a rate, and each is timed from its sending to its arrival behind LIVE. Durability class: any process may die
(`sync_interval` 2 min), landed files and ledger synced to disk.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import psutil
import sqlalchemy as sa
from nats.aio.client import Client
from nats.aio.msg import Msg

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.loopback import free_port
from core.running import read_running
from core.settings import SECRET_NAMES, Home, open_home
from core.store import database, tables
from core.stream import live, raw
from core.stream.broker import broker_command, broker_environment, choose_ports
from core.stream.client import connected
from core.stream.raw import RawEntry
from core.stream.streams import ensure_streams

ROOT = Path(__file__).resolve().parent.parent
FEED = "urban.gas_reading"
METRICS = 4
DEVICES = 3000
PORTS = ("CITYRISK_NATS_PORT", "CITYRISK_MQTT_BROKER_PORT", "CITYRISK_METRICS_PORT")


def main() -> None:
    """Run each shape of message, print one JSON line each."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--readings", type=int, default=3_000_000, help="readings to drain")
    arguments.add_argument("--singles", type=int, default=300_000, help="one-reading messages to drain")
    arguments.add_argument("--pace", type=int, default=5000, help="readings a second in the paced run, 0 for none")
    arguments.add_argument("--seconds", type=int, default=30, help="length of the paced run")
    chosen = arguments.parse_args()
    rows = 100 // METRICS
    for shape, entries, per_entry, metrics, count in (
        ("100 readings a message", 1, rows, METRICS, chosen.readings // (rows * METRICS)),
        ("one reading a message, 200 in a packet", 200, 1, 1, chosen.singles // 200),
    ):
        if count:
            with running() as home:
                print(json.dumps({"shape": shape, **asyncio.run(drain(home, count, entries, per_entry, metrics))}))
    if chosen.pace:
        with running() as home:
            print(json.dumps({"shape": "paced", **asyncio.run(paced(home, chosen.pace, chosen.seconds, rows))}))


@contextmanager
def running() -> Iterator[Home]:
    """A new home with a broker of its own."""
    with tempfile.TemporaryDirectory() as folder:
        keys = {name: base64.b64encode(secrets.token_bytes(32)).decode() for name in SECRET_NAMES}
        home = open_home({**keys, **{name: str(free_port()) for name in PORTS}}, Path(folder) / "var")
        home.root.mkdir()
        command = broker_command(home, choose_ports(home))
        broker = subprocess.Popen(
            command, env=broker_environment(home, os.environ), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            yield home
        finally:
            broker.terminate()
            broker.wait()


@contextmanager
def intake(home: Home) -> Iterator[psutil.Process]:
    """The intake process of a home, ready."""
    environment = {**os.environ, **home.environment, "CITYRISK_HOME": str(home.root)}
    process = subprocess.Popen([sys.executable, "-m", "ingest.intake.process"], cwd=ROOT, env=environment)
    try:
        while read_running(home, "intake") is None:
            if process.poll() is not None:
                raise RuntimeError("intake did not start")
            time.sleep(0.02)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


async def drain(home: Home, messages: int, entries: int, rows: int, metrics: int) -> dict[str, Any]:
    """Fill RAW, then time intake until everything has landed."""
    async with connected(home, "bench") as client:
        await settled(client, home)
        last = await fill(client, messages, entries, rows, metrics)
        engine = database.open_ops(home.ops_url)
        with intake(home) as process:
            began, cpu = time.perf_counter(), cpu_s(process)
            while position(engine) < last:
                await asyncio.sleep(0.05)
            spent, used = time.perf_counter() - began, cpu_s(process) - cpu
        landed = rows_landed(engine)
        engine.dispose()
    total = messages * entries * rows
    return {
        "readings": total * metrics,
        "rows": total,
        "rows_landed": landed,
        "seconds": round(spent, 2),
        "readings_per_s": round(total * metrics / spent),
        "rows_per_s": round(total / spent),
        "messages_per_s": round(messages * entries / spent),
        "cores": round(used / spent, 2),
        "core_share_at_60000_readings_s": round(used / (total * metrics) * 60_000, 2),
        "peak_mb": round(peak_mb(home)),
    }


async def paced(home: Home, pace: int, seconds: int, rows: int) -> dict[str, Any]:
    """Send at a rate; time each reading until a subscriber behind LIVE has it."""
    late_us: list[int] = []
    async with connected(home, "bench") as client, connected(home, "behind") as behind:
        await settled(client, home)
        with intake(home) as process:

            async def heard(message: Msg) -> None:
                now_us = time.time_ns() // 1000
                late_us.extend(now_us - at for at in live.unpack(message.data, 0).columns["observed_at"])

            await behind.jetstream().subscribe(f"live.{FEED}", cb=heard, ordered_consumer=True)
            began, cpu = time.perf_counter(), cpu_s(process)
            every, number = rows * METRICS / pace, 0
            while (at := time.perf_counter() - began) < seconds:
                body = raw.pack([RawEntry("", time.time_ns() // 1000, orjson.dumps(records(rows, METRICS, number)))])
                await client.jetstream().publish(f"raw.{FEED}._", body)
                number += 1
                await asyncio.sleep(max(0.0, number * every - at))
            await asyncio.sleep(1)
            used = cpu_s(process) - cpu
    late_us.sort()
    at = {share: round(late_us[int(len(late_us) * share)] / 1000) for share in (0.5, 0.99)}
    return {
        "readings_per_s": pace,
        "rows": len(late_us),
        "sent_rows": number * rows,
        "p50_ms": at[0.5],
        "p99_ms": at[0.99],
        "max_ms": late_us[-1] // 1000,
        "cores": round(used / (seconds + 1), 2),
    }


async def settled(client: Client, home: Home) -> None:
    """Streams that hold what the benchmark sends."""
    await ensure_streams(client, home, datetime.now(UTC))


async def fill(client: Client, messages: int, entries: int, rows: int, metrics: int) -> int:
    """Put messages into RAW; gives the last sequence."""
    jetstream, number, last = client.jetstream(), 0, 0
    for start in range(0, messages, 200):
        waits = []
        for _ in range(min(200, messages - start)):
            packed = []
            for _ in range(entries):
                packed.append(RawEntry("", time.time_ns() // 1000, orjson.dumps(records(rows, metrics, number))))
                number += 1
            waits.append(await jetstream.publish_async(f"raw.{FEED}._", raw.pack(packed)))
        for wait in waits:
            last = max(last, (await wait).seq)
    return last


def records(rows: int, metrics: int, number: int) -> Any:
    """Readings of now, none said twice; one alone is an object."""
    now_ms = time.time_ns() // 1_000_000
    values = {"ch4Lel": 3.25, "ch4Vol": 0.114, "press": 212.5, "temp": 18.4}
    found = [
        {
            "deviceId": f"GD{(number * rows + row) % DEVICES:05d}",
            "ts": now_ms - number // DEVICES * 10 % 10**7,
            **{name: round(value + random.random(), 2) for name, value in list(values.items())[:metrics]},
            "st": "0",
        }
        for row in range(rows)
    ]
    return found if rows > 1 else found[0]


def cpu_s(process: psutil.Process) -> float:
    """Processor seconds used so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def peak_mb(home: Home) -> float:
    """Peak memory of the last intake, as its children's maximum."""
    import resource

    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def position(engine: sa.Engine) -> int:
    """How far RAW has landed."""
    with engine.connect() as connection:
        return int(connection.scalar(sa.select(sa.func.max(tables.stream_position.c.sequence))) or 0)


def rows_landed(engine: sa.Engine) -> int:
    """Rows in live files."""
    with engine.connect() as connection:
        return int(connection.scalar(sa.select(sa.func.sum(tables.file.c.rows))) or 0)


if __name__ == "__main__":
    main()

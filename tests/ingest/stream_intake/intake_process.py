"""A real intake process beside a real broker, readings for it, and what became of them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from core.running import read_running
from core.settings import Home
from core.store import database
from core.store.landed import live_files
from core.stream import live, raw
from core.stream.raw import RawEntry
from core.stream.streams import LIVE
from waiting import PATIENCE_S

ROOT = Path(__file__).resolve().parents[3]
GAS = "urban.gas_reading"

Key = tuple[str, int]


class IntakeServer:
    """`python -m ingest.intake.process` of a home; it can be killed and started again."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; returns once it has left its note."""
        (self.home.run / "intake.json").unlink(missing_ok=True)
        environment = {**os.environ, **self.home.environment, "CITYRISK_HOME": str(self.home.root)}
        self.home.run.mkdir(parents=True, exist_ok=True)
        with (self.home.run / "intake.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "ingest.intake.process"],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + PATIENCE_S
        while read_running(self.home, "intake") is None:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("intake did not come up:\n" + self.log_text())
            time.sleep(0.02)

    def kill(self) -> None:
        """End it as a crash does (SIGKILL)."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it as its manager does (SIGTERM)."""
        assert self.process is not None
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()

    def log_text(self) -> str:
        """What it said."""
        return (self.home.run / "intake.log").read_text("utf-8", "replace")


@contextmanager
def running_intake(home: Home) -> Iterator[IntakeServer]:
    """An intake until the block ends."""
    server = IntakeServer(home)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def reading(device: str, at_ms: int, lel: float = 1.5, **more: Any) -> dict[str, Any]:
    """One record of the gas feed as a detector sends it."""
    return {
        "deviceId": device,
        "ts": at_ms,
        "ch4Lel": lel,
        "ch4Vol": 0.1,
        "press": 210.0,
        "temp": 18,
        "st": "0",
        **more,
    }


def message(*bodies: Any, at: datetime | None = None) -> bytes:
    """A RAW message with one entry a body, received now or at another moment."""
    received_at_us = time.time_ns() // 1000 if at is None else live.micros(at)
    entries = [b if isinstance(b, bytes) else json.dumps(b).encode() for b in bodies]
    return raw.pack([RawEntry("", received_at_us, entry) for entry in entries])


async def live_rows(client: Client, feed_id: str) -> list[dict[str, Any]]:
    """Every row that LIVE holds of a feed, in stream order, with the source of its message."""
    rows: list[dict[str, Any]] = []
    try:
        last = (await client.jsm().get_last_msg(LIVE, f"live.{feed_id}")).seq
    except NotFoundError:
        return rows
    subscription = await client.jetstream().subscribe(f"live.{feed_id}", ordered_consumer=True)
    while True:
        found = await asyncio.wait_for(subscription.next_msg(timeout=10), 10)
        batch = live.unpack(found.data, found.metadata.sequence.stream)
        names = list(batch.columns)
        rows += [
            {**dict(zip(names, values, strict=True)), "source": batch.source}
            for values in zip(*batch.columns.values(), strict=True)
        ]
        if batch.sequence >= (last or 0):
            await subscription.unsubscribe()
            return rows


def keys_in_live(rows: Sequence[dict[str, Any]]) -> Counter[Key]:
    """How often LIVE has each reading."""
    return Counter((row["device_id"], row["observed_at"] // 1000) for row in rows)


def landed(home: Home, feed_id: str) -> pl.DataFrame:
    """All live landed rows of a feed."""
    engine = database.open_ops(home.ops_url)
    files = live_files(engine, home, feed_id)
    engine.dispose()
    return pl.concat([pl.read_parquet(path) for path in files]) if files else pl.DataFrame()


def keys_landed(home: Home, feed_id: str) -> Counter[Key]:
    """How often each reading has landed."""
    frame = landed(home, feed_id)
    if frame.is_empty():
        return Counter()
    return Counter(zip(frame["device_id"], frame["observed_at"].dt.epoch("ms"), strict=True))

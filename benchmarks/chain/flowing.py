"""How much goes through: at a steady rate, and in a burst that is drained."""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.chain.generator import templates_of
from benchmarks.chain.outcome import (
    acknowledged_rows,
    alerted_to,
    compare,
    landed_rows,
    landed_to,
    last_sequences,
    settle,
    waiting_in_sessions,
)
from benchmarks.chain.place import Fleet
from benchmarks.chain.programs import ROOT, Chain
from core.store import database

BURST_RATE, BURST_SECONDS = 200_000, 20.0
DRAINED_WITHIN_S = 900.0


def throughput(chain: Chain, fleet: Fleet, options: argparse.Namespace) -> dict[str, Any]:
    """Send at a rate; everything must be landed and alerted as fast as it comes."""
    return _flow(chain, fleet, options, options.rate, options.seconds)


def burst(chain: Chain, fleet: Fleet, options: argparse.Namespace) -> dict[str, Any]:
    """200,000 readings/s for 20 s; how long until all of it is through."""
    return _flow(chain, fleet, options, BURST_RATE, BURST_SECONDS)


def order_of(chain: Chain, fleet: Fleet, shape: str, rate: float, seconds: float, name: str = "gateway") -> Path:
    """The order of a generator, written into the home."""
    templates_readings = 1 if shape == "ones" else 100
    environment = chain.home.environment
    order = {
        "shape": shape,
        "gas": fleet.gas,
        "tunnel": fleet.tunnel,
        "messages_per_s": rate / templates_readings,
        "seconds": seconds,
        "port": int(environment["CITYRISK_MQTT_PORT"]),
        "user": "urban",
        "password": environment["CITYRISK_NATS_PASSWORD_URBAN"],
        "client_id": name,
        "acknowledged_file": str(chain.home.run / f"{name}.acknowledged"),
    }
    path = chain.home.run / f"{name}.order"
    path.write_text(json.dumps(order), encoding="utf-8")
    return path


def started_generator(order: Path) -> subprocess.Popen[str]:
    """A generator that works off an order."""
    line = [sys.executable, str(ROOT / "benchmarks/chain/generator.py"), str(order)]
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *line], stdout=subprocess.PIPE, text=True)


def totals(generator: subprocess.Popen[str]) -> dict[str, Any]:
    """What a generator said; returns when it has ended."""
    said, _ = generator.communicate()
    if generator.returncode:
        raise RuntimeError("the generator failed; its words are above")
    return dict(json.loads(said))


def _flow(chain: Chain, fleet: Fleet, options: argparse.Namespace, rate: int, seconds: float) -> dict[str, Any]:
    order = order_of(chain, fleet, options.shape, rate, seconds)
    engine, has_alerting = database.open_ops(chain.home.ops_url), "alerting" in chain.names
    with chain.measured() as used:
        began = time.monotonic()
        sent = totals(started_generator(order))
        raw, live = asyncio.run(last_sequences(chain.home))
        lag = {"raw_messages": max(0, raw - _taken_to(chain)), "live_messages": max(0, live - alerted_to(engine))}
        through_s = settle(lambda: _is_in_live(chain), DRAINED_WITHIN_S, "intake's catching up")
        raw, live = asyncio.run(last_sequences(chain.home))
        if has_alerting:
            settle(lambda: alerted_to(engine) >= live, DRAINED_WITHIN_S, "alerting's catching up")
        alerted_s = time.monotonic() - began - sent["seconds"]
        settle(lambda: landed_to(engine) >= raw, DRAINED_WITHIN_S, "landing")
        landed_s = time.monotonic() - began - sent["seconds"]
    engine.dispose()
    chain.down()
    templates = templates_of(json.loads(order.read_text(encoding="utf-8")))
    rows = acknowledged_rows(chain.home.run / "gateway.acknowledged", templates)
    readings = compare(rows, landed_rows(chain.home))
    return {
        "asked_readings_per_s": rate,
        "sent_readings_per_s": round(sent["readings"] / sent["seconds"]),
        "readings": sent["readings"],
        "seconds": sent["seconds"],
        "generator": sent,
        "lag_at_end": lag,
        "live_after_s": round(through_s, 1),
        "alerted_after_s": round(alerted_s, 1),
        "landed_after_s": round(landed_s, 1),
        "through_readings_per_s": round(sent["readings"] / (sent["seconds"] + alerted_s)),
        "rows": asdict(readings),
        "durability": options.sync,
        **used.as_json(),
    }


def _taken_to(chain: Chain) -> int:
    raw, _ = asyncio.run(last_sequences(chain.home))
    return raw - int(chain.metrics("intake").get("cityrisk_intake_lag_messages", 0))


def _is_in_live(chain: Chain) -> bool:
    """Nothing is before LIVE: not in the devices' session at the broker, not in listen, not in RAW, in this order."""
    if asyncio.run(waiting_in_sessions(chain.home)) or chain.health("listen").get("pending_bytes", 0):
        return False
    return not chain.metrics("intake").get("cityrisk_intake_lag_messages", 0)

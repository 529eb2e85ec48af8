"""`python benchmarks/chain/generator.py ORDER.json`: a department's gateway that sends at a rate, as a process.

The order names port, credentials, devices, rate and length. Every message is remembered; those acknowledged are
written to a file of (template, instant) pairs, and one JSON line says at the end how it went. SIGTERM ends it early: it
waits for the answers that are due.
"""

from __future__ import annotations

import asyncio
import json
import signal
import struct
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.chain.messages import Template, hundreds, ones
from benchmarks.chain.senders import MqttSender

PAIR = struct.Struct(">IQ")  # template, instant in ms
INSTANT_BITS = 48
INSTANT_MASK = (1 << INSTANT_BITS) - 1
MOST_UNDER_WAY = 2000
DRAIN_WITHIN_S = 60.0


@dataclass
class Pace:
    """How far the sending is."""

    began: float
    sent: int = 0
    late_s: float = 0.0


def templates_of(order: dict[str, Any]) -> list[Template]:
    """The templates that an order means; the judge makes the same."""
    return ones(order["gas"]) if order["shape"] == "ones" else hundreds(order["gas"], order["tunnel"])


async def run(order: dict[str, Any], acknowledged: BinaryIO) -> dict[str, Any]:
    """Send what an order says; gives the totals."""
    templates = templates_of(order)
    topics = [template.topic.encode() for template in templates]
    instants = [0] * len(templates)
    readings = rows = 0
    sender = MqttSender(
        order["port"],
        order["user"],
        order["password"],
        order["client_id"],
        lambda token: acknowledged.write(PAIR.pack(token >> INSTANT_BITS, token & INSTANT_MASK)) and None,
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with sender:
        per_s = order["messages_per_s"]
        pace = Pace(time.monotonic())
        told_at = pace.began
        while not stop.is_set() and (passed := time.monotonic() - pace.began) < order["seconds"]:
            due = int(passed * per_s)
            while pace.sent < due:
                await sender.room(MOST_UNDER_WAY)
                number = pace.sent % len(templates)
                at_ms = max(time.time_ns() // 1_000_000, instants[number] + 1)
                instants[number] = at_ms
                sender.send(topics[number], templates[number].body(at_ms), number << INSTANT_BITS | at_ms)
                pace.sent += 1
                readings += templates[number].readings
                rows += len(templates[number].devices)
            pace.late_s = max(pace.late_s, time.monotonic() - pace.began - pace.sent / per_s)
            if time.monotonic() - told_at >= 1:
                told_at += 1
                acknowledged.flush()
            await asyncio.sleep(0.005)
        spent = time.monotonic() - pace.began
        deadline = time.monotonic() + DRAIN_WITHIN_S
        while sender.under_way and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
    return {
        "done": True,
        "sent": pace.sent,
        "acknowledged": sender.acknowledged,
        "seconds": round(spent, 2),
        "late_s": round(pace.late_s, 2),
        "readings": readings,
        "rows": rows,
        "connections": sender.connections,
        "cpu_s": round(time.process_time(), 1),
    }


def main() -> None:
    """Read the order, send, print the totals."""
    order = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with Path(order["acknowledged_file"]).open("wb") as acknowledged:
        print(json.dumps(asyncio.run(run(order, acknowledged))), flush=True)


if __name__ == "__main__":
    main()

"""How long a breach takes: from a device's sending to the alert row, to the duty desk's system, to a page's next look.

Two kinds of breach under load: an emergency button (JT/T 808 over TCP; the rule has no hold) and methane over MQTT
(the alert is pending at once and opens ten seconds later). The clock starts before the bytes leave the device, so each
figure holds the way to the gateway too.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.chain.flowing import order_of, started_generator, totals
from benchmarks.chain.looking import looking
from benchmarks.chain.messages import loud
from benchmarks.chain.place import Fleet
from benchmarks.chain.programs import Chain, environment
from benchmarks.chain.senders import MqttSender, Vehicle
from benchmarks.chain.watching import Watch, watching
from benchmarks.chain.webhook import Desk
from ingest.settings import Home
from ingest.stream.running import read_running

SETTLE_S = 15.0
HOLD_S = 10.0
SOS = 1
RESERVED_GAS = 400
AT_ONCE = 50


@dataclass
class Breaches:
    """Device of the unified model → the instant at which its breach was sent (Unix time)."""

    sos: dict[str, float] = field(default_factory=dict)
    methane: dict[str, float] = field(default_factory=dict)


def latency(chain: Chain, fleet: Fleet, options: argparse.Namespace) -> dict[str, Any]:
    """Breaches at random moments beside a steady load."""
    kept = len(fleet.gas) - min(RESERVED_GAS, len(fleet.gas) // 4)
    quiet = replace(fleet, gas=fleet.gas[:kept])
    order = order_of(chain, quiet, "hundreds", options.rate, options.seconds)
    with chain.measured() as used, watching(chain.home.ops_url) as watch, looking(chain.home) as shown:
        generator = started_generator(order)
        build = started_build(chain.home) if options.build else None
        breaches = asyncio.run(breach(chain, fleet.gas[kept:], fleet, options))
        sent = totals(generator)
        build_s = ended(build) if build else None
        time.sleep(SETTLE_S)
    desk: Desk | None = getattr(options, "desk", None)
    return {
        "readings_per_s": round(sent["readings"] / sent["seconds"]), "batch_run": build_s,
        **_report(breaches, watch, desk.first_told() if desk else {}, shown),
        "durability": options.sync, **used.as_json(),
    }  # fmt: skip


async def breach(chain: Chain, gas: tuple[str, ...], fleet: Fleet, options: argparse.Namespace) -> Breaches:
    """Send breaches of both kinds in turn, each device once, for the length of the run."""
    found, chance = Breaches(), random.Random(5)
    vehicles = [Vehicle(lambda: gateway_port(chain.home), phone, edition) for phone, edition in fleet.vehicles]
    await _greet(vehicles)
    sender = MqttSender(
        int(chain.home.environment["CITYRISK_MQTT_PORT"]), "urban",
        chain.home.environment["CITYRISK_NATS_PASSWORD_URBAN"], "breaches",
    )  # fmt: skip
    async with sender:
        began, tasks, number = time.monotonic(), set[asyncio.Task[None]](), 0
        detectors = list(gas)
        while time.monotonic() - began < options.seconds and vehicles and detectors:
            await asyncio.sleep(chance.expovariate(options.breaches))
            if number % 2:
                device = detectors.pop()
                template = loud(device)
                at = found.methane[f"urban:{device}"] = time.time()
                sender.send(template.topic.encode(), template.body(int(at * 1000)), number)
            else:
                vehicle = vehicles.pop()
                found.sos[f"transport:{vehicle.phone}"] = time.time()
                tasks.add(asyncio.create_task(vehicle.say(datetime.now(UTC), SOS)))
            number += 1
        await asyncio.gather(*tasks)
        await asyncio.sleep(max(0.0, options.seconds - (time.monotonic() - began)))
    return found


async def _greet(vehicles: list[Vehicle]) -> None:
    """Every terminal is connected and has said where it is."""
    for start in range(0, len(vehicles), AT_ONCE):
        at = datetime.now(UTC)
        await asyncio.gather(*(vehicle.say(at) for vehicle in vehicles[start : start + AT_ONCE]))


def gateway_port(home: Home) -> int | None:
    """Where listen takes JT/T 808 at this moment."""
    running = read_running(home, "listen")
    return running.ports.get("jt808") if running else None


def started_build(home: Home) -> tuple[subprocess.Popen[bytes], float]:
    """A batch run of the same home, as the orchestrator would start it."""
    program = str(Path(sys.executable).with_name("cityrisk"))
    with (home.run / "run.log").open("ab") as log:
        process = subprocess.Popen([program, "run"], env=environment(home), stdout=log, stderr=log)
    return process, time.monotonic()


def ended(build: tuple[subprocess.Popen[bytes], float]) -> dict[str, Any]:
    """How the batch run ended."""
    process, began = build
    return {"exit": process.wait(), "seconds": round(time.monotonic() - began, 1)}


def _report(breaches: Breaches, watch: Watch, told: dict[str, float], shown: dict[str, float]) -> dict[str, Any]:
    opened = {device: watch.first(device, ("opened",)) for device in (*breaches.sos, *breaches.methane)}
    pending = {device: watch.first(device, ("pending", "opened")) for device in breaches.methane}
    to_row = [one.at - at for device, at in breaches.sos.items() if (one := opened[device])]
    to_pending = [one.at - at for device, at in breaches.methane.items() if (one := pending[device])]
    to_open = [one.at - at - HOLD_S for device, at in breaches.methane.items() if (one := opened[device])]
    alerts = [(at, one.alert_id) for device, at in breaches.sos.items() if (one := opened[device])]
    to_desk = [told[alert_id] - at for at, alert_id in alerts if alert_id in told]
    to_page = [shown[alert_id] - at for at, alert_id in alerts if alert_id in shown]
    return {
        "sos_sent": len(breaches.sos), "sos_to_alert_ms": shares(to_row),
        "methane_sent": len(breaches.methane), "methane_to_pending_ms": shares(to_pending),
        "methane_open_after_hold_ms": shares(to_open),
        "sos_to_webhook_ms": shares(to_desk),
        "sos_to_page_ms": shares(to_page),
    }  # fmt: skip


def shares(seconds: list[float]) -> dict[str, Any]:
    """Count, median, 99 % and worst, in milliseconds."""
    if not seconds:
        return {"n": 0}
    found = sorted(seconds)
    at = {name: round(found[min(len(found) - 1, int(len(found) * share))] * 1000)
          for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))}  # fmt: skip
    return {"n": len(found), **at, "max": round(found[-1] * 1000)}

"""How long a breach takes: from a device's sending to the alert row, to the receiver's system, to a page's next look.

Two kinds of breach under load: an emergency button (JT/T 808 over TCP; the rule has no hold) and methane over MQTT
(the alert is pending at once and opens ten seconds later). The clock starts before the bytes leave the device, so each
figure holds the way to the gateway too.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from benchmarks.chain.flowing import order_of, started_generator, totals
from benchmarks.chain.looking import looking
from benchmarks.chain.messages import loud
from benchmarks.chain.place import Fleet, run_once
from benchmarks.chain.programs import Chain
from benchmarks.chain.senders import MqttSender, Vehicle
from benchmarks.chain.watching import Watch, watching
from benchmarks.chain.webhook import Receiver
from core.running import read_running
from core.settings import Home
from core.store import database, tables

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
    # The load goes on until the last hold has passed, so that no breach opens in a silence.
    order = order_of(chain, quiet, "hundreds", options.rate, options.seconds + HOLD_S + 2)
    with chain.measured() as used, watching(chain.home.ops_url) as watch, looking(chain.home) as shown:
        generator = started_generator(order)
        builder = Builder(chain.home)
        if options.build:
            builder.start()
        breaches = asyncio.run(breach(chain, fleet.gas[kept:], fleet, options))
        sent = totals(generator)
        builds = builder.stop() if options.build else []
        time.sleep(SETTLE_S)
    receiver: Receiver | None = getattr(options, "receiver", None)
    return {
        "readings_per_s": round(sent["readings"] / sent["seconds"]),
        "batch_runs": builds,
        **_report(breaches, watch, shown),
        **(_told(chain.home, breaches, watch, receiver) if receiver else {}),
        "durability": options.sync,
        **used.as_json(),
    }


async def breach(chain: Chain, gas: tuple[str, ...], fleet: Fleet, options: argparse.Namespace) -> Breaches:
    """Send breaches of both kinds in turn, each device once, for the length of the run."""
    found, chance = Breaches(), random.Random(5)
    vehicles = [Vehicle(lambda: gateway_port(chain.home), phone, edition) for phone, edition in fleet.vehicles]
    await _greet(vehicles)
    sender = MqttSender(
        int(chain.home.environment["CITYRISK_MQTT_PORT"]),
        "urban",
        chain.home.environment["CITYRISK_NATS_PASSWORD_URBAN"],
        "breaches",
    )
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


class Builder:
    """Full builds of the same home, one after the other, until told that it is enough."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._build, daemon=True)
        self.runs: list[dict[str, Any]] = []

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> list[dict[str, Any]]:
        """Wait for the last one; gives how each ended."""
        self._enough.set()
        self._thread.join()
        return self.runs

    def _build(self) -> None:
        while not self._enough.is_set():
            began = time.monotonic()
            code = run_once(self._home, "--full-refresh")
            self.runs.append({"exit": code, "seconds": round(time.monotonic() - began, 1)})


def _report(breaches: Breaches, watch: Watch, shown: dict[str, float]) -> dict[str, Any]:
    opened = {device: watch.first(device, ("opened",)) for device in (*breaches.sos, *breaches.methane)}
    pending = {device: watch.first(device, ("pending", "opened")) for device in breaches.methane}
    to_row = [one.at - at for device, at in breaches.sos.items() if (one := opened[device])]
    to_pending = [one.at - at for device, at in breaches.methane.items() if (one := pending[device])]
    to_open = [one.at - at - HOLD_S for device, at in breaches.methane.items() if (one := opened[device])]
    alerts = [(at, one.alert_id) for device, at in breaches.sos.items() if (one := opened[device])]
    to_page = [shown[alert_id] - at for at, alert_id in alerts if alert_id in shown]
    return {
        "sos_sent": len(breaches.sos),
        "sos_to_alert_ms": shares(to_row),
        "methane_sent": len(breaches.methane),
        "methane_to_pending_ms": shares(to_pending),
        "methane_open_after_hold_ms": shares(to_open),
        "sos_to_page_ms": shares(to_page),
    }


def _told(home: Home, breaches: Breaches, watch: Watch, receiver: Receiver) -> dict[str, Any]:
    """Seconds to the receiver: of the first breach of each group (later ones wait for its interval), of a delivery."""
    told, came = receiver.first_told(), receiver.deliveries()
    alert, delivery = tables.alert.c, tables.alert_delivery.c
    engine = database.open_ops(home.ops_url)
    with engine.connect() as connection:
        groups = dict(connection.execute(sa.select(alert.alert_id, alert.group_key)).tuples().all())
        query = sa.select(delivery.delivery_id, delivery.created_at).where(delivery.channel_id == "webhook")
        created = dict(connection.execute(query).tuples().all())
    engine.dispose()
    firsts: dict[str, float] = {}
    for device, at in breaches.sos.items():
        one = watch.first(device, ("opened",))
        if one is not None and one.alert_id in told:
            firsts.setdefault(groups[one.alert_id], told[one.alert_id] - at)
    way = [at - created[one].timestamp() for one, at in came.items() if one in created]
    return {"first_of_group_to_webhook_ms": shares(list(firsts.values())), "outbox_to_webhook_ms": shares(way)}


def shares(seconds: list[float]) -> dict[str, Any]:
    """Count, median, 99 % and worst, in milliseconds."""
    if not seconds:
        return {"n": 0}
    found = sorted(seconds)
    at = {
        name: round(found[min(len(found) - 1, int(len(found) * share))] * 1000)
        for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))
    }
    return {"n": len(found), **at, "max": round(found[-1] * 1000)}

"""Kill every program at random moments under load, then compare what was acknowledged with what there is."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from alerting.engine import Engine
from alerting.registry import load_registry
from alerting.rules.generations import load_newest
from benchmarks.chain.arriving import SOS, gateway_port
from benchmarks.chain.flowing import order_of, started_generator, totals
from benchmarks.chain.generator import templates_of
from benchmarks.chain.messages import GAS_ROWS, loud
from benchmarks.chain.outcome import (
    FEEDS,
    acknowledged_rows,
    alerted_to,
    compare,
    doubles,
    expected_members,
    fold_live,
    landed_rows,
    last_sequences,
    quarantined_rows,
    settle,
    stored_members,
)
from benchmarks.chain.place import Fleet
from benchmarks.chain.programs import Chain
from benchmarks.chain.senders import MqttSender, Vehicle
from core.catalogue import load_contracts
from core.settings import Home
from core.store import database

POSITIONS = "transport.vehicle_position"
HURRIED = {"CITYRISK_LANDING_ROWS": "2000", "CITYRISK_LANDING_S": "1"}
THROUGH_WITHIN_S = 180.0
WELL_SHARE = 0.75
LOUD_FOR = 3  # a detector says its breach so often, then that all is quiet: episodes begin and end


@dataclass
class Said:
    """What devices beside the generator said and what was acknowledged to them: (feed, device, instant in ms)."""

    acknowledged: set[tuple[str, str, int]] = field(default_factory=set)
    repeats: int = 0


class Disturbance:
    """Devices that breach their limits, in a thread of their own, until stopped."""

    def __init__(self, chain: Chain, gas: Sequence[str], vehicles: Sequence[tuple[str, int]], pause_s: float) -> None:
        self._chain, self._gas, self._vehicles, self._pause_s = chain, gas, vehicles, pause_s
        self.said = Said()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; returns once everything said is acknowledged."""
        self._stop.set()
        self._thread.join()

    async def _run(self) -> None:
        environment = self._chain.home.environment
        tokens: list[tuple[str, str, int]] = []
        sender = MqttSender(
            int(environment["CITYRISK_MQTT_PORT"]),
            "urban",
            environment["CITYRISK_NATS_PASSWORD_URBAN"],
            "detectors",
            lambda token: self.said.acknowledged.add(tokens[token]),
        )
        fleet = [Vehicle(lambda: gateway_port(self._chain.home), *one) for one in self._vehicles]
        async with sender:
            async with asyncio.TaskGroup() as tasks:
                for number, vehicle in enumerate(fleet):
                    tasks.create_task(self._drive(vehicle, number))
                await self._breach(sender, tokens)
            while sender.under_way:
                await asyncio.sleep(0.05)
        self.said.repeats = sum(vehicle.repeats for vehicle in fleet)

    async def _breach(self, sender: MqttSender, tokens: list[tuple[str, str, int]]) -> None:
        turn, at_ms = 0, 0
        while not self._stop.is_set():
            for number, device in enumerate(self._gas):
                is_loud = (turn + number) % (2 * LOUD_FOR) < LOUD_FOR
                template = loud(device, 60.0 + turn % 7 if is_loud else 1.0)
                at_ms = max(at_ms + 1, time.time_ns() // 1_000_000)
                tokens.append((template.feed_id, device, at_ms))
                sender.send(template.topic.encode(), template.body(at_ms), len(tokens) - 1)
                await asyncio.sleep(self._pause_s)
            turn += 1

    async def _drive(self, vehicle: Vehicle, number: int) -> None:
        """A position a second, from half a minute ago up to now, never ahead; the button is pressed every few.

        No further back: a clock that stays behind is replaced by receipt, and its rows would be others here.
        """
        at = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=30)
        turn = 0
        async with vehicle:
            while not self._stop.is_set():
                at += timedelta(seconds=1)
                await vehicle.say(at, SOS if (turn + number) % 8 < 2 else 0)
                self.said.acknowledged.add((POSITIONS, vehicle.phone, int(at.timestamp() * 1000)))
                turn += 1
                ahead_s = (at - datetime.now(UTC)).total_seconds() + 1.0
                await asyncio.sleep(max(self._pause_s, ahead_s))


def kill_all(chain: Chain, names: Sequence[str], kills: int, chance: random.Random, most_pause_s: float) -> list[str]:
    """Kill each of `names` so often, in a random order, and start it again at once; gives the order.

    Three times of four the victim has come to itself before: what is killed while it starts has little to lose.
    """
    order = [name for name in names for _ in range(kills)]
    chance.shuffle(order)
    for name in order:
        if chance.random() < WELL_SHARE:
            settle(lambda name=name: chain.is_well(name), 120, f"{name}'s getting well")
        # The moment is the thing under test: in the middle of work, or while the last one still gets up.
        time.sleep(chance.uniform(0.1, most_pause_s))
        chain.kill(name, and_start=True)
    return order


def under_fire(
    chain: Chain, fleet: Fleet, names: Sequence[str], kills: int, rate: float, most_pause_s: float, seed: int
) -> dict[str, Any]:
    """The whole experiment on a running chain; gives the report. The chain is down afterwards."""
    gas, vehicles = fleet.gas[:20], fleet.vehicles[:20]
    quiet = Fleet(fleet.gas[GAS_ROWS:], fleet.tunnel, ())  # from a whole gateway on: a sender speaks for its own
    order = order_of(chain, quiet, "hundreds", rate, 3600.0)
    generator = started_generator(order)
    disturbance = Disturbance(chain, gas, vehicles, 0.1)
    disturbance.start()
    began = time.monotonic()
    try:
        with chain.supervised() as ended:
            killed = kill_all(chain, names, kills, random.Random(seed), most_pause_s)
            settle(lambda: all(map(chain.is_well, chain.names)), 120, "everybody's getting well")
    finally:
        generator.send_signal(signal.SIGTERM)
        disturbance.stop()
    sent = totals(generator)
    spent = time.monotonic() - began
    templates = templates_of(json.loads(order.read_text(encoding="utf-8")))
    file = chain.home.run / "gateway.acknowledged"
    acknowledged = pl.concat([acknowledged_rows(file, templates), _as_frame(disturbance.said)])
    verdict = judge(chain, acknowledged)
    kills_of = {name: killed.count(name) for name in names}
    return {
        "kills": kills_of,
        "ended_by_themselves": ended,
        "seconds": round(spent, 1),
        "generator": sent,
        "gateway_repeats": disturbance.said.repeats,
        **verdict,
    }


def judge(chain: Chain, acknowledged: pl.DataFrame) -> dict[str, Any]:
    """Wait until everything is through, stop the chain from its source to its end, compare."""
    home, feeds = chain.home, (*FEEDS, POSITIONS)
    keys = ["feed_id", "device_id", "at_ms"]
    with contextlib.suppress(TimeoutError):  # the comparison says what is lost
        settle(
            lambda: acknowledged.join(landed_rows(home, feeds), on=keys, how="anti").is_empty(),
            THROUGH_WITHIN_S,
            "landing of all that was acknowledged",
        )
    chain.kill("listen", signal.SIGTERM)
    chain.kill("intake", signal.SIGTERM)
    _, live = asyncio.run(last_sequences(home))
    engine = database.open_ops(home.ops_url)
    has_alerting = "alerting" in chain.names
    if has_alerting:
        settle(lambda: alerted_to(engine) >= live, THROUGH_WITHIN_S, "alerting's catching up")
        chain.kill("alerting", signal.SIGTERM)
    landed = landed_rows(home, feeds)
    folded = asyncio.run(fold_live(home, fresh_engine(home), feeds))
    expected, stored = expected_members(folded.changes), stored_members(engine)
    twice, quarantined = doubles(engine), quarantined_rows(engine)
    engine.dispose()
    chain.down()
    return {
        "landed": asdict(compare(acknowledged, landed)),
        "live": asdict(compare(acknowledged, folded.rows)),
        "landed_not_live": landed.join(folded.rows, on=keys, how="anti").height,
        "live_not_landed": folded.rows.join(landed, on=keys, how="anti").height,
        "episodes": len(expected),
        "episodes_lost": len(expected.keys() - stored.keys()),
        "episodes_too_many": len(stored.keys() - expected.keys()),
        "episodes_other": sum(stored[key] != expected[key] for key in expected.keys() & stored.keys()),
        "twice": twice,
        "quarantined": quarantined,
    }


def fresh_engine(home: Home) -> Engine:
    """The engine as alerting makes it for a home, knowing nothing yet."""
    store = database.open_ops(home.ops_url)
    registry = load_registry(home, store, load_contracts().values())
    store.dispose()
    return Engine(load_newest(home.root), registry)


def faults_of(report: dict[str, Any]) -> list[str]:
    """What must be zero and is not."""
    numbers = {
        **{f"{place} {name}": report[place][name] for place in ("landed", "live") for name in ("lost", "twice")},
        **{
            name: report[name]
            for name in ("landed_not_live", "live_not_landed", "episodes_lost", "episodes_too_many", "episodes_other")
        },
        **{f"{name} twice": n for name, n in report["twice"].items()},
        **{f"quarantined as {reason}": n for reason, n in report["quarantined"].items()},
    }
    return [f"{name}: {n}" for name, n in numbers.items() if n]


def _as_frame(said: Said) -> pl.DataFrame:
    schema = {"feed_id": pl.String, "device_id": pl.String, "at_ms": pl.Int64}
    return pl.DataFrame(sorted(said.acknowledged), schema=schema, orient="row")

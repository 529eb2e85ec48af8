"""Intake and broker are killed at random under load: every acknowledged reading is in LIVE once and lands once."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import nats.errors
import pytest
from intake_process import GAS, IntakeServer, Key, keys_in_live, keys_landed, live_rows, message, reading

from broker_server import BrokerServer
from core.settings import Home
from core.stream.client import connected

KILLS = 5
DEVICES = 40


def hurried(home: Home) -> Home:
    """The home with small, frequent landings, so that kills fall between any two steps."""
    return replace(home, environment={**home.environment, "CITYRISK_LANDING_ROWS": "300", "CITYRISK_LANDING_S": "1"})


async def send(home: Home, stop: threading.Event, acknowledged: set[Key]) -> None:
    """Readings, each said once; those whose message the broker acknowledged are remembered."""
    base_ms, number = time.time_ns() // 1_000_000 - 60_000, 0
    async with connected(home, "devices") as client:
        while not stop.is_set():
            sent = [(f"GD{d:03d}", base_ms + number) for d in range(DEVICES)]
            number += 1
            records = [reading(device, at_ms) for device, at_ms in sent]
            with contextlib.suppress(nats.errors.Error, OSError):
                body, headers = message(records[:20], *records[20:]), {"Nats-Msg-Id": f"m{number}"}
                await client.jetstream().publish(f"raw.{GAS}._", body, headers=headers, timeout=2)
                acknowledged.update(sent)
            await asyncio.sleep(0.002)


def under_load(home: Home, disturb: Callable[[], None]) -> set[Key]:
    """What was acknowledged while things were killed. Servers live as long as the thread that starts them: ours."""
    stop, acknowledged = threading.Event(), set[Key]()
    sender = threading.Thread(target=lambda: asyncio.run(send(home, stop, acknowledged)))
    sender.start()
    try:
        disturb()
    finally:
        stop.set()
        sender.join()
    return acknowledged


async def once(home: Home, acknowledged: set[Key]) -> None:
    """Wait until everything landed, then compare."""
    deadline = time.monotonic() + 60
    while not acknowledged <= keys_landed(home, GAS).keys():
        missing = acknowledged - keys_landed(home, GAS).keys()
        assert time.monotonic() < deadline, f"{len(missing)} of {len(acknowledged)} have not landed"
        await asyncio.sleep(0.2)
    landed = keys_landed(home, GAS)
    async with connected(home, "judge") as client:
        in_live = keys_in_live(await live_rows(client, GAS))
    assert [key for key, n in landed.items() if n > 1] == []
    assert [key for key, n in in_live.items() if n > 1] == []
    assert set(landed) == set(in_live) >= acknowledged


@pytest.mark.slow
def test_intake_killed_at_random(broker: BrokerServer) -> None:
    home, chance = hurried(broker.home), random.Random(11)
    server = IntakeServer(home)
    server.start()

    def disturb() -> None:
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.05, 1.5))  # the point of the kill is the thing under test
            server.kill()
            server.start()
        time.sleep(0.5)

    acknowledged = under_load(home, disturb)
    assert len(acknowledged) > 1000
    asyncio.run(once(home, acknowledged))
    server.stop()


@pytest.mark.slow
def test_broker_killed_at_random(broker: BrokerServer) -> None:
    home, chance = hurried(broker.home), random.Random(7)
    server = IntakeServer(home)
    server.start()

    def disturb() -> None:
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.2, 1.0))
            broker.kill()
            broker.start()
        time.sleep(0.5)

    acknowledged = under_load(home, disturb)
    assert len(acknowledged) > 200
    asyncio.run(once(home, acknowledged))
    server.stop()

"""Beats leave only while alerting judges, over HTTP and a real broker; what does not get out is said by status."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from way_out import Receiver, receiving

from alerting.heartbeat import Heartbeat, Vitals
from alerting.heartbeat_standing import EVERY_S, MQTT_URL, URL, standing
from broker_server import BrokerServer
from core.contract import Contract
from core.running import write_running
from core.settings import NATS_PASSWORD, Home
from core.store.database import open_ops
from core.stream.broker import OUR_USER
from orchestration.doctor import examine

START = datetime(2026, 6, 1, tzinfo=UTC)
CONTRACTS: dict[str, Contract] = {}


async def beaten(process: Process) -> None:
    """One look, and then no connection is left."""
    await process.heart.turn()
    await process.heart.aclose()


class Process:
    """What alerting would say of itself, by a clock that only the test moves."""

    def __init__(self, home: Home, **settings: str) -> None:
        self.home = replace(home, environment={**home.environment, **settings})
        self.at = self.ticked_at = self.judged_at = START
        self.heart = Heartbeat(self.home, self.vitals, lambda: self.at)

    def vitals(self) -> Vitals:
        return Vitals(self.ticked_at, self.judged_at, START, 3, 7, {"sms": 2}, "")

    def lives(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.ticked_at = self.judged_at = self.at

    def hangs(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)

    def stands(self) -> str:
        return standing(self.home, self.at).state


@pytest.mark.case("live.F4")
async def test_a_beat_leaves_only_while_alerting_judges(home: Home) -> None:
    watcher = Receiver()
    async with receiving(watcher):
        process = Process(home, **{URL: f"{watcher.url}/ping", EVERY_S: "60"})
        assert process.stands() == "failing"  # nobody outside has heard of it yet
        assert await process.heart.turn()
        assert not await process.heart.turn()
        body = watcher.got[0].json
        assert (body["last_judged_at"], body["next_within_s"], body["undelivered"]) == (
            START.isoformat(),
            60,
            {"sms": 2},
        )
        process.lives(60)
        assert await process.heart.turn()
        assert process.stands() == "beating"
        process.hangs(3600)  # the process is there, and judges nothing
        assert not await process.heart.turn()
        assert (
            "the clock of alerting has not ticked since 2026-06-01 00:01:00Z"
            in standing(process.home, process.at).detail
        )
        process.ticked_at = process.at  # its clock ticks again, and no message of the stream comes
        assert not await process.heart.turn()
        assert "no message of the stream was judged" in standing(process.home, process.at).detail
        assert len(watcher.got) == 2
        process.lives(1)
        assert await process.heart.turn()
        assert (len(watcher.got), process.stands()) == (3, "beating")
        await process.heart.aclose()


async def test_a_watcher_that_refuses_is_said_and_asked_again(home: Home) -> None:
    watcher = Receiver(answers=[(200, "ok"), (503, "asleep"), (200, "ok")])
    async with receiving(watcher):
        process = Process(home, **{URL: watcher.url})
        await process.heart.turn()
        process.lives(60)
        await process.heart.turn()
        found = standing(process.home, process.at)
        assert found.state == "failing"
        assert "last delivered 2026-06-01 00:00:00Z: HTTP 503: asleep" in found.detail
        process.lives(60)
        await process.heart.turn()
        assert process.stands() == "beating"
        await process.heart.aclose()
    process.lives(181)
    assert process.stands() == "failing"  # three beats were missed, whatever the process says of itself


async def test_a_beat_goes_over_a_real_broker(home: Home, broker: BrokerServer) -> None:
    password = quote(broker.home.environment[NATS_PASSWORD], safe="")
    address = f"mqtt://{OUR_USER}:{password}@127.0.0.1:{broker.ports.mqtt}/watch/cityrisk"
    process = Process(home, **{MQTT_URL: address})
    assert await process.heart.turn()
    assert process.stands() == "beating"  # acknowledged by the broker
    await asyncio.to_thread(broker.kill)
    process.lives(60)
    await process.heart.turn()
    found = standing(process.home, process.at)
    assert (found.state, "ConnectionRefusedError" in found.detail) == ("failing", True)
    assert password not in json.dumps(found.detail)
    await process.heart.aclose()


@pytest.mark.parametrize(
    ("settings", "state", "says"),
    [
        ({}, "not set", "nobody outside this host notices"),
        ({URL: "ftp://x"}, "failing", "must begin with http"),
        ({MQTT_URL: "mqtt://host"}, "failing", "must read mqtt://"),
        ({URL: "http://127.0.0.1:9", EVERY_S: "often"}, "failing", "expected a whole number"),
        ({URL: "http://127.0.0.1:9", "CITYRISK_CHANNELS_DRY_RUN": "1"}, "dry run", "no beat leaves this home"),
    ],
)
def test_what_cannot_beat_says_why_and_holds_up_nothing(
    home: Home, settings: dict[str, str], state: str, says: str
) -> None:
    process = Process(home, **settings)
    if "often" not in settings.values():
        asyncio.run(beaten(process))
    found = standing(process.home, process.at)
    assert (found.state, says in found.detail) == (state, True), found


def test_the_doctor_says_whether_something_outside_would_ring(home: Home) -> None:
    process = Process(home, **{URL: "http://127.0.0.1:9"})
    asyncio.run(beaten(process))
    engine = open_ops(home.ops_url)
    try:

        def finding(of: Home) -> tuple[bool, str]:
            (found,) = (one for one in examine(of, engine, CONTRACTS, process.at) if one.subject == "heartbeat")
            return found.well, found.found

        assert finding(home)[1].startswith("not set: nobody outside this host")
        assert finding(process.home)[0]  # down on purpose
        write_running(home, "alerting", {}, START)
        well, found = finding(process.home)
        assert (well, found.startswith("failing: CITYRISK_HEARTBEAT_URL last delivered never: not reached")) == (
            False,
            True,
        )
    finally:
        engine.dispose()

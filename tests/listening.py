"""The listening process inside a test, devices that speak MQTT, and what stands in RAW afterwards."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from nats.aio.client import Client
from nats.js.errors import NotFoundError
from paho.mqtt.client import Client as MqttClient
from paho.mqtt.client import MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from core.catalogue import load_contracts
from core.contract import Contract
from core.running import read_running
from core.settings import NATS_PASSWORD, Home, open_home
from core.stream import raw
from core.stream.broker import our_user
from core.stream.raw import RawEntry
from core.stream.streams import RAW
from ingest.devices.serve import serve
from waiting import PATIENCE_S


def started_process(home: Home, *feeds: str) -> subprocess.Popen[bytes]:
    """A listening process of its own, for a test to kill; its note says when every door is open."""
    (home.run / "listen.json").unlink(missing_ok=True)
    environment = {**os.environ, **home.environment, "CITYRISK_HOME": str(home.root)}
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", sys.executable, __file__, *feeds], env=environment)


def now() -> datetime:
    """The clock of a process, not of a rule: doors measure how long a peer is silent."""
    return datetime.now(UTC)


def open_contracts(*feeds: str, **options: Any) -> dict[str, Contract]:
    """Contracts of some feeds as committed, but any device is known; `options` replace those of their servers."""
    chosen = {feed: contract for feed, contract in load_contracts().items() if feed in feeds}
    assert len(chosen) == len(feeds)
    more = {"unknownDevices": "accept", **options}
    return {
        feed: replace(one, server=replace(one.server, options=_without_register({**one.server.options, **more})))
        for feed, one in chosen.items()
    }


def _without_register(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != "register"}


@asynccontextmanager
async def listening(home: Home, contracts: Mapping[str, Contract]) -> AsyncIterator[Mapping[str, int]]:
    """Every door of a home is open for the length of a block; gives the ports by name."""
    (home.run / "listen.json").unlink(missing_ok=True)
    stop = asyncio.Event()
    task = asyncio.create_task(serve(home, contracts, now, stop))
    try:
        async with asyncio.timeout(PATIENCE_S):
            # While it waits for the broker, a process's note has no port but that of its metrics.
            doors = any(one.server.dialect in ("tcp", "udp") for one in contracts.values() if one.is_stream)
            while not task.done() and (
                (running := read_running(home, "listen")) is None or (doors and len(running.ports) == 1)
            ):
                await asyncio.sleep(0.01)
        if task.done():
            await task
        assert running is not None
        yield running.ports
    finally:
        stop.set()
        await task


async def entries_in_raw(client: Client) -> list[tuple[str, RawEntry]]:
    """(subject, entry) of everything in RAW, oldest first."""
    jsm = client.jsm()
    state = (await jsm.stream_info(RAW)).state
    found: list[tuple[str, RawEntry]] = []
    for sequence in range(state.first_seq, state.last_seq + 1):
        try:
            message = await jsm.get_msg(RAW, sequence)
        except NotFoundError:
            continue
        found += [(str(message.subject), entry) for entry in raw.unpack(message.data or b"")]
    return found


async def raw_holds(client: Client, count: int, within_s: float = PATIENCE_S) -> list[tuple[str, RawEntry]]:
    """What is in RAW as soon as it has at least `count` different bodies."""
    async with asyncio.timeout(within_s):
        while True:
            found = await entries_in_raw(client)
            if len({entry.body for _, entry in found}) >= count:
                return found
            await asyncio.sleep(0.05)


class Device:
    """An MQTT client as a department's gateway has one: QoS 1, and it knows which messages were acknowledged."""

    def __init__(self, home: Home, department: str, client_id: str = "device", is_ours: bool = False) -> None:
        name = NATS_PASSWORD if is_ours else f"{NATS_PASSWORD}_{department.upper()}"
        self._answered: set[int] = set()
        self.received: list[tuple[str, bytes]] = []
        self.subscribed: list[Any] = []
        self._sent: dict[int, bytes] = {}
        self.connected = threading.Event()
        self.client = MqttClient(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=True,
            protocol=MQTTv311,
            reconnect_on_failure=True,
        )
        self.client.username_pw_set(our_user(department) if is_ours else department, home.environment[name])
        self.client.reconnect_delay_set(1, 1)
        self.client.max_inflight_messages_set(100)
        self.connects = 0
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = lambda *_: self.connected.clear()
        self.client.on_publish = self._on_publish
        self.client.on_message = lambda _c, _d, message: self.received.append((message.topic, message.payload))
        self.client.on_subscribe = lambda _c, _d, _m, reasons, _p: self.subscribed.extend(reasons)
        self.client.connect("127.0.0.1", int(home.environment["CITYRISK_MQTT_PORT"]), 30)
        self.client.loop_start()
        assert self.connected.wait(PATIENCE_S)

    @property
    def acknowledged(self) -> set[bytes]:
        """What the broker has answered for."""
        return {self._sent[mid] for mid in self._answered.copy() if mid in self._sent}

    def publish(self, topic: str, bodies: Iterable[bytes]) -> None:
        """Send messages; `acknowledged` grows as answers come."""
        for body in bodies:
            self._sent[self.client.publish(topic, body, qos=1).mid] = body

    def _on_connect(self, *_: Any) -> None:
        self.connects += 1
        self.connected.set()

    def _on_publish(self, _client: Any, _data: Any, mid: int, _reason: Any, _properties: Any) -> None:
        self._answered.add(mid)

    def close(self) -> None:
        """Go without a word more."""
        self.client.disconnect()
        self.client.loop_stop()


async def until(condition: Any, within_s: float = PATIENCE_S, what: str = "it") -> None:
    """Return as soon as `condition()` holds, while the event loop goes on."""
    try:
        async with asyncio.timeout(within_s):
            while not condition():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"{what} did not happen within {within_s:g} s") from None


if __name__ == "__main__":
    asyncio.run(serve(open_home(os.environ), open_contracts(*sys.argv[1:]), now, asyncio.Event()))

"""Our broker: starts from a home's settings, keeps departments apart, encrypts what it stores."""

import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import nats.errors
import pytest
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.errors import APIError

from broker_server import FREE_PORTS, BrokerServer
from core.running import read_running
from core.settings import NATS_PASSWORD, STREAM_KEY, Home, SettingsError
from core.stream import streams
from core.stream.broker import choose_ports, departments_of, run_broker, write_configuration
from core.stream.client import connected, nats_url
from listening import Device, until

NOW = datetime(2026, 7, 10, 4, 0, tzinfo=UTC)


def with_settings(home: Home, **settings: str) -> Home:
    return Home(home.root, {**home.environment, **settings})


@pytest.fixture
def two_departments(broker: BrokerServer) -> BrokerServer:
    broker.stop()
    broker.set(CITYRISK_NATS_PASSWORD_GAS="9876543210", CITYRISK_NATS_PASSWORD_WATER='with "quotes" and $')
    broker.start()
    return broker


@pytest.mark.case("security.held.H4")
async def test_a_department_publishes_its_own_subjects_only(two_departments: BrokerServer) -> None:
    home = two_departments.home
    async with connected(home, "test") as client, connected(home, "test", "gas") as account:
        await streams.ensure_streams(client, home, NOW)
        seen: list[str] = []

        async def note(message: Any) -> None:
            seen.append(message.subject)

        for connection in (client, account):
            await connection.subscribe(">", cb=note)
            await connection.flush()
        device = Device(home, "gas")
        foreign = ("water/level/W1", "raw/gas/x/D1", "live/gas/x", "$JS/API/STREAM/DELETE/RAW")
        for topic in foreign:
            device.publish(topic, [topic.encode()])
        device.publish("gas/methane/G1", [b"own"])
        await until(lambda: "gas.methane.G1" in seen)
        device.close()
        assert not {topic.replace("/", ".") for topic in foreign} & set(seen)
        assert (await client.jsm().stream_info(streams.RAW)).state.messages == 0


@pytest.mark.case("security.held.H4")
async def test_a_department_reads_nothing(two_departments: BrokerServer) -> None:
    reader = Device(two_departments.home, "gas", "reader")
    for topic in ("#", "gas/#", "water/#", "raw/#"):
        reader.client.subscribe(topic, qos=1)
    await until(lambda: len(reader.subscribed) == 4)
    assert all(reason.is_failure for reason in reader.subscribed)
    for account in ("", "gas", "water"):
        async with connected(two_departments.home, "test", account) as client:
            await client.publish("gas.methane.G1", b"secret")
            await client.publish("raw.gas.methane.G1", b"secret")
            await client.flush()
    own = Device(two_departments.home, "water", "own")
    own.publish("water/level/W1", [b"secret"])
    await until(lambda: own.acknowledged)
    assert reader.received == []
    own.close()
    reader.close()


@pytest.mark.case("security.held.H4")
def test_a_department_cannot_speak_nats(two_departments: BrokerServer) -> None:
    async def whole() -> None:
        for user, password in (("gas", "9876543210"), ("cityrisk", "wrong")):
            client = Client()
            with pytest.raises(nats.errors.Error):
                await client.connect(
                    nats_url(two_departments.home),
                    user=user,
                    password=password,
                    allow_reconnect=False,
                    max_reconnect_attempts=0,
                    error_cb=quiet,
                )
            await client.close()

    async def quiet(_error: Exception) -> None:
        pass

    asyncio.run(whole())


async def test_stored_bytes_are_not_readable(broker: BrokerServer) -> None:
    secret = b"one sentence that stands nowhere in clear " * 4

    async with connected(broker.home, "test") as client:
        await streams.ensure_streams(client, broker.home, NOW)
        await client.jetstream().publish("raw.sample.feed.d1", secret)
    broker.stop()
    files = [path for path in (broker.home.stream / "store").rglob("*") if path.is_file()]
    kept = b"".join(path.read_bytes() for path in files)
    assert len(kept) > len(secret)
    assert secret[:42] not in kept
    texts = [path.read_text("utf-8") for path in broker.home.stream.iterdir() if path.is_file()]
    assert not [text for text in texts if broker.home.environment[STREAM_KEY] in text]
    assert not [text for text in texts if broker.home.environment[NATS_PASSWORD] in text]
    broker.start()


async def test_a_new_stream_begins_above_every_position_of_a_lost_one(broker: BrokerServer) -> None:
    async with connected(broker.home, "test") as client:
        jetstream = client.jetstream()
        await streams.ensure_streams(client, broker.home, NOW)
        first = await jetstream.publish("raw.sample.feed.d1", b"one")
        await streams.ensure_streams(client, broker.home, NOW)
        second = await jetstream.publish("raw.sample.feed.d1", b"two")
        assert (first.stream, second.seq - first.seq) == (streams.RAW, 1)
        await client.jsm().delete_stream(streams.RAW)
        await streams.ensure_streams(client, broker.home, datetime(2026, 7, 10, 4, 1, tzinfo=UTC))
        assert (await jetstream.publish("raw.sample.feed.d1", b"three")).seq > second.seq


async def fill(jetstream: JetStreamContext) -> None:
    for _ in range(1000):
        await jetstream.publish("raw.sample.feed.d1", b"x" * 1000)


async def test_room_is_made_of_what_every_consumer_has_acknowledged(broker: BrokerServer) -> None:
    home = broker.set(CITYRISK_RAW_MAX_BYTES="100000")
    async with connected(home, "test") as client:
        jetstream, manager = client.jetstream(), client.jsm()
        await streams.ensure_streams(client, home, NOW)
        with pytest.raises(APIError, match="maximum bytes"):
            await fill(jetstream)
        assert await streams.make_room(manager, streams.RAW) == 0  # nobody has read anything
        consumer = await jetstream.pull_subscribe("raw.>", durable="intake", stream=streams.RAW)
        messages = await consumer.fetch(10)
        await asyncio.gather(*(message.ack_sync() for message in messages))
        assert await streams.make_room(manager, streams.RAW) == 10
        await jetstream.publish("raw.sample.feed.d1", b"fits again")


def test_the_command_becomes_the_broker_and_says_where_it_is(home: Home) -> None:
    free = {"CITYRISK_NATS_PORT": "0", "CITYRISK_MQTT_BROKER_PORT": "0"}
    settings = {**FREE_PORTS, **free, "CITYRISK_STREAM_SYNC": "always"}
    environment = {**os.environ, **home.environment, **settings}
    process = subprocess.Popen([sys.executable, "-m", "core.stream"], env=environment, stderr=subprocess.DEVNULL)

    async def whole() -> None:
        own = with_settings(home, **settings)
        await until(lambda: read_running(own, "broker"))
        running = read_running(own, "broker")
        assert running is not None
        assert running.pid == process.pid
        await until(lambda: is_well(running.ports["metrics"]))
        async with connected(own, "test") as client:
            await streams.ensure_streams(client, own, NOW)

    try:
        asyncio.run(whole())
    finally:
        process.terminate()
        process.wait()


def is_well(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"CITYRISK_NATS_URL": "nats://broker.example:4222"}, "names another broker"),
        ({"CITYRISK_STREAM_SYNC": "never"}, "'never', expected always or interval"),
        ({"CITYRISK_NATS_PASSWORD_RAW": "x"}, "cannot be called 'raw'"),
        ({"CITYRISK_NATS_PORT": "http"}, "expected a whole number"),
        ({STREAM_KEY: "short"}, "bytes, expected 32|not base64"),
    ],
)
def test_settings_that_cannot_be_used_are_named(home: Home, settings: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        run_broker(with_settings(home, **settings), NOW, {})


def test_departments_are_those_with_a_password(home: Home) -> None:
    own = with_settings(home, CITYRISK_NATS_PASSWORD_GAS="a", CITYRISK_NATS_PASSWORD_EMPTY="")
    assert departments_of(own) == ["gas"]
    assert isinstance(write_configuration(own, choose_ports(own)), Path)


def test_another_broker_brings_its_own_credentials(home: Home) -> None:
    assert nats_url(with_settings(home, CITYRISK_NATS_URL="nats://u:p@broker.example:4222")).startswith("nats://u:p@")


async def test_a_task_that_is_cancelled_while_its_connection_closes_ends(broker: BrokerServer) -> None:
    """The library's close swallows it while it reconnects: the task would hold its next connection for ever."""

    async def hold(is_over: asyncio.Event) -> None:
        while True:
            async with connected(broker.home, "test") as client:
                broker.kill()
                await until(lambda: client.is_reconnecting)
                is_over.set()

    is_over = asyncio.Event()
    holding = asyncio.create_task(hold(is_over))
    await is_over.wait()
    await asyncio.sleep(0)  # it closes now, and waits for the library to stop reconnecting
    holding.cancel()
    done, _ = await asyncio.wait([holding], timeout=5)
    assert done
    assert holding.cancelled()


async def test_a_connection_that_we_close_is_not_called_lost(
    broker: BrokerServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(broker.home, "test"):
        pass
    assert "connection lost" not in caplog.text
    async with connected(broker.home, "test") as client:
        broker.kill()
        await until(lambda: client.is_reconnecting)
    assert caplog.text.count("connection lost") == 1

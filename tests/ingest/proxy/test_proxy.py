"""The process `mqtt` before a real broker: a message too large costs itself; doors, slow readers, deaths."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import polars as pl
import pytest
from test_packets import HELLO, publish

from broker_server import BrokerServer
from core.running import read_running
from core.settings import Home, SettingsError
from core.stream.bundle import StoredMessage
from core.stream.client import connected
from core.stream.oversize import HEAD_BYTES, Oversize, oversize_in
from core.stream.raw import RawEntry, pack
from core.stream.streams import MESSAGE_BYTES
from ingest.devices.proxy import connections
from ingest.devices.proxy.connections import DeviceSide, Proxy, ProxyLimits
from ingest.devices.proxy.counts import Counts
from ingest.devices.proxy.serve import serve
from ingest.intake.unplaced import unreadable
from ingest.parse.frames import tables_of
from listening import Device, listening, now, open_contracts, raw_holds, until
from waiting import PATIENCE_S

GAS = "urban.gas_reading"
TOPIC = "urban/gas_reading/QY-1"
STARTS_WITHIN_S = 60.0  # a second, where nobody else works
PROGRAM = """
import asyncio, os
from datetime import UTC, datetime
from ingest.devices.proxy.serve import serve
from core.settings import open_home
asyncio.run(serve(open_home(os.environ), lambda: datetime.now(UTC), asyncio.Event()))
"""
MUCH = 64 * 1024**2
UNKNOWN_PREFIX = b"\x10\x10\x00\x04MQTT\x04\x02\x00\x1e\x00\x04abcd"  # a CONNECT without a password
Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]
LARGE = b"[" + b" " * (2 * MESSAGE_BYTES)


@pytest.fixture
def urban(broker: BrokerServer) -> BrokerServer:
    """A broker of one department that takes messages of 1 MiB."""
    broker.stop()
    broker.set(CITYRISK_NATS_PASSWORD_URBAN="c2FtcGxl", CITYRISK_MQTT_MAX_PAYLOAD_BYTES="1")
    broker.start()
    return broker


def before(home: Home) -> Home:
    """The home of a proxy that chooses its port, before a broker on fixed ones."""
    return replace(home, environment={**home.environment, "CITYRISK_MQTT_PORT": "0"})


def seen_by_devices(home: Home) -> Home:
    """The home with the port where the proxy listens."""
    running = read_running(home, "mqtt")
    assert running is not None
    return replace(home, environment={**home.environment, "CITYRISK_MQTT_PORT": str(running.ports["mqtt"])})


@asynccontextmanager
async def proxied(home: Home) -> AsyncIterator[Home]:
    """The process, inside a test; gives the home as devices see it."""
    stop = asyncio.Event()
    task = asyncio.create_task(serve(before(home), now, stop))
    try:
        await until(lambda: task.done() or read_running(home, "mqtt"), what="its start")
        yield seen_by_devices(home)
    finally:
        stop.set()
        await task


@pytest.mark.case("live.G9")
def test_a_message_larger_than_the_broker_takes_costs_itself_only(urban: BrokerServer) -> None:
    contracts, first, after = open_contracts(GAS), b'{"deviceId": "QY-1", "n": 1}', b'{"deviceId": "QY-1", "n": 2}'

    async def whole() -> list[tuple[str, bytes]]:
        async with listening(urban.home, contracts), proxied(urban.home) as home, connected(home, "test") as client:
            device, other = [await asyncio.to_thread(Device, home, "urban", one) for one in ("device", "other")]
            device.publish(TOPIC, [first, LARGE, after])
            exactly_once = device.client.publish(TOPIC, LARGE, qos=2)
            other.publish("urban/gas_reading/QY-2", [b'{"deviceId": "QY-2"}'])
            await until(lambda: device.acknowledged == {first, LARGE, after} and exactly_once.is_published())
            await until(lambda: other.acknowledged)
            found = await raw_holds(client, 4)
            assert device.connects == other.connects == 1
            running = read_running(home, "mqtt")
            assert running is not None
            metrics = httpx.get(f"http://127.0.0.1:{running.ports['metrics']}/metrics").text
            assert "cityrisk_mqtt_oversize_total 2.0" in metrics
            assert "cityrisk_mqtt_connections 2.0" in metrics
            assert "cityrisk_mqtt_refused_total 0.0" in metrics
            async with dialled(running.ports["mqtt"]) as (reader, writer):
                writer.write(UNKNOWN_PREFIX)
                assert await reader.read() == b"\x20\x02\x00\x05"
            metrics = httpx.get(f"http://127.0.0.1:{running.ports['metrics']}/metrics").text
            assert "cityrisk_mqtt_refused_total 1.0" in metrics
            device.close()
            other.close()
            return [(entry.device_id, entry.body) for _, entry in found]

    entries = asyncio.run(whole())
    said = {oversize_in(body) for device, body in entries if device == "QY-1"} - {None}
    assert [(one.size_bytes, one.most_bytes, one.head) for one in said if one] == [
        (len(LARGE), MESSAGE_BYTES, LARGE[:HEAD_BYTES])
    ]


@pytest.mark.case("live.G9")
def test_intake_notes_whose_message_was_too_large_and_reads_its_neighbours() -> None:
    reading, larger = b'{"ch4Lel": 60}', Oversize(9_000_000, 8_388_608, b"[" * HEAD_BYTES).pack()
    entries = [RawEntry(f"QY-{number}", 0, body) for number, body in enumerate((reading, larger, reading), 1)]
    contract = open_contracts(GAS)[GAS]
    table = tables_of([StoredMessage(5, pack(entries), 5)], [contract])[GAS]
    assert table.frame["_row"].to_list() == ["5.0", "5.2"]
    (note,) = table.notes
    assert (note.reason, note.outcome, note.locator) == ("bad_frame", "quarantined", "5.1")
    assert (note.found, note.expected) == (
        "QY-2: a message of 9000000 bytes, the first 4096 are kept",
        "at most 8388608 bytes",
    )
    # It rings where anything that cannot be read may be an alarm.
    received = pl.Series([datetime(2026, 11, 30, 4, tzinfo=UTC)] * 2)
    assert unreadable(table, contract, table.notes, received).is_empty()
    rings = unreadable(table, replace(contract, alarm_columns=("st",)), table.notes, received)
    assert rings["found"].to_list() == [note.found]


@pytest.mark.case("live.G9")
async def test_a_killed_proxy_loses_nothing_that_was_acknowledged(urban: BrokerServer) -> None:
    bodies = [b'{"deviceId": "QY-1", "n": %d}' % number for number in range(400)]

    async with listening(urban.home, open_contracts(GAS)), connected(urban.home, "test") as client:
        with started(urban.home) as victim:
            await until(lambda: read_running(urban.home, "mqtt"), STARTS_WITHIN_S, "its start")
            home = seen_by_devices(urban.home)
            device = await asyncio.to_thread(Device, home, "urban")
            device.publish(TOPIC, bodies[:200])
            await until(lambda: len(device.acknowledged) > 20)
            victim.send_signal(signal.SIGKILL)
            victim.wait()
        device.publish(TOPIC, bodies[200:])
        with started(home, home.environment["CITYRISK_MQTT_PORT"]):
            await until(lambda: device.acknowledged == set(bodies), STARTS_WITHIN_S, "its next life")
            assert device.connects == 2
            device.close()
        assert {entry.body for _, entry in await raw_holds(client, len(bodies))} == set(bodies)


@contextlib.contextmanager
def started(home: Home, port: str = "0") -> Iterator[subprocess.Popen[bytes]]:
    """A process of its own, for a test to kill."""
    environment = {**os.environ, **home.environment, "CITYRISK_HOME": str(home.root), "CITYRISK_MQTT_PORT": port}
    line = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-c", PROGRAM]
    with subprocess.Popen(line, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


# ── its doors ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@asynccontextmanager
async def a_proxy(port: int, **limits: int) -> AsyncIterator[tuple[Proxy, int]]:
    """A proxy before whatever listens on a port, and its own."""
    chosen = ProxyLimits(**{"message_bytes": 10**6, "connections": 100, "per_address": 100, **limits})
    proxy = Proxy(lambda: ("127.0.0.1", port), chosen, Counts())
    server = await asyncio.get_running_loop().create_server(lambda: DeviceSide(proxy), "127.0.0.1", 0)
    tending = asyncio.create_task(proxy.tend())
    try:
        yield proxy, server.sockets[0].getsockname()[1]
    finally:
        tending.cancel()
        server.close()
        proxy.close()
        await until(lambda: not proxy.devices, what="the last connection's end")
        await asyncio.sleep(0)


@asynccontextmanager
async def a_listener() -> AsyncIterator[tuple[asyncio.Queue[Pair], int]]:
    """Somebody who accepts and does only what the test does; gives who said something, its first byte taken.

    Whoever looks only whether somebody is there says nothing.
    """
    came, kept = asyncio.Queue[Pair](), list[asyncio.StreamWriter]()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kept.append(writer)
        with contextlib.suppress(OSError):
            if await reader.read(1):
                came.put_nowait((reader, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield came, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await gone(*kept)


@asynccontextmanager
async def dialled(port: int) -> AsyncIterator[Pair]:
    """A device's connection, with nothing said."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        await gone(writer)


async def gone(*writers: asyncio.StreamWriter) -> None:
    """End connections without a word."""
    for one in writers:
        one.transport.abort()
    for one in writers:
        with contextlib.suppress(OSError):
            await one.wait_closed()
    await asyncio.sleep(0)


async def is_sent_off(reader: asyncio.StreamReader) -> bool:
    """Whether the connection ends, soon and without an answer."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await reader.read() == b""
    except ConnectionResetError:
        return True


def closed(proxy: Proxy, cause: str) -> float:
    return proxy.counts.registry.get_sample_value("cityrisk_mqtt_closed_total", {"cause": cause}) or 0


def turned_away(proxy: Proxy, limit: str) -> float:
    return proxy.counts.registry.get_sample_value("cityrisk_mqtt_turned_away_total", {"limit": limit}) or 0


@pytest.mark.parametrize(
    ("sent", "cause"),
    [
        (b"", "no_connect"),
        (b"\x10", "no_connect"),
        (HELLO[:4], "stalled"),
        (HELLO + publish(b"a/b", b"x" * 2_000_000)[:-1], "stalled"),
        (b"GET / HTTP/1.1\r\n\r\n", "malformed"),
    ],
)
async def test_who_says_nothing_more_gives_up_its_place(
    monkeypatch: pytest.MonkeyPatch, sent: bytes, cause: str
) -> None:
    monkeypatch.setattr(connections, "SWEEP_S", 0.02)

    async with (
        a_listener() as (_, port),
        a_proxy(port, connect_s=1, stall_s=1) as (proxy, own),
        dialled(own) as (
            reader,
            writer,
        ),
    ):
        writer.write(sent)
        assert await is_sent_off(reader)
        assert closed(proxy, cause) == 1


@pytest.mark.parametrize("limit", ["per_address", "connections"])
async def test_one_address_and_all_together_have_so_many_places(limit: str) -> None:
    async with a_listener() as (came, port), a_proxy(port, **{limit: 2}) as (proxy, own), dialled(own):
        async with dialled(own):
            await until(lambda: len(proxy.devices) == 2)
            async with dialled(own) as (reader, _):
                assert await is_sent_off(reader)
            assert turned_away(proxy, limit) == 1
        await until(lambda: len(proxy.devices) == 1)
        async with dialled(own) as (_, writer):
            writer.write(HELLO)
            await came.get()


async def filled(writer: asyncio.StreamWriter, piece: bytes) -> int:
    """Write until nothing more is taken; gives how many bytes were."""
    taken = 0
    with contextlib.suppress(TimeoutError):
        while taken < MUCH:
            writer.write(piece)
            taken += len(piece)
            async with asyncio.timeout(0.5):
                await writer.drain()
    return taken


async def test_whoever_reads_slowly_slows_down_the_writer_and_fills_no_memory() -> None:
    """Both ways: what is kept of a connection is bounded, and all of it arrives once it is read."""
    piece = publish(b"a/b", b"x" * 60_000) * 8

    async with a_listener() as (came, port), a_proxy(port) as (proxy, own), dialled(own) as (reader, writer):
        writer.write(HELLO)
        broker_reader, broker_writer = await came.get()
        assert await broker_reader.readexactly(len(HELLO) - 1) == HELLO[1:]
        for source, sink in ((writer, broker_reader), (broker_writer, reader)):
            taken = await filled(source, piece)
            assert taken < MUCH
            (device,) = proxy.devices
            assert device.other is not None
            for transport in (device.transport, device.other):
                assert transport.get_write_buffer_size() <= 2 * connections.BUFFER_BYTES
            async with asyncio.timeout(PATIENCE_S):
                assert len(await sink.readexactly(taken)) == taken


async def test_a_slow_large_message_keeps_its_device_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SWEEP_S", 0.01)
    sent = publish(b"a/b", b"x" * 1_500_000)

    async with (
        a_listener() as (came, port),
        a_proxy(port, connect_s=60, stall_s=60) as (_, own),
        dialled(own) as (
            _,
            writer,
        ),
    ):
        writer.write(HELLO + sent[:100_000])
        broker_reader, _ = await came.get()
        async with asyncio.timeout(PATIENCE_S):
            assert await broker_reader.readexactly(len(HELLO)) == HELLO[1:] + sent[:1]
            writer.write(sent[100_000:])
            assert len(await broker_reader.readexactly(HEAD_BYTES)) == HEAD_BYTES


async def test_while_the_broker_is_away_devices_are_sent_off_and_health_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "SWEEP_S", 0.02)

    async with a_listener() as (_, nobody):
        pass
    async with a_proxy(nobody) as (proxy, own):
        async with dialled(own) as (reader, _):
            assert await is_sent_off(reader)
        assert closed(proxy, "broker_away") == 1
        assert "cannot be reached" in proxy.failure
        async with a_listener() as (_, there):
            proxy.broker = lambda: ("127.0.0.1", there)
            await until(lambda: not proxy.failure, what="its seeing the broker again")


def test_a_home_with_another_broker_has_no_proxy(home: Home) -> None:
    other = Home(home.root, {**home.environment, "CITYRISK_NATS_URL": "nats://broker.example:4222"})
    with pytest.raises(SettingsError, match="names another broker"):
        asyncio.run(serve(other, now, asyncio.Event()))

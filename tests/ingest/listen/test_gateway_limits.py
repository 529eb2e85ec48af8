"""Hostile and too many: whatever comes costs its own connection, and a live device is served beside it."""

import asyncio
import contextlib
import re

import httpx

from broker_server import BrokerServer
from ingest.protocols.jt808 import MAX_FRAME_BYTES
from ingest.protocols.jt808 import encode as jt808
from listening import listening, open_contracts
from waiting import PATIENCE_S

FEED = "transport.vehicle_position"
IDLE = 2000


async def is_served(port: int, phone: str = "13899999999") -> bool:
    """Whether a device that comes now is answered; who is not is turned away."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(jt808.heartbeat(jt808.Sender(phone), 1))
    try:
        async with asyncio.timeout(PATIENCE_S):
            return (await reader.read(4096))[1:3] == b"\x80\x01"
    finally:
        writer.close()


async def ended(reader: asyncio.StreamReader, within_s: float = PATIENCE_S) -> bool:
    """Whether the door closes the connection; answers before that are read away."""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(within_s):
            while await reader.read(65536):
                pass
    return True


async def counted(port: int, name: str) -> dict[str, float]:
    """Label → value of one counter of the process."""
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    found = re.findall(rf'^cityrisk_listen_{name}_total{{(?:.*=)?"(.*?)"}} (\S+)$', text, re.MULTILINE)
    return {label: float(value) for label, value in found}


async def test_garbage_costs_its_own_connection(broker: BrokerServer) -> None:
    async with listening(broker.set(CITYRISK_GATEWAY_BAD_IN_A_ROW="3"), open_contracts(FEED)) as ports:
        good = jt808.heartbeat(jt808.Sender("13800001111"), 1)
        hostile = (
            bytes(range(256)) * 400,
            b"\x7e" + b"A" * (20 * MAX_FRAME_BYTES) + b"\x7e",
            b"\x7e" * 100_000,
            (good[:-2] + b"\x00\x7e") * 50,
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 1000,
        )
        for data in hostile:
            reader, writer = await asyncio.open_connection("127.0.0.1", ports["jt808"])
            with contextlib.suppress(ConnectionError):
                for _ in range(8):
                    writer.write(data)
                    await writer.drain()
                writer.write_eof()
            assert await ended(reader)
            writer.close()
            assert await is_served(ports["jt808"])
        causes = await counted(ports["metrics"], "closed")
        assert causes.get("bad_frames", 0) >= 1
        assert sum(causes.values()) >= len(hostile)


async def test_a_frame_that_never_ends_is_not_waited_for(broker: BrokerServer) -> None:
    async with listening(broker.set(CITYRISK_GATEWAY_FIRST_FRAME_S="1"), open_contracts(FEED)) as ports:
        reader, writer = await asyncio.open_connection("127.0.0.1", ports["jt808"])
        closed = asyncio.create_task(ended(reader))
        for byte in b"\x7e\x00\x02" + b"A" * 200:
            if closed.done():
                break
            with contextlib.suppress(ConnectionError):
                writer.write(bytes([byte]))
                await writer.drain()
            await asyncio.sleep(0.02)
        assert await closed
        writer.close()
        assert (await counted(ports["metrics"], "closed"))["no_frame"] == 1
        assert await is_served(ports["jt808"])


async def test_a_flood_is_slowed_down_to_its_rate(broker: BrokerServer) -> None:
    home = broker.set(CITYRISK_GATEWAY_FRAMES_PER_S="50", CITYRISK_GATEWAY_BURST="10")
    async with listening(home, open_contracts(FEED)) as ports:
        reader, writer = await asyncio.open_connection("127.0.0.1", ports["jt808"])
        loop = asyncio.get_running_loop()
        started, answered = loop.time(), 0
        for number in range(110):
            writer.write(jt808.heartbeat(jt808.Sender("13800001111"), number))
            await asyncio.sleep(0)
        while answered < 110:
            answered += (await reader.read(65536)).count(b"\x7e\x80\x01")
        writer.write(jt808.heartbeat(jt808.Sender("13800001111"), 111))
        answer = asyncio.create_task(reader.read(4096))
        assert await is_served(ports["jt808"])
        assert not answer.done(), "another device waits while the flood pays its debt"
        assert await answer
        assert loop.time() - started >= 1.5
        writer.close()


async def test_connections_of_one_address_and_devices_of_one_connection_are_limited(broker: BrokerServer) -> None:
    home = broker.set(CITYRISK_GATEWAY_PER_ADDRESS="3", CITYRISK_GATEWAY_DEVICES="2")
    async with listening(home, open_contracts(FEED)) as ports:
        held = [await asyncio.open_connection("127.0.0.1", ports["jt808"]) for _ in range(3)]
        for number, (reader, writer) in enumerate(held):
            writer.write(jt808.heartbeat(jt808.Sender(f"1380000000{number}"), 1))
            assert await reader.read(4096)
        turned_away, beyond = await asyncio.open_connection("127.0.0.1", ports["jt808"])
        assert await ended(turned_away)
        assert (await counted(ports["metrics"], "turned_away")) == {"per_address": 1}
        reader, writer = held[0]
        for phone in ("13800000001", "13800000002"):
            writer.write(jt808.heartbeat(jt808.Sender(phone), 2))
        assert await ended(reader)
        assert (await counted(ports["metrics"], "closed")) == {"too_many_devices": 1}
        for one in (beyond, *(writer for _, writer in held)):
            one.close()


async def test_two_thousand_idle_connections_are_held(broker: BrokerServer) -> None:
    async with listening(broker.home, open_contracts(FEED)) as ports:
        held = []
        for number in range(IDLE):
            reader, writer = await asyncio.open_connection("127.0.0.1", ports["jt808"])
            writer.write(jt808.heartbeat(jt808.Sender(f"139{number:08d}"), 1))
            held.append((reader, writer))
        for reader, _ in held:
            assert await reader.read(4096)
        assert await is_served(ports["jt808"])
        for reader, writer in held[:: IDLE // 20]:
            writer.write(jt808.heartbeat(jt808.Sender("13800001111"), 2))
            assert await reader.read(4096)
        async with httpx.AsyncClient() as client:
            text = (await client.get(f"http://127.0.0.1:{ports['metrics']}/metrics")).text
        assert f"cityrisk_listen_connections {IDLE}.0" in text.replace(f"{IDLE + 1}.0", f"{IDLE}.0")
        for _, writer in held:
            writer.close()

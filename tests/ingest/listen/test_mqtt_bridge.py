"""What a device's MQTT message was answered for is in RAW in the end, whatever happens to broker, bridge or stream."""

import asyncio

import pytest

from benchmarks.chain.outcome import waiting_in_sessions
from broker_server import BrokerServer
from core.stream import streams
from core.stream.client import connected
from listening import (
    Device,
    entries_in_raw,
    listening,
    now,
    open_contracts,
    raw_holds,
    started_process,
    until,
)
from waiting import PATIENCE_S

TOPIC = "urban/gas_reading/QY-1"
PASSWORD = "c2FtcGxl"


@pytest.fixture
def gas(broker: BrokerServer) -> BrokerServer:
    """A broker that knows the department's password."""
    broker.stop()
    broker.set(CITYRISK_NATS_PASSWORD_URBAN=PASSWORD)
    broker.start()
    return broker


def bodies(count: int, mark: str) -> list[bytes]:
    return [b'{"n":%d,"mark":"%s"}' % (number, mark.encode()) for number in range(count)]


async def test_messages_come_in_order_under_their_device(gas: BrokerServer) -> None:
    async with listening(gas.home, open_contracts("urban.gas_reading")), connected(gas.home, "test") as client:
        device = Device(gas.home, "urban")
        device.publish(TOPIC, bodies(50, "order"))
        found = await raw_holds(client, 50)
        device.close()
        assert [entry.body for _, entry in found] == bodies(50, "order")
        assert {(subject, entry.device_id) for subject, entry in found} == {("raw.urban.gas_reading.QY-1", "QY-1")}


@pytest.mark.case("security.held.H9")
async def test_a_killed_broker_loses_nothing_acknowledged(gas: BrokerServer) -> None:
    async with listening(gas.home, open_contracts("urban.gas_reading")), connected(gas.home, "test") as client:
        device = Device(gas.home, "urban")
        for round_number in range(3):
            device.publish(TOPIC, bodies(300, f"round {round_number}"))
            await until(lambda number=round_number: len(device.acknowledged) > 300 * number + 50)
            await asyncio.to_thread(gas.kill)
            await asyncio.to_thread(gas.start)
            await until(lambda number=round_number: len(device.acknowledged) == 300 * (number + 1))
        device.close()
        found = await raw_holds(client, 900)
        assert {entry.body for _, entry in found} == device.acknowledged


async def test_a_killed_listener_loses_nothing_acknowledged(gas: BrokerServer) -> None:
    async with connected(gas.home, "test") as client:
        process = started_process(gas.home, "urban.gas_reading")
        try:
            await until((gas.home.run / "listen.json").exists)
            device = Device(gas.home, "urban")
            for number in range(3):
                device.publish(TOPIC, bodies(300, f"round {number}"))
                await until(lambda number=number: len(device.acknowledged) > 300 * number + 50)
                process.kill()
                process.wait()
                process = started_process(gas.home, "urban.gas_reading")
                await until(lambda number=number: len(device.acknowledged) == 300 * (number + 1))
            device.close()
            found = await raw_holds(client, 900)
            assert {entry.body for _, entry in found} == device.acknowledged
        finally:
            process.kill()
            process.wait()


@pytest.mark.case("security.L6")
async def test_a_full_stream_keeps_messages_waiting(gas: BrokerServer) -> None:
    small = gas.set(CITYRISK_RAW_MAX_BYTES="4096")
    async with listening(small, open_contracts("urban.gas_reading")), connected(small, "test") as client:
        device = Device(small, "urban")
        device.publish(TOPIC, bodies(400, "a full stream"))
        await until(lambda: len(device.acknowledged) == 400)
        device.close()
        before = await entries_in_raw(client)
        assert len(before) < 400
        # Who judges now must know of these: they are answered, and in no stream of ours yet.
        assert await waiting_in_sessions(small) > 0
        await streams.ensure_streams(client, gas.set(CITYRISK_RAW_MAX_BYTES="1000000"), now())
        found = await raw_holds(client, 400)
        assert len(found) == 400
        async with asyncio.timeout(PATIENCE_S):
            while await waiting_in_sessions(small):
                await asyncio.sleep(0.05)
        assert {entry.body for _, entry in found} == device.acknowledged


async def test_a_missing_stream_keeps_messages_waiting(gas: BrokerServer) -> None:
    async with listening(gas.home, open_contracts("urban.gas_reading")), connected(gas.home, "test") as client:
        await client.jsm().delete_stream(streams.RAW)
        device = Device(gas.home, "urban")
        device.publish(TOPIC, bodies(200, "a missing stream"))
        await until(lambda: len(device.acknowledged) == 200)
        device.close()
        await streams.ensure_streams(client, gas.home, now())
        found = await raw_holds(client, 200)
        assert len(found) == 200
        assert {entry.body for _, entry in found} == device.acknowledged

"""What the broker keeps for our MQTT session: in a form of ours, cut when it is much, and made anew when it is gone."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from nats.aio.client import Client
from nats.js.api import ConsumerConfig, RetentionPolicy
from nats.js.errors import NotFoundError
from nats.js.manager import JetStreamManager

from broker_server import BrokerServer
from core.running import write_running
from core.settings import Home
from core.stream import mqtt_store
from core.stream.client import connected
from core.stream.mqtt_store import PREFIX, STREAM, ensure_mqtt_store, left_behind, make_mqtt_room, unkept
from listening import Device, listening, open_contracts, raw_holds, until
from orchestration.doctor import _left_messages
from waiting import PATIENCE_S

TOPIC = "urban/gas_reading/QY-1"
FILTER = "urban/gas_reading/+"


@pytest.fixture
def gas(broker: BrokerServer) -> BrokerServer:
    """A broker that knows the department's password."""
    broker.stop()
    broker.set(CITYRISK_NATS_PASSWORD_URBAN="c2FtcGxl")
    broker.start()
    return broker


@contextlib.asynccontextmanager
async def both(home: Home) -> AsyncIterator[tuple[Client, JetStreamManager]]:
    """A connection to the city's account, where RAW is, and the manager of what the department's account keeps."""
    async with connected(home, "test") as client, connected(home, "test", "urban") as account:
        yield client, account.jsm()


def bodies(mark: str, count: int = 20) -> list[bytes]:
    return [b'{"n":%d,"mark":"%s"}' % (number, mark.encode()) for number in range(count)]


async def test_a_device_that_comes_first_changes_nothing(gas: BrokerServer) -> None:
    device = Device(gas.home, "urban")
    async with both(gas.home) as (client, manager):
        assert (await manager.stream_info(STREAM)).config.retention == RetentionPolicy.INTEREST
        async with listening(gas.home, open_contracts("urban.gas_reading")):
            assert (await manager.stream_info(STREAM)).config.retention == RetentionPolicy.LIMITS
            device.publish(TOPIC, bodies("first"))
            assert len(await raw_holds(client, 20)) == 20
            await asyncio.to_thread(gas.kill)
            await asyncio.to_thread(gas.start)
            device.publish(TOPIC, bodies("second"))
            # The last acknowledgements may have died with the broker: such messages come twice, none stays away.
            assert {entry.body for _, entry in await raw_holds(client, 40)} == {*bodies("first"), *bodies("second")}
        assert await ensure_mqtt_store(manager, gas.home)
    device.close()


async def test_the_brokers_own_stream_stays_while_somebody_reads_it(gas: BrokerServer) -> None:
    reader = Device(gas.home, "urban", "reader", is_ours=True)
    reader.client.subscribe(FILTER, 1)
    await until(lambda: reader.subscribed)
    async with connected(gas.home, "test", "urban") as account:
        assert not await ensure_mqtt_store(account.jsm(), gas.home)
        assert (await account.jsm().stream_info(STREAM)).config.retention == RetentionPolicy.INTEREST
    reader.close()


async def test_what_the_session_acknowledged_is_cut(gas: BrokerServer, monkeypatch: pytest.MonkeyPatch) -> None:
    contracts = open_contracts("urban.gas_reading")
    async with listening(gas.home, contracts), both(gas.home) as (client, manager):
        device = Device(gas.home, "urban")
        device.publish(TOPIC, bodies("cut", 200))
        await raw_holds(client, 200)
        assert await make_mqtt_room(manager) == 0
        monkeypatch.setattr(mqtt_store, "ROOM_AT_BYTES", 1)
        async with asyncio.timeout(PATIENCE_S):
            while (await manager.stream_info(STREAM)).state.messages:
                await make_mqtt_room(manager)
        device.publish(TOPIC, bodies("after"))
        assert len(await raw_holds(client, 220)) == 220
        device.close()


async def test_a_session_without_consumers_is_made_anew(gas: BrokerServer) -> None:
    contracts = open_contracts("urban.gas_reading")

    async with both(gas.home) as (client, manager):
        async with listening(gas.home, contracts):
            assert await unkept(manager, [FILTER]) == []
        for one in await manager.consumers_info(STREAM):
            await manager.delete_consumer(STREAM, one.name)
        assert await unkept(manager, [FILTER]) == [FILTER]
        async with listening(gas.home, contracts):
            assert await unkept(manager, [FILTER]) == []
            device = Device(gas.home, "urban")
            device.publish(TOPIC, bodies("anew"))
            assert len(await raw_holds(client, 20)) == 20
            device.close()


async def test_what_an_earlier_release_left_is_named(gas: BrokerServer, caplog: pytest.LogCaptureFixture) -> None:
    async with connected(gas.home, "test") as client:
        manager = client.jsm()
        assert await left_behind(manager) == {}
        await ensure_mqtt_store(manager, gas.home)  # as it was when every department spoke in this account
        session = ConsumerConfig(durable_name="session", filter_subject=f"{PREFIX}urban.gas_reading.*")
        await manager.add_consumer(STREAM, session)
        for _ in range(3):
            await client.jetstream().publish(f"{PREFIX}urban.gas_reading.QY-1", b"{}")
        assert await left_behind(manager) == {FILTER: 3}
    async with listening(gas.home, open_contracts("urban.gas_reading")):
        pass
    assert f"{FILTER}: 3" in caplog.text
    write_running(gas.home, "broker", {}, datetime.now(UTC))
    well, found, _ = await asyncio.to_thread(_left_messages, gas.home)
    assert (well, found) == (False, f"{FILTER}: 3")


@pytest.mark.case("security.C2")
async def test_what_a_department_retains_is_bounded(gas: BrokerServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(mqtt_store.SIDE_STORES, "$MQTT_rmsgs", 256 * 1024)

    async with listening(gas.home, open_contracts("urban.gas_reading")), both(gas.home) as (client, manager):
        for name in mqtt_store.SIDE_STORES:
            with contextlib.suppress(NotFoundError):
                assert (await manager.stream_info(name)).config.max_bytes == mqtt_store.SIDE_STORES[name]
        device = Device(gas.home, "urban")
        for number in range(64):
            device.client.publish(f"urban/noise/{number}", b"x" * 16_384, qos=1, retain=True)
        device.publish(TOPIC, bodies("after"))
        await raw_holds(client, 20)
        assert (await manager.stream_info("$MQTT_rmsgs")).state.bytes <= 256 * 1024
        device.close()

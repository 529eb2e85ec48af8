"""What one department does on the broker, by accident or in spite, another one never feels."""

import asyncio

import httpx
import pytest

from broker_server import BrokerServer
from core.settings import NATS_PASSWORD
from core.stream import mqtt_store
from core.stream.client import connected
from ingest.devices.mqtt import session_id
from listening import Device, listening, open_contracts, raw_holds, until
from waiting import PATIENCE_S

GAS = "urban.gas_reading"
GAS_TOPIC = "urban/gas_reading/QY-1"


def bodies(mark: str, count: int = 20) -> list[bytes]:
    return [b'{"n":%d,"mark":"%s"}' % (number, mark.encode()) for number in range(count)]


@pytest.fixture
def two(broker: BrokerServer) -> BrokerServer:
    """A broker for the devices of two departments, with little room for each."""
    broker.stop()
    broker.set(
        CITYRISK_NATS_PASSWORD_URBAN="c2FtcGxl",
        CITYRISK_NATS_PASSWORD_WATER="b3RoZXI",
        CITYRISK_MQTT_MAX_BYTES=str(2 * 1024**2),
    )
    broker.start()
    return broker


@pytest.mark.case("security.H1")
async def test_equal_client_ids_of_two_departments_live_side_by_side(two: BrokerServer) -> None:
    async with listening(two.home, open_contracts(GAS)), connected(two.home, "test") as client:
        gas, water = (Device(two.home, department, "gateway-1") for department in ("urban", "water"))
        for number in range(3):
            water.publish("water/level/W1", bodies(f"other {number}"))
            gas.publish(GAS_TOPIC, bodies(f"gas {number}"))
        await until(lambda: len(gas.acknowledged) == len(water.acknowledged) == 60)
        assert len(await raw_holds(client, 60)) == 60
        assert (gas.connects, water.connects) == (1, 1)
        gas.close()
        water.close()


@pytest.mark.case("security.H1")
async def test_the_bridges_own_id_is_worth_nothing_in_another_department(two: BrokerServer) -> None:
    async with connected(two.home, "test") as client:
        async with listening(two.home, open_contracts(GAS)), connected(two.home, "test", "urban") as account:
            sessions = await account.jsm().consumers_info(mqtt_store.STREAM)
            assert len(sessions) == 1
        device = Device(two.home, "urban")
        device.publish(GAS_TOPIC, bodies("waiting"))  # nobody listens: they wait in the bridge's session
        await until(lambda: len(device.acknowledged) == 20)
        for name in (session_id(two.home.environment[NATS_PASSWORD]), "device"):
            thief = Device(two.home, "water", name)  # a clean session: it would make what waits there go
            thief.close()
        async with listening(two.home, open_contracts(GAS)):
            assert {entry.body for _, entry in await raw_holds(client, 20)} == set(bodies("waiting"))
        device.close()


@pytest.mark.case("security.C2")
async def test_a_department_that_fills_its_room_takes_nobody_elses(two: BrokerServer) -> None:
    async with listening(two.home, open_contracts(GAS)), connected(two.home, "test") as client:
        flood = Device(two.home, "water", "flood")
        for number in range(200):
            flood.client.publish(f"water/noise/{number}", b"x" * 65_536, qos=1, retain=True)
        gas = Device(two.home, "urban", "gas")
        gas.publish(GAS_TOPIC, bodies("after"))
        await until(lambda: len(gas.acknowledged) == 20)
        assert len(await raw_holds(client, 20)) == 20
        late = Device(two.home, "urban", "late")  # a new session of ours opens too
        late.publish(GAS_TOPIC, bodies("late"))
        assert len(await raw_holds(client, 40)) == 40
        for device in (flood, gas, late):
            device.close()


async def test_an_account_that_refuses_us_closes_no_other_door(two: BrokerServer) -> None:
    two.set(CITYRISK_NATS_PASSWORD_FIRE="bmV3")  # a broker of the configuration before knows no such account

    contracts = open_contracts(GAS, "transport.vehicle_position")
    async with listening(two.home, contracts) as ports, connected(two.home, "test") as client:
        assert "jt808" in ports
        device = Device(two.home, "urban")
        device.publish(GAS_TOPIC, bodies("beside"))
        assert len(await raw_holds(client, 20)) == 20
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{ports['metrics']}") as http:
            health = await http.get("/health")
            assert health.status_code == 503
            assert health.json()["accounts"].startswith("fire: ")
            await asyncio.to_thread(two.kill)
            await asyncio.to_thread(two.start)
            async with asyncio.timeout(PATIENCE_S):
                while (await http.get("/health")).json()["accounts"] != "open":
                    await asyncio.sleep(0.05)
        device.close()

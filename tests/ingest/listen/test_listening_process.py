"""The listening process as a whole: what it says of itself, the push door in it, and its patience."""

import asyncio
import json

import httpx
import pytest
from nats.aio.client import Client

from broker_server import BrokerServer
from core.stream import streams
from core.stream.client import connected
from ingest.devices.limits import Bucket
from listening import listening, open_contracts
from waiting import PATIENCE_S


async def test_it_says_how_it_is(broker: BrokerServer) -> None:
    async with listening(broker.home, open_contracts("transport.vehicle_position")) as ports:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{ports['metrics']}") as http:
            health = await http.get("/health")
            assert (health.status_code, health.json()["broker"]) == (200, "connected")
            assert "cityrisk_listen_connections 0.0" in (await http.get("/metrics")).text
            assert (await http.get("/other")).status_code == 404
        note = json.loads((broker.home.run / "listen.json").read_text("utf-8"))
        assert set(note["ports"]) == {"jt808", "metrics"}


@pytest.mark.case("security.held.H9")
async def test_it_waits_for_the_broker_and_survives_it(broker: BrokerServer) -> None:
    broker.kill()
    restart = asyncio.create_task(asyncio.to_thread(broker.start))
    async with listening(broker.home, open_contracts("transport.vehicle_position")) as ports:
        await restart
        await asyncio.to_thread(broker.kill)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{ports['metrics']}") as http:
            async with asyncio.timeout(PATIENCE_S):
                while (await http.get("/health")).status_code != 503:
                    await asyncio.sleep(0.02)
            await asyncio.to_thread(broker.start)
            async with asyncio.timeout(PATIENCE_S):
                while (await http.get("/health")).status_code != 200:
                    await asyncio.sleep(0.02)


async def test_pushed_rows_come_through_the_same_process(broker: BrokerServer) -> None:
    home = broker.set(CITYRISK_PUSH_TOKEN_WATER_STATION="token")
    contracts = open_contracts("water.station", "water.river_reading")
    async with listening(home, contracts) as ports:
        async with httpx.AsyncClient() as http:
            answer = await http.post(
                f"http://127.0.0.1:{ports['push']}/push/water.station",
                headers={"Authorization": "Bearer token"},
                json=[{"nothing": "that fits"}],
            )
        assert answer.status_code == 202
        assert any((home.root / "archive").rglob("*"))


def test_a_bucket_fills_evenly() -> None:
    bucket = Bucket(per_s=10, size=5, at=0.0)
    assert bucket.take(5, 0.0) == 0
    assert bucket.take(5, 0.0) == 0.5
    assert not bucket.has(1, 0.55)
    assert bucket.has(1, 0.65)
    assert bucket.take(0, 100.0) == 0
    assert not bucket.has(6, 200.0)


def test_raw_gives_way_when_its_consumer_has_everything(broker: BrokerServer) -> None:
    async def whole() -> None:
        home = broker.set(CITYRISK_RAW_MAX_BYTES="100000")
        async with listening(home, open_contracts("transport.vehicle_position")), connected(home, "test") as client:
            jetstream = client.jetstream()
            consumer = await jetstream.pull_subscribe("raw.>", durable="intake", stream=streams.RAW)
            for _ in range(85):
                await jetstream.publish("raw.sample.feed.d1", b"x" * 1000)
            for message in await consumer.fetch(85):
                await message.ack_sync()
            state = (await client.jsm().stream_info(streams.RAW)).state
            await until_less(client, state.messages)

    async def until_less(client: Client, count: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while (await client.jsm().stream_info(streams.RAW)).state.messages >= count:
                await asyncio.sleep(0.1)

    asyncio.run(whole())

"""Devices on real sockets: what they count as acknowledged is in the stream, whatever dies meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from broker_server import BrokerServer, running_broker
from city.live.acknowledged import acknowledged
from city.live.load import FEED, load
from city.live.plan import make_plan
from city.live.play import play
from city.live.surroundings import Surroundings, surroundings_of
from core.catalogue import load_contracts
from core.secrets import add_stream_secrets
from core.settings import open_home
from core.stream.bundle import StoredMessage
from core.stream.client import connect
from core.stream.raw import RawEntry, pack
from ingest.parse.frames import tables_of
from listening import entries_in_raw, listening
from live_city import LiveCity, landed_city
from orchestration.services import mqtt_departments
from waiting import PATIENCE_S


def now() -> datetime:
    """The clock of the devices."""
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCity]:
    """Yichang at a fiftieth of its size; its departments have passwords for their devices."""
    root = tmp_path_factory.mktemp("play") / "var"
    for made in landed_city(root, "yichang", 0.02):
        add_stream_secrets(root, mqtt_departments(load_contracts()))
        yield replace(made, home=open_home({}, root))


@pytest.fixture
def server(city: LiveCity) -> Iterator[BrokerServer]:
    """A broker of its own in the city's home."""
    with running_broker(city.home) as running:
        yield running


async def raw_bodies(server: BrokerServer) -> list[tuple[str, RawEntry]]:
    client = await connect(server.home, "test")
    try:
        return await entries_in_raw(client)
    finally:
        await client.close()


def test_a_played_hour_is_acknowledged_whole_and_stands_in_the_stream(city: LiveCity, server: BrokerServer) -> None:
    async def played() -> None:
        async with listening(server.home, city.contracts):
            around = surroundings_of(server.home.root, server.home.environment)
            plan = make_plan(city.fleet, now() - timedelta(minutes=40), now())
            speakers = city.fleet.speakers(plan.incidents, bystanders=0.5)
            done = await play(server.home.root, plan, asyncio.Event(), now, around, speed=None, speakers=speakers)
            assert (done.left, done.refused) == (0, {})
            assert set(done.acknowledged) > {"transport.vehicle_position", "housing.dust_reading", "urban.gas_reading"}
            entries = await raw_bodies(server)
            rows = {(feed_id, str(device), str(at)) for feed_id, device, at in _rows(city, entries)}
            told = acknowledged(server.home.root)
            assert told.height > 500
            wanted = {
                (feed, device, at.isoformat())
                for feed, device, at in told.select("feed_id", "device_id", "observed_at").rows()
            }
            assert wanted - rows == set()

    asyncio.run(played())


def _rows(city: LiveCity, entries: list[tuple[str, RawEntry]]) -> Iterator[tuple[str, str, str]]:
    """Feed, device and instant of every row in RAW."""
    by_feed: dict[str, list[RawEntry]] = {}
    for subject, entry in entries:
        by_feed.setdefault(".".join(subject.split(".")[1:3]), []).append(entry)
    for raw_feed, several in by_feed.items():
        contracts = [one for one in city.contracts.values() if one.is_stream and one.raw_feed == raw_feed]
        for feed_id, table in tables_of([StoredMessage(1, pack(several), 0)], contracts).items():
            contract = city.contracts[feed_id]
            device, at = contract.by_concept("device_id"), contract.event_time
            assert device is not None
            assert at is not None
            for who, when in table.frame.select(device.physical_name, at.physical_name).rows():
                moment = (
                    datetime.fromtimestamp(int(when) / 1000, UTC) if when.isdigit() else datetime.fromisoformat(when)
                )
                yield feed_id, who, moment.astimezone(UTC).isoformat()


def test_a_killed_broker_costs_nothing_that_was_acknowledged(city: LiveCity, server: BrokerServer) -> None:
    async def loaded() -> None:
        async with listening(server.home, city.contracts):
            around = surroundings_of(server.home.root, server.home.environment)
            task = asyncio.create_task(load(server.home.root, around, asyncio.Event(), now, rate=20_000, seconds=4))
            await asyncio.sleep(1.5)
            server.kill()
            await asyncio.to_thread(server.start)
            done = await task
            assert done.left_messages == 0
            assert done.acknowledged == done.sent > 2_000
            told = acknowledged(server.home.root)
            assert told.height * 100 == done.acknowledged
            wanted = {
                (device, round(at.timestamp() * 1000)) for device, at in told.select("device_id", "observed_at").rows()
            }
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    kept = {
                        (entry.device_id, int(entry.body.split(b'"ts":')[1][:13]))
                        for subject, entry in await raw_bodies(server)
                        if subject.startswith(f"raw.{FEED}.")
                    }
                    if wanted <= kept:
                        return
                    await asyncio.sleep(0.2)

    asyncio.run(loaded())


def test_one_reading_a_message_at_an_even_pace(city: LiveCity, server: BrokerServer) -> None:
    around = surroundings_of(server.home.root, server.home.environment)
    done = asyncio.run(
        load(server.home.root, around, asyncio.Event(), now, rate=1000, seconds=1, per_message=1, notes=False)
    )
    assert done.left_messages == 0
    assert 900 <= done.acknowledged <= 1000
    assert acknowledged(server.home.root).is_empty()


def test_a_load_needs_a_known_form_and_a_password(city: LiveCity) -> None:
    nobody = Surroundings("127.0.0.1", {"mqtt": 1}, {})
    for form, error in ((7, ValueError), (100, RuntimeError)):
        with pytest.raises(error):
            asyncio.run(load(city.home.root, nobody, asyncio.Event(), now, rate=1, seconds=1, per_message=form))


def test_nobody_plays_where_no_port_is_known(city: LiveCity) -> None:
    plan = make_plan(city.fleet, now() - timedelta(minutes=5), now(), "quiet")
    nobody = Surroundings("127.0.0.1", {}, {"urban": "x", "emergency": "x"})
    with pytest.raises(RuntimeError, match="start the product"):
        asyncio.run(play(city.home.root, plan, asyncio.Event(), now, nobody))

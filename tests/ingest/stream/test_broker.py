"""Our broker: starts from a home's settings, keeps departments apart, encrypts what it stores."""

import asyncio
from datetime import UTC, datetime

from broker_server import BrokerServer
from ingest.stream import streams
from ingest.stream.client import connected

NOW = datetime(2026, 7, 10, 4, 0, tzinfo=UTC)


def test_streams_are_made_once_and_keep_their_messages(broker: BrokerServer) -> None:
    async def twice() -> None:
        async with connected(broker.home, "test") as client:
            await streams.ensure_streams(client, broker.home, NOW)
            first = await client.jetstream().publish("raw.sample.feed.d1", b"one")
            await streams.ensure_streams(client, broker.home, NOW)
            second = await client.jetstream().publish("raw.sample.feed.d1", b"two")
            assert (first.stream, second.seq - first.seq) == (streams.RAW, 1)

    asyncio.run(twice())

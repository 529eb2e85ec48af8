"""Devices on real sockets: what each protocol's session stores and answers, and who is refused."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from broker_server import BrokerServer
from core.running import read_running
from core.store import database, tables
from core.store.device import list_links, set_access
from core.stream import streams
from core.stream.client import connected
from ingest.protocols import codec
from ingest.protocols.gb26875 import encode as gb26875
from ingest.protocols.hj212 import encode, encode_parts
from ingest.protocols.jt808 import encode as jt808
from ingest.protocols.sl651 import encode as sl651
from listening import entries_in_raw, listening, now, open_contracts, raw_holds, started_process, until
from waiting import PATIENCE_S

AT = datetime(2026, 7, 10, 4, 0, tzinfo=UTC)
TRUCK = jt808.Sender("13800001111")
STATION = sl651.Sender("0060123456")
UNIT = gb26875.Unit("0102030405A6")
DUST = "A110000_0001"
SMOKE = gb26875.part_state(gb26875.Part("fire_alarm", 1, "smoke_detector", 2, 3), ["fire"], AT)


@dataclass(frozen=True)
class Case:
    protocol: str
    feed: str
    device_id: str
    frame: Callable[[int], bytes]


def position(number: int) -> jt808.Position:
    return jt808.Position(AT + timedelta(seconds=number), 111.29, 30.69, 40.0)


CASES = [
    Case("jt808", "transport.vehicle_position", "13800001111", lambda n: jt808.location(TRUCK, n, position(n))),
    Case(
        "hj212",
        "housing.dust_reading",
        DUST,
        lambda n: encode(
            DUST,
            "22",
            "2011",
            AT + timedelta(seconds=n),
            observed_at=AT + timedelta(seconds=n),
            factors={"a34002": {"Rtd": 61.5, "Flag": "N"}},
        ),
    ),
    Case(
        "sl651",
        "water.river_reading",
        "0060123456",
        lambda n: sl651.report(STATION, 0x32, n, AT, [sl651.Group(AT + timedelta(minutes=n), {"level_m": 41.2})])[0],
    ),
    Case(
        "gb26875",
        "fire.device_state",
        "0102030405A6",
        lambda n: gb26875.packet(UNIT, n, AT + timedelta(seconds=n), 2, [SMOKE]),
    ),
]
by_protocol = pytest.mark.parametrize("case", CASES, ids=lambda case: case.protocol)


def bare(frame: bytes) -> bytes:
    """A frame without the line end that HJ 212 puts behind it."""
    return frame.removesuffix(b"\r\n")


async def opened(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


async def answer(reader: asyncio.StreamReader, within_s: float = 10.0) -> bytes:
    async with asyncio.timeout(within_s):
        return await reader.read(4096)


@by_protocol
async def test_a_frame_is_stored_and_then_answered(broker: BrokerServer, case: Case) -> None:
    async with listening(broker.home, open_contracts(case.feed)) as ports, connected(broker.home, "t") as client:
        reader, writer = await opened(ports[case.protocol])
        for number in (1, 2):
            frame = case.frame(number)
            writer.write(frame[:7])
            await writer.drain()
            writer.write(frame[7:])
            said = await answer(reader)
            (stored,) = [entry for _, entry in await entries_in_raw(client) if entry.body == bare(frame)]
            assert stored.device_id == case.device_id
            assert codec(case.protocol).decode(said).kind
        writer.close()


@by_protocol
async def test_datagrams_are_stored_and_answered(broker: BrokerServer, case: Case) -> None:
    async with listening(broker.home, open_contracts(case.feed)) as ports, connected(broker.home, "t") as client:
        answers: asyncio.Queue[bytes] = asyncio.Queue()

        class Sender(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: object) -> None:
                answers.put_nowait(data)

        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Sender, remote_addr=("127.0.0.1", ports[case.protocol]))
        transport.sendto(b"noise")
        transport.sendto(case.frame(1))
        async with asyncio.timeout(PATIENCE_S):
            assert await answers.get()
        assert [entry.body for _, entry in await entries_in_raw(client)] == [bare(case.frame(1))]
        transport.close()


@by_protocol
async def test_nothing_is_answered_that_is_not_stored(broker: BrokerServer, case: Case) -> None:
    async with listening(broker.home, open_contracts(case.feed)) as ports, connected(broker.home, "t") as client:
        await client.jsm().delete_stream(streams.RAW)
        reader, writer = await opened(ports[case.protocol])
        writer.write(case.frame(1))
        with pytest.raises(TimeoutError):
            await answer(reader, 0.7)
        await streams.ensure_streams(client, broker.home, now())
        assert await answer(reader)
        assert [entry.body for _, entry in await entries_in_raw(client)] == [bare(case.frame(1))]
        writer.close()


async def test_a_truck_registers_authenticates_and_keeps_alive(broker: BrokerServer) -> None:
    contracts = open_contracts("transport.vehicle_position")
    async with listening(broker.home, contracts) as ports, connected(broker.home, "t") as client:
        reader, writer = await opened(ports["jt808"])
        writer.write(jt808.registration(TRUCK, 1, "鄂E12345", "T1"))
        registered = await answer(reader)
        assert registered[1:3] == b"\x81\x00"
        assert b"A13800001111" in registered
        for frame in (jt808.authentication(TRUCK, 2, "A13800001111"), jt808.heartbeat(TRUCK, 3)):
            writer.write(frame)
            assert (await answer(reader))[1:3] == b"\x80\x01"
        assert await entries_in_raw(client) == []
        writer.close()


async def test_a_message_in_parts_is_one_entry(broker: BrokerServer) -> None:
    factors = {f"a{34000 + n}": {"Rtd": float(n), "Flag": "N"} for n in range(80)}
    parts = encode_parts(DUST, "22", "2011", AT, factors, observed_at=AT)
    batch = jt808.location_batch(TRUCK, 1, [position(n) for n in range(60)])
    assert len(parts) > 1
    assert len(batch) > 1

    contracts = open_contracts("housing.dust_reading", "transport.vehicle_position")
    async with listening(broker.home, contracts) as ports, connected(broker.home, "t") as client:
        for protocol, frames in (("hj212", parts), ("jt808", batch)):
            reader, writer = await opened(ports[protocol])
            for frame in frames:  # a device may wait for each answer before it goes on
                writer.write(frame)
                assert await answer(reader)
            writer.close()
        found = await raw_holds(client, 2)
        assert [entry.body for _, entry in found] == [b"".join(map(bare, parts)), b"".join(batch)]


async def test_parts_that_were_answered_outlive_the_gateway(broker: BrokerServer) -> None:
    factors = {f"a{34000 + n}": {"Rtd": float(n), "Flag": "N"} for n in range(120)}
    parts = encode_parts(DUST, "22", "2011", AT, factors, observed_at=AT)
    assert len(parts) > 2

    async with connected(broker.home, "t") as client:
        for some in (parts[:1], parts[1:-1], parts[-1:]):
            process = started_process(broker.home, "housing.dust_reading")
            try:
                await until((broker.home.run / "listen.json").exists)
                running = read_running(broker.home, "listen")
                assert running is not None
                reader, writer = await opened(running.ports["hj212"])
                for frame in some:
                    writer.write(frame)
                    assert await answer(reader)
                writer.close()
            finally:
                process.kill()
                process.wait()
        assert [entry.body for _, entry in await entries_in_raw(client)] == [b"".join(map(bare, parts))]


@pytest.mark.case("engineer.held.H4")
async def test_strangers_and_banned_devices_are_refused(broker: BrokerServer) -> None:
    case = CASES[0]
    engine = database.open_ops(broker.home.ops_url)
    set_access(engine, case.feed, "13800002222", "banned", "duty", "sends nonsense", AT)
    set_access(engine, case.feed, "13800003333", "allowed", "duty", "on trial", AT)
    strict = open_contracts(case.feed, unknownDevices="refuse")

    async def is_refused(port: int, phone: str) -> bool:
        reader, writer = await opened(port)
        writer.write(jt808.location(jt808.Sender(phone), 1, position(1)))
        told = await answer(reader)
        ended = await answer(reader) == b""
        writer.close()
        return ended and told[1:3] == b"\x80\x01" and told[-3] == 1

    async with listening(broker.home, strict) as ports, connected(broker.home, "t") as client:
        assert await is_refused(ports["jt808"], "13800001111")
        assert await is_refused(ports["jt808"], "13800002222")
        reader, writer = await opened(ports["jt808"])
        writer.write(jt808.location(jt808.Sender("13800003333"), 1, position(1)))
        assert await answer(reader)
        # What a stranger says goes to RAW within limits, where it lands nowhere; of a banned device nothing does.
        assert [entry.device_id for _, entry in await entries_in_raw(client)] == ["13800001111", "13800003333"]
        set_access(engine, case.feed, "13800003333", "banned", "duty", "enough", AT)
        async with asyncio.timeout(PATIENCE_S):  # banned while it is connected
            while not reader.at_eof():
                writer.write(jt808.heartbeat(jt808.Sender("13800003333"), 2))
                await reader.read(4096)
                await asyncio.sleep(0.1)
        writer.close()
    standing = {row.device_id: row.standing for row in list_links(engine)}
    assert standing == {"13800001111": "unknown", "13800002222": "banned", "13800003333": "banned"}
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.operator_action)) == 3
    engine.dispose()


async def test_links_tell_how_a_device_is_heard(broker: BrokerServer) -> None:
    case = CASES[0]
    engine = database.open_ops(broker.home.ops_url)

    async with listening(broker.home, open_contracts(case.feed)) as ports:
        reader, writer = await opened(ports["jt808"])
        writer.write(case.frame(1))
        assert await answer(reader)
        writer.write(case.frame(2)[:-3] + b"\xff\xff\x7e" + case.frame(3))
        assert await answer(reader)
        writer.close()
    (link,) = list_links(engine)
    assert (link.frames, link.bad_frames, link.is_connected) == (2, 1, False)
    assert (link.carrier, link.address, link.standing) == ("tcp", "127.0.0.1", "known")
    assert link.last_bad_reason
    assert json.loads(link.deviations) == {}
    engine.dispose()

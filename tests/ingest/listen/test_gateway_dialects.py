"""Devices that talk a little differently, on real sockets: counted, answered, denied, asked again; no alarm is lost."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from broker_server import BrokerServer
from core.contract import Contract
from core.store import database, tables
from core.store.device import list_links
from core.stream.bundle import StoredMessage
from core.stream.client import connected
from core.stream.raw import RawEntry, pack
from ingest.parse.frames import tables_of
from ingest.protocols import Message, codec, gb26875, sl651
from ingest.protocols.jt808 import encode
from listening import entries_in_raw, listening, open_contracts
from waiting import PATIENCE_S

AT = datetime(2026, 7, 10, 4, 0, tzinfo=UTC)
POSITION, FIRE, RIVER = "transport.vehicle_position", "fire.device_state", "water.river_reading"
TRUCK = encode.Sender("13800001111")
UNIT = gb26875.Unit("0102030405A6")
SMOKE = gb26875.Part("fire_alarm", 1, "smoke_detector", 2, 3)


async def told(reader: asyncio.StreamReader, protocol: str, count: int) -> list[Message]:
    """The next `count` frames that the platform says."""
    split, found = codec(protocol).splitter(), list[Message]()
    async with asyncio.timeout(PATIENCE_S):
        while len(found) < count:
            pieces = split.feed(await reader.read(4096))
            found += [codec(protocol).decode(piece) for piece in pieces if isinstance(piece, bytes)]
    return found


def talk(
    broker: BrokerServer, contracts: dict[str, Contract], protocol: str, steps: Sequence[tuple[bytes, int]]
) -> tuple[list[list[Message]], list[bytes]]:
    """Send each step's bytes on one connection and wait for so many answers; gives them and what is in RAW."""

    async def whole() -> tuple[list[list[Message]], list[bytes]]:
        async with listening(broker.home, contracts) as ports, connected(broker.home, "t") as client:
            reader, writer = await asyncio.open_connection("127.0.0.1", ports[protocol])
            said = []
            for data, count in steps:
                writer.write(data)
                said.append(await told(reader, protocol, count))
            writer.close()
            return said, [entry.body for _, entry in await entries_in_raw(client)]

    return asyncio.run(whole())


def link_of(broker: BrokerServer) -> Any:
    engine = database.open_ops(broker.home.ops_url)
    (link,) = list_links(engine)
    engine.dispose()
    return link


@pytest.mark.case("live.G1")
def test_a_heartbeat_with_items_is_counted_and_answered(broker: BrokerServer) -> None:
    beat = encode.frame(TRUCK, 0x0002, 7, bytes.fromhex("3001150104000027"))
    contracts = open_contracts(POSITION, lenient=["longer_body"])
    said, _ = talk(broker, contracts, "jt808", [(beat, 1), (beat, 1)])
    assert [(one.fields["reply_id"], one.fields["result"]) for (one,) in said] == [(0x0002, 0)] * 2
    assert json.loads(link_of(broker).deviations) == {"longer_body": 2}


@pytest.mark.case("live.G7")
def test_a_short_heartbeat_is_counted_and_confirmed(broker: BrokerServer) -> None:
    empty = gb26875.packet(UNIT, 7, AT)
    inner = empty[2:24] + b"\x03\x00" + empty[26:27] + b"\x02\x01\x00"
    beat = b"@@" + inner + bytes([sum(inner) & 0xFF]) + b"##"
    said, _ = talk(broker, open_contracts(FIRE, lenient=["short_heartbeat"]), "gb26875", [(beat, 1)])
    assert said[0][0].fields["command_word"] == "confirm"
    assert json.loads(link_of(broker).deviations) == {"short_heartbeat": 1}


@pytest.mark.case("live.G5", "live.C6")
def test_two_objects_under_a_count_of_one_are_denied_and_their_fire_goes_on(broker: BrokerServer) -> None:
    objects = [gb26875.part_state(SMOKE, true, AT) for true in ([], ["fire"])]
    two = gb26875.packet(UNIT, 9, AT, 2, objects)
    inner = two[2:28] + b"\x01" + two[29:-3]
    wrong = b"@@" + inner + bytes([sum(inner) & 0xFF]) + b"##"
    contracts = open_contracts(FIRE)
    said, stored = talk(broker, contracts, "gb26875", [(gb26875.packet(UNIT, 1, AT), 1), (wrong, 1)])
    assert [(one.fields["command_word"], one.fields["serial"]) for (one,) in said] == [("confirm", 1), ("deny", 9)]
    assert stored == [wrong]
    table = _table(contracts[FIRE], wrong, "0102030405A6")
    assert [(n.reason, n.alarm.sender, n.alarm.says) for n in table.notes] == [
        ("bad_frame", "0102030405A6", "part_state fire")
    ]
    engine = database.open_ops(broker.home.ops_url)
    with engine.connect() as connection:  # what goes to RAW is noted by intake, not twice
        assert connection.execute(sa.select(sa.func.count()).select_from(tables.quarantine)).scalar() == 0
    engine.dispose()


@pytest.mark.case("live.C6")
def test_an_emergency_with_a_wrong_sum_goes_on_but_a_mere_position_does_not(broker: BrokerServer) -> None:
    frames = [
        encode.location(TRUCK, n, encode.Position(AT, 111.29, 30.69, 40.0, alarm_bits=bits))
        for n, bits in ((2, 0), (3, 1))
    ]
    plain, sos = (frame[:-2] + bytes([frame[-2] ^ 1]) + b"\x7e" for frame in frames)
    steps = [(encode.heartbeat(TRUCK, 1), 1), (plain + sos + encode.heartbeat(TRUCK, 4), 1)]
    _, stored = talk(broker, open_contracts(POSITION), "jt808", steps)
    assert stored == [sos]


@pytest.mark.case("live.G4")
def test_packets_of_a_picture_that_are_missing_are_asked_for(broker: BrokerServer) -> None:
    station = sl651.Sender("0060123456")
    packets = sl651.picture(station, 3, AT, AT, bytes(range(256)) * 4, packet_bytes=300)
    assert len(packets) == 4
    alive = sl651.keep_alive(station, 2, AT)
    steps = [(alive + packets[0] + packets[3], 1), (packets[1], 1), (packets[2], 1)]
    said, _ = talk(broker, open_contracts(RIVER), "sl651", steps)
    (first,), (second,), (whole,) = said
    assert [(one.fields["end"], one.part) for one in (first, second)] == [("15", (2, 4)), ("15", (3, 4))]
    assert first.fields["serial"] == 3
    assert whole.fields["end"] == "1B"


@pytest.mark.case("live.G4")
def test_a_truck_is_asked_for_missing_packets_too(broker: BrokerServer) -> None:
    positions = [encode.Position(AT.replace(second=n), 111.29, 30.69) for n in range(59)]
    packets = encode.location_batch(TRUCK, 40, positions)
    assert len(packets) == 2
    said, stored = talk(broker, open_contracts(POSITION), "jt808", [(packets[1], 2), (packets[0], 1)])
    asked = [one.fields for one in said[0] if one.fields["message_id"] == 0x8003]
    assert [(fields["first_serial"], fields["packets"]) for fields in asked] == [(40, [1])]
    assert stored == [b"".join(packets)]


def _table(contract: Contract, body: bytes, device_id: str) -> Any:
    message = StoredMessage(1, pack([RawEntry(device_id, 1, body)]), 1)
    return tables_of([message], [contract])[contract.id]

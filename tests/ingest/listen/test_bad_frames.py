"""Bytes that are no frame reach quarantine with their device masked, a flood does not, and a contract may relent."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from broker_server import BrokerServer
from core.contract import Contract
from core.settings import ARCHIVE_KEY, Home
from core.store import database, tables
from core.store.archive import Archive
from core.store.device import list_links
from core.store.landed import live_files
from core.stream.bundle import unbundle
from core.stream.client import connected
from core.stream.oversize import oversize_in
from core.stream.packer import ENTRY_BYTES
from core.stream.raw import unpack
from ingest.devices.bad_frames import OF_A_SENDER, BadEntry, BadFrames, write_bad_frames
from ingest.parse.frames import tables_of
from ingest.protocols import hj212
from ingest.protocols.hj212.crc import modbus
from ingest.protocols.jt808 import encode as jt808
from ingest.pull import open_intake
from ingest.reprocess.frames import BYTES_GONE, NO_FRAME
from ingest.reprocess.quarantine import replay
from ingest.reprocess.restore import restore
from listening import Device, entries_in_raw, listening, open_contracts, until
from waiting import PATIENCE_S

AT = datetime(2026, 7, 10, 4, 0, tzinfo=UTC)
POSITION, BEHAVIOUR, DUST, GAS = (
    "transport.vehicle_position",
    "transport.driver_behaviour",
    "housing.dust_reading",
    "urban.gas_reading",
)
PHONE = "13800001111"
MONITOR = "A110000_0001"


@pytest.fixture
def engine(home: Home) -> Iterator[sa.Engine]:
    opened = database.open_ops(home.ops_url)
    yield opened
    opened.dispose()


def truck_frame(number: int) -> bytes:
    place = jt808.Position(AT + timedelta(seconds=number), 111.29, 30.69, 40.0)
    alarm = jt808.dsm(place, 1, "YC00001", alarm_no=1, level=2, phase=1, fatigue_degree=7)
    return jt808.location(jt808.Sender(PHONE), number, replace(place, items=(alarm,)))


def dust_frame(number: int, with_modbus: bool = False) -> bytes:
    at = AT + timedelta(minutes=number)
    frame = hj212.encode(MONITOR, "22", "2011", at, observed_at=at, factors={"a34002": {"Rtd": 61.5, "Flag": "N"}})
    return frame[:-6] + b"%04X\r\n" % modbus(frame[6:-6]) if with_modbus else frame


def spoilt(frame: bytes) -> bytes:
    """A JT/T 808 frame with a wrong checksum."""
    return frame[:-2] + bytes([frame[-2] ^ 1]) + b"\x7e"


def quarantined(engine: sa.Engine) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(sa.select(tables.quarantine).order_by(tables.quarantine.c.id)))


def kept(home: Home, sha256: str) -> list[tuple[str, bytes]]:
    body = Archive(home.archive, home.secret(ARCHIVE_KEY)).get(sha256)
    return [(entry.device_id, entry.body) for message in unbundle(body) for entry in unpack(message.body)]


def written(home: Home, engine: sa.Engine, contracts: dict[str, Contract], raw_feed: str, *bads: BadEntry) -> None:
    tracker = BadFrames()
    for number, bad in enumerate(bads):
        tracker.keep(raw_feed, "tcp", f"sender {number}", bad)
    archive = Archive(home.archive, home.secret(ARCHIVE_KEY))
    for sheet in tracker.take(AT):
        write_bad_frames(home, engine, archive, contracts, sheet, AT)


def bad(data: bytes, device: str = "") -> BadEntry:
    return BadEntry(device, data, "wrong checksum at byte 40: 00", "01", AT)


# ── at the doors ──────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_a_bad_frame_of_a_truck_is_kept_and_its_phone_is_not_shown(
    broker: BrokerServer, engine: sa.Engine
) -> None:
    broken = spoilt(truck_frame(2))

    async with listening(broker.home, open_contracts(POSITION)) as ports:
        reader, writer = await asyncio.open_connection("127.0.0.1", ports["jt808"])
        writer.write(truck_frame(1) + broken + truck_frame(3))
        async with asyncio.timeout(PATIENCE_S):
            await reader.read(4096)
        writer.write(b"noise" + truck_frame(4))
        async with asyncio.timeout(PATIENCE_S):
            await reader.read(4096)
        writer.close()
    rows = quarantined(engine)
    assert [(row.feed_id, row.reason, row.grain, row.outcome) for row in rows] == 2 * [
        (POSITION, "bad_frame", "row", "quarantined")
    ]
    assert rows[0].source_ref == f"jt808-tcp:{rows[0].locator}"
    assert rows[0].found.startswith("1***: wrong checksum at byte")
    assert not any(PHONE in str(value) for row in rows for value in row)
    assert kept(broker.home, rows[0].archive_sha256) == [(PHONE, broken), (PHONE, b"~noise~")]
    (link,) = list_links(engine)
    assert (link.frames, link.bad_frames) == (3, 2)


async def test_bad_datagrams_are_kept_a_few_a_minute_and_the_others_counted(
    broker: BrokerServer, engine: sa.Engine
) -> None:
    async with listening(broker.home, open_contracts(DUST)) as ports, connected(broker.home, "t") as client:
        loop = asyncio.get_running_loop()
        door = ("127.0.0.1", ports["hj212"])
        transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=door)
        for number in range(OF_A_SENDER + 5):
            transport.sendto(b"noise %d" % number)
        transport.sendto(dust_frame(1))
        async with asyncio.timeout(PATIENCE_S):
            while not await entries_in_raw(client):
                await asyncio.sleep(0.02)
        transport.close()
    rows = quarantined(engine)
    assert sum(row.n_rows for row in rows if row.outcome == "quarantined") == OF_A_SENDER
    assert sum(row.n_rows for row in rows if row.outcome == "ignored") == 5
    assert {row.source_ref.partition(":")[0] for row in rows} == {"hj212-udp"}


@pytest.mark.case("live.G9")
async def test_a_message_that_raw_cannot_carry_is_kept_whole_and_the_next_is_acknowledged(
    broker: BrokerServer, engine: sa.Engine
) -> None:
    body = json.dumps([{"deviceId": "QY-1", "pad": "x" * 5 * ENTRY_BYTES}]).encode()
    after = b'{"deviceId": "QY-1"}'
    broker.stop()
    broker.set(CITYRISK_NATS_PASSWORD_URBAN="c2FtcGxl")
    broker.start()

    contracts = {feed: replace(one, alarm_columns=("st",)) for feed, one in open_contracts(GAS).items()}
    async with listening(broker.home, contracts), connected(broker.home, "t") as client:
        device = Device(broker.home, "urban")
        device.publish("urban/gas_reading/QY-1", [body, after])
        await until(lambda: device.acknowledged == {body, after})
        await until(lambda: bool(quarantined(engine)))
        device.close()
        # Where a lost row may be an alarm, what came of it goes on, to ring.
        said = [oversize_in(entry.body) for _, entry in await entries_in_raw(client)]
        assert [one.size_bytes for one in said if one] == [len(body)]
    (row,) = quarantined(engine)
    assert (row.reason, row.found) == ("bad_frame", f"QY-1: {len(body)} bytes")
    assert kept(broker.home, row.archive_sha256) == [("QY-1", body)]


def test_a_source_is_tolerated_only_as_its_contract_says(broker: BrokerServer, engine: sa.Engine) -> None:
    async def answered(contracts: dict[str, Contract]) -> bool:
        async with listening(broker.home, contracts) as ports:
            reader, writer = await asyncio.open_connection("127.0.0.1", ports["hj212"])
            writer.write(dust_frame(1, with_modbus=True) + b"##")
            writer.write_eof()
            async with asyncio.timeout(PATIENCE_S):
                said = await reader.read(4096)
            writer.close()
            return bool(said)

    assert not asyncio.run(answered(open_contracts(DUST)))
    assert list_links(engine) == []
    assert "crc" in quarantined(engine)[0].found
    assert asyncio.run(answered(open_contracts(DUST, lenient=["crc_modbus"])))
    (link,) = list_links(engine)
    assert (link.device_id, json.loads(link.deviations)) == (MONITOR, {"crc_modbus": 1})


async def test_tolerance_of_one_source_is_none_for_another(broker: BrokerServer, engine: sa.Engine) -> None:
    contracts = open_contracts(DUST, "ecology.outfall_reading", unknownDevices="refuse")
    contracts["ecology.outfall_reading"] = open_contracts("ecology.outfall_reading", lenient=["crc_modbus"])[
        "ecology.outfall_reading"
    ]
    with engine.begin() as connection:
        connection.execute(
            sa.insert(tables.device_access).values(
                raw_feed=DUST, device_id=MONITOR, verdict="allowed", actor="duty", reason="on trial", at=AT
            )
        )

    async with listening(broker.home, contracts) as ports, connected(broker.home, "t") as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", ports["hj212"])
        writer.write(dust_frame(1, with_modbus=True) + dust_frame(2))
        async with asyncio.timeout(PATIENCE_S):
            await reader.read(4096)
        assert len(await entries_in_raw(client)) == 1
        writer.close()
    (row,) = quarantined(engine)
    assert (row.feed_id, row.expected) == (DUST, "a frame to the standard; option crc_modbus takes it")
    (link,) = list_links(engine)
    assert (link.frames, link.bad_frames) == (1, 1)


# ── the book ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_minute_has_room_for_each_sender_and_for_all() -> None:
    tracker = BadFrames()
    for number in range(100):
        if tracker.has_room("one", AT):
            tracker.keep(DUST, "tcp", "one", bad(b"%d" % number))
        else:
            tracker.count(DUST, "tcp")
    (sheet,) = tracker.take(AT)
    assert (len(sheet.kept), sheet.n_others) == (OF_A_SENDER, 100 - OF_A_SENDER)
    senders = 0
    while tracker.has_room(f"other {senders}", AT):
        tracker.keep(DUST, "tcp", f"other {senders}", bad(b""))
        senders += 1
    assert senders == 30 - OF_A_SENDER
    assert tracker.has_room("one", AT + timedelta(minutes=1))


def test_what_could_not_be_written_is_held_and_mere_counts_wait_for_the_minute() -> None:
    tracker = BadFrames()
    assert tracker.has_room("one", AT)
    tracker.count(DUST, "udp")
    assert tracker.take(AT) == []
    tracker.keep(DUST, "udp", "one", bad(b"first"))
    (sheet,) = tracker.take(AT)
    tracker.keep(DUST, "udp", "one", bad(b"second"))
    tracker.give_back(sheet)
    (sheet,) = tracker.take(AT)
    assert ([one.data for one in sheet.kept], sheet.n_others) == ([b"first", b"second"], 1)
    tracker.count(DUST, "udp")
    assert [sheet.n_others for sheet in tracker.take(AT + timedelta(minutes=1))] == [1]


# ── another chance ────────────────────────────────────────────────────────────────────────────────────────────────────
def test_frames_land_once_their_contract_relents(home: Home, engine: sa.Engine) -> None:
    strict = open_contracts(POSITION, BEHAVIOUR)
    written(home, engine, strict, POSITION, bad(spoilt(truck_frame(1)), PHONE), bad(b"noise"), bad(truck_frame(2)[:20]))
    intake = open_intake(home, engine, "run-1", lambda: AT)
    assert [(done.rows_asked, done.rows_landed) for done in replay(intake, strict)] == [(3, 0)]
    lenient = open_contracts(POSITION, BEHAVIOUR, lenient=["wrong_checksum"])
    lenient = {
        feed: replace(one, server=replace(one.server, options={**one.server.options, "stream": POSITION}))
        if feed == BEHAVIOUR
        else one
        for feed, one in lenient.items()
    }
    assert {done.feed_id: done.rows_landed for done in replay(intake, lenient)} == {POSITION: 1, BEHAVIOUR: 1}
    assert [row.replayed_at is not None for row in quarantined(engine)] == [True, False, False]
    assert {(done.rows_landed, done.why) for done in replay(intake, lenient)} == {(0, NO_FRAME)}
    files = live_files(engine, home, POSITION)
    before = files[0].read_bytes()
    for path in files:
        path.unlink()
    assert restore(intake, lenient).batches == 1
    assert files[0].exists()
    assert len(before) > 0


def test_frames_of_strangers_do_not_land(home: Home, engine: sa.Engine) -> None:
    contracts = open_contracts(DUST, unknownDevices="refuse", lenient=["crc_modbus"])
    written(home, engine, contracts, DUST, bad(dust_frame(1, with_modbus=True).removesuffix(b"\r\n")))
    intake = open_intake(home, engine, "run-1", lambda: AT)
    assert [done.rows_landed for done in replay(intake, contracts)] == [0]
    known = open_contracts(DUST, lenient=["crc_modbus"])
    assert [done.rows_landed for done in replay(intake, known)] == [1]


def test_bytes_that_are_past_their_retention_are_said_to_be(home: Home, engine: sa.Engine) -> None:
    contracts = open_contracts(DUST)
    written(home, engine, contracts, DUST, bad(b"noise"))
    assert Archive(home.archive, home.secret(ARCHIVE_KEY)).delete(quarantined(engine)[0].archive_sha256)
    done = replay(open_intake(home, engine, "run-1", lambda: AT), contracts)
    assert [(one.rows_asked, one.rows_landed, one.why) for one in done] == [(1, 0, BYTES_GONE)]


def test_what_is_wrong_with_a_body_shows_no_phone() -> None:
    from core.stream.bundle import StoredMessage
    from core.stream.raw import RawEntry, pack

    message = StoredMessage(1, pack([RawEntry(PHONE, 0, spoilt(truck_frame(1)))]), 0)
    (note,) = tables_of([message], list(open_contracts(POSITION).values()))[POSITION].notes
    assert note.found is not None
    assert note.found.startswith("1***: wrong checksum")

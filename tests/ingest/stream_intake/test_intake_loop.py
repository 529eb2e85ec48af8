"""Intake beside a real broker: what it publishes, lands, refuses, recognises, and how it comes back."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from intake_process import GAS, landed, live_rows, message, reading
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from broker_server import BrokerServer
from core.catalogue import load_contracts
from core.contract import Contract
from core.running import read_running
from core.settings import Home, SettingsError
from core.stages import Payload
from core.store import database, tables
from core.store.landed import live_files
from core.store.ledger import read_cursor
from core.stream import live
from core.stream.client import connected
from core.stream.reader import StreamReader
from core.stream.streams import LIVE, RAW, ensure_streams
from ingest.intake.process import serve
from ingest.land.files import verify_landed
from ingest.pull import Intake, open_intake, pull_feed
from ingest.reprocess.quarantine import replay
from ingest.reprocess.restore import restore
from waiting import PATIENCE_S

NOW = datetime(2026, 7, 10, 4, 0, tzinfo=UTC)
AT_MS = int(NOW.timestamp() * 1000) - 5000
BEHAVIOUR, POSITION = "transport.driver_behaviour", "transport.vehicle_position"


class Clock:
    """NOW, and on from there."""

    def __init__(self) -> None:
        self.base, self.began = NOW, time.monotonic()

    def __call__(self) -> datetime:
        return self.base + timedelta(seconds=time.monotonic() - self.began)


@pytest.fixture
def contracts() -> dict[str, Contract]:
    return load_contracts()


@pytest.fixture
def home(broker: BrokerServer) -> Home:
    return replace(broker.home, environment={**broker.home.environment, "CITYRISK_LANDING_S": "0"})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def intake(home: Home, clock: Clock) -> Iterator[Intake]:
    engine = database.open_ops(home.ops_url)
    yield open_intake(home, engine, "run-1", clock)
    engine.dispose()


@asynccontextmanager
async def serving(home: Home, contracts: dict[str, Contract], clock: Clock) -> AsyncIterator[Client]:
    """Intake and a client, until the block ends; then everything that was taken has landed."""
    (home.run / "intake.json").unlink(missing_ok=True)
    stop = asyncio.Event()
    task = asyncio.create_task(serve(home, contracts, clock, stop))
    async with connected(home, "test") as client:
        await ensure_streams(client, home, clock())
        try:
            await until(lambda: read_running(home, "intake") is not None or task.done())
            yield client
            await until(lambda: _is_taken(home, client))
        finally:
            stop.set()
            await task


async def _is_taken(home: Home, client: Client) -> bool:
    """What intake has not asked the broker for yet is not lost, only not taken."""
    raw = await client.jsm().stream_info(RAW)
    if not raw.state.messages:
        return True
    try:
        delivered = (await client.jsm().consumer_info(RAW, "intake")).delivered
    except NotFoundError:  # intake has not come to reading
        return False
    return delivered is not None and (delivered.stream_seq or 0) >= raw.state.last_seq


async def until(holds: Callable[[], Any | Awaitable[Any]]) -> None:
    """Return once something holds."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = holds()
        if isinstance(found, Awaitable):
            found = await found
        if found:
            return
        assert time.monotonic() < deadline, "it did not come to hold"
        await asyncio.sleep(0.02)


async def send(client: Client, *bodies: Any, feed: str = GAS) -> None:
    await client.jetstream().publish(f"raw.{feed}.d1", message(*bodies, at=NOW))


async def in_live(client: Client, rows: int, feed: str = GAS) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    async def enough() -> bool:
        found[:] = await live_rows(client, feed)
        return len(found) >= rows

    await until(enough)
    return found


def notes(intake: Intake) -> list[tuple[str, str, str, int]]:
    q = tables.quarantine.c
    with intake.engine.connect() as connection:
        rows = connection.execute(sa.select(q.reason, q.outcome, q.grain, q.n_rows).order_by(q.id))
        return [tuple(row) for row in rows]


def progress(intake: Intake, feed_id: str = GAS) -> Any:
    with intake.engine.connect() as connection:
        return connection.execute(
            sa.select(tables.stream_progress).where(tables.stream_progress.c.feed_id == feed_id)
        ).one()


def values(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.sort("_row").select(sorted(frame.columns))


# ── one reading's way ─────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_reading_is_in_live_and_lands(
    home: Home, contracts: dict[str, Contract], intake: Intake, clock: Clock
) -> None:
    async def run() -> list[dict[str, Any]]:
        async with serving(home, contracts, clock) as client:
            await send(client, reading("GD1", AT_MS), [reading("GD2", AT_MS, 2.5), reading("GD3", AT_MS - 3_600_000)])
            return await in_live(client, 3)

    rows = asyncio.run(run())
    assert [(row["device_id"], row["methane_pct_lel"], row["quality_flag"]) for row in rows] == [
        ("GD1", 1.5, "normal"),
        ("GD2", 2.5, "normal"),
        ("GD3", 1.5, "normal"),
    ]
    assert rows[0]["source"].startswith("raw:")
    frame = landed(home, GAS).sort("device_id")
    assert frame["observed_at"].dt.epoch("ms").to_list() == [AT_MS, AT_MS, AT_MS - 3_600_000]
    assert frame["_row"].str.split(".").list.slice(1).list.join(".").to_list() == ["0", "1.0", "1.1"]
    with intake.engine.connect() as connection:
        batch = connection.execute(sa.select(tables.batch)).one()
    assert (batch.media, batch.state, batch.rows_in, batch.rows_landed) == ("raw-json", "landed", 3, 3)
    cursor = read_cursor(intake.engine, GAS)
    assert batch.source_ref == f"raw:{cursor}-{cursor}"
    row = progress(intake)
    assert (row.rows_in, row.rows_landed, row.late, row.lag) == (3, 3, 1, 0)
    assert row.watermark_at == datetime.fromtimestamp(AT_MS / 1000, UTC)


def test_time_passes_although_nobody_speaks(home: Home, contracts: dict[str, Contract], clock: Clock) -> None:
    async def run() -> list[datetime]:
        async with serving(home, contracts, clock) as client:
            heard = await client.jetstream().subscribe("live.clock", ordered_consumer=True)
            return [live.unpack((await heard.next_msg(10)).data, 0).received_at for _ in range(3)]

    first, second, third = asyncio.run(run())
    assert timedelta(seconds=0.9) < second - first < timedelta(seconds=3)
    assert NOW < first < second < third


def test_one_stream_of_frames_feeds_two(home: Home, contracts: dict[str, Contract], clock: Clock) -> None:
    from ingest.protocols.jt808 import encode

    sender, place = encode.Sender("13812345678", 2013), encode.Position(NOW, 111.28, 30.69, speed_kmh=72)
    alarm = encode.dsm(place, 1, "YC00001", alarm_no=1, level=2, phase=1, fatigue_degree=7)
    tired = encode.location(sender, 2, replace(place, items=(alarm,), observed_at=NOW - timedelta(seconds=10)))

    async def run() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        async with serving(home, contracts, clock) as client:
            await send(client, encode.location(sender, 1, place), tired, b"\x7e\x02\x00noise\x7e", feed=POSITION)
            return await in_live(client, 2, POSITION), await in_live(client, 1, BEHAVIOUR)

    positions, behaviours = asyncio.run(run())
    assert [row["speed_kmh"] for row in positions] == [72, 72]
    assert [row["behaviour"] for row in behaviours] == ["fatigue"]
    assert (landed(home, POSITION).height, landed(home, BEHAVIOUR).height) == (2, 1)


# ── what comes again ──────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.case("live.held.H9")
def test_what_a_device_sends_again_is_counted_once(
    home: Home, contracts: dict[str, Contract], intake: Intake, clock: Clock
) -> None:
    first, other = reading("GD1", AT_MS), reading("GD2", AT_MS)
    corrected = reading("GD1", AT_MS, 9.5)

    async def run() -> list[dict[str, Any]]:
        async with serving(home, contracts, clock) as client:
            await send(client, first)
            await in_live(client, 1)
            await send(client, first, first, other)
            await in_live(client, 2)
        async with serving(home, contracts, clock) as client:  # what landed is known to the next process
            await send(client, first, other, corrected)
            return await in_live(client, 3)

    rows = asyncio.run(run())
    assert [(row["device_id"], row["methane_pct_lel"]) for row in rows] == [("GD1", 1.5), ("GD2", 1.5), ("GD1", 9.5)]
    frame = landed(home, GAS)
    assert sorted(frame.select("device_id", "methane_pct_lel").rows()) == [("GD1", 1.5), ("GD1", 9.5), ("GD2", 1.5)]
    ignored = [note for note in notes(intake) if note[1] == "ignored"]
    assert sum(note[3] for note in ignored) == progress(intake).rows_ignored >= 3
    assert {note[0] for note in ignored} == {"duplicate"} or {note[0] for note in ignored} == {
        "duplicate",
        "superseded",
    }


def test_a_late_buffer_of_an_old_day_lands_once(
    home: Home, contracts: dict[str, Contract], intake: Intake, clock: Clock
) -> None:
    old = [reading("GD1", AT_MS - day * 86_400_000) for day in (5, 6)]

    async def once() -> None:
        async with serving(home, contracts, clock) as client:
            await send(client, old, reading("GD1", AT_MS))

    asyncio.run(once())
    asyncio.run(once())
    assert landed(home, GAS).height == 3
    assert progress(intake).late == 4
    assert sum(n for reason, outcome, _, n in notes(intake) if (reason, outcome) == ("duplicate", "ignored")) == 3


def test_lost_files_of_a_stream_come_back(
    home: Home, contracts: dict[str, Contract], intake: Intake, clock: Clock
) -> None:
    async def run() -> None:
        async with serving(home, contracts, clock) as client:
            for number in range(6):  # several ticks in one landing, with repeats, corrections and bad ones
                bodies = [
                    reading("GD1", AT_MS),
                    reading(f"GD{number}", AT_MS, 2.0),
                    reading("GDX", AT_MS, 1.0 + number),
                ]
                await send(client, *bodies, b"no json", reading("GD9", AT_MS, 400.0))
                await asyncio.sleep(0.06)

    home = replace(home, environment={**home.environment, "CITYRISK_LANDING_S": "5"})
    asyncio.run(run())
    before = values(landed(home, GAS))
    assert before.height >= 7
    assert {"bad_frame", "duplicate", "superseded", "out_of_range"} <= {note[0] for note in notes(intake)}
    for path in live_files(intake.engine, home, GAS):
        path.unlink()
    assert restore(intake, contracts).batches >= 1
    assert verify_landed(home, intake.engine) == []
    assert values(landed(home, GAS)).equals(before)


def test_refused_rows_of_a_stream_get_another_chance(
    home: Home, contracts: dict[str, Contract], intake: Intake, clock: Clock
) -> None:
    async def run() -> None:
        async with serving(home, contracts, clock) as client:
            await send(client, reading("GD1", AT_MS, st="检修中"), reading("GD2", AT_MS))

    columns = tuple(
        replace(column, required=True) if column.name == "quality_flag" else column for column in contracts[GAS].columns
    )
    contracts = {**contracts, GAS: replace(contracts[GAS], columns=columns)}  # what must be there costs its row
    asyncio.run(run())
    assert landed(home, GAS)["device_id"].to_list() == ["GD2"]
    assert [r.rows_landed for r in replay(intake, contracts)] == [0]
    with intake.engine.begin() as connection:
        connection.execute(
            sa.insert(tables.override).values(
                feed_id=GAS,
                column_name="quality_flag",
                found="检修中",
                use="1",
                actor="duty",
                reason="new word",
                at=NOW,
            )
        )
    assert [r.rows_landed for r in replay(intake, contracts)] == [1]
    assert replay(intake, contracts) == []
    rows = landed(home, GAS).sort("device_id")
    assert rows.select("device_id", "quality_flag").rows() == [("GD1", "maintenance"), ("GD2", "normal")]
    for path in live_files(intake.engine, home, GAS):
        path.unlink()
    assert restore(intake, contracts).batches == 2
    assert values(landed(home, GAS)).equals(values(rows))


# ── pulled feeds ──────────────────────────────────────────────────────────────────────────────────────────────────────
HEADER = "测点编码,监测时间,干滩长度(m),浸润线埋深(m),孔隙水压力(kPa),表面位移(mm),库水位(m),降雨量(mm),状态"
PULLED = "emergency.tailings_reading"


def pulled(point: str, at: datetime) -> Payload:
    said = (at + timedelta(hours=7)).strftime("%Y-%m-%d %H:%M:%S")  # an hour ago in Beijing
    lines = [HEADER, f"{point},{said},82.1,6.4,88.5,12.5,105.3,0.0,正常", ""]
    return Payload(PULLED, "\n".join(lines).encode("gb18030"), "csv", f"{point}.csv", at)


def waiting(intake: Intake) -> int:
    with intake.engine.connect() as connection:
        return int(connection.scalar(sa.select(sa.func.count()).select_from(tables.live_waiting)) or 0)


def test_pulled_batches_enter_live_once_and_history_never(
    home: Home, contracts: dict[str, Contract], intake: Intake, clock: Clock
) -> None:
    pull_feed(intake, contracts[PULLED], [pulled("P0", NOW - timedelta(days=1))])
    assert waiting(intake) == 1

    async def run() -> list[dict[str, Any]]:
        async with serving(home, contracts, clock) as client:
            pull_feed(intake, contracts[PULLED], [pulled("P1", clock())])
            pull_feed(intake, contracts[PULLED], [pulled("P2", NOW - timedelta(days=2))])  # received before, landed now
            await in_live(client, 2, PULLED)
            await until(lambda: waiting(intake) == 0)
        pull_feed(intake, contracts[PULLED], [pulled("P3", clock())])  # while nobody publishes
        async with serving(home, contracts, clock) as client:
            await until(lambda: waiting(intake) == 0)
            return await live_rows(client, PULLED)

    rows = asyncio.run(run())
    assert [row["point_id"] for row in rows] == ["P1", "P2", "P3"]
    assert rows[0]["source"].startswith("batch:")


def test_a_batch_that_live_has_is_not_published_again(
    home: Home, contracts: dict[str, Contract], intake: Intake, clock: Clock
) -> None:
    async def run() -> list[dict[str, Any]]:
        async with serving(home, contracts, clock):
            pass
        pull_feed(intake, contracts[PULLED], [pulled("P1", clock())])
        with intake.engine.connect() as connection:
            batch_id = connection.scalar(sa.select(tables.live_waiting.c.batch_id))
        async with serving(home, contracts, clock):
            await until(lambda: waiting(intake) == 0)
        with intake.engine.begin() as connection:  # as if the process died before it could forget the batch
            connection.execute(sa.insert(tables.live_waiting).values(batch_id=batch_id))
        async with serving(home, contracts, clock) as client:
            await until(lambda: waiting(intake) == 0)
            return await live_rows(client, PULLED)

    assert [row["point_id"] for row in asyncio.run(run())] == ["P1"]


# ── streams that go and come ──────────────────────────────────────────────────────────────────────────────────────────
def test_a_stream_that_was_lost_is_made_again(home: Home, contracts: dict[str, Contract], clock: Clock) -> None:
    async def run() -> list[dict[str, Any]]:
        async with serving(home, contracts, clock) as client:
            await send(client, reading("GD1", AT_MS))
            await in_live(client, 1)
            await client.jsm().delete_stream(LIVE)
            await send(client, reading("GD2", AT_MS))
            await in_live(client, 1)
            await client.jsm().delete_stream(RAW)
            await until(lambda: _there(client, RAW))
            await send(client, reading("GD3", AT_MS))
            return await in_live(client, 2)

    assert [row["device_id"] for row in asyncio.run(run())] == ["GD2", "GD3"]
    assert sorted(landed(home, GAS)["device_id"].to_list()) == ["GD1", "GD2", "GD3"]


async def _there(client: Client, stream: str) -> bool:
    return stream in [info.config.name for info in await client.jsm().streams_info()]


def test_a_full_live_stream_delays_and_loses_nothing(home: Home, contracts: dict[str, Contract], clock: Clock) -> None:
    async def run() -> list[dict[str, Any]]:
        async with connected(home, "test") as client:
            await ensure_streams(client, home, clock())
        async with serving(home, contracts, clock) as client:
            await send(client, reading("GD1", AT_MS))
            await in_live(client, 1)
            config = (await client.jsm().stream_info(LIVE)).config
            small = replace(config, max_bytes=(await client.jsm().stream_info(LIVE)).state.bytes)
            await client.jsm().update_stream(small)
            await send(client, reading("GD2", AT_MS))
            return await in_live(client, 2)  # a refused publish brings the limits of the settings back

    assert [row["device_id"] for row in asyncio.run(run())] == ["GD1", "GD2"]


def test_a_small_live_stream_runs_as_long_as_alerting_reads(
    home: Home, contracts: dict[str, Contract], clock: Clock
) -> None:
    small = replace(home, environment={**home.environment, "CITYRISK_LIVE_MAX_BYTES": "25000"})
    messages, seen, sizes = 40, list[str](), list[int]()

    async def run() -> int:
        async with serving(small, contracts, clock) as client:
            reader = StreamReader(client, 0, LIVE, "alerting")
            for number in range(messages):
                await send(client, *(reading(f"GD{number}-{n}", AT_MS) for n in range(20)))
                async with asyncio.timeout(PATIENCE_S):
                    while len(seen) < 20 * (number + 1):
                        taken = await reader.take(1)
                        for one in taken:
                            seen.extend(live.unpack(one.body, one.sequence).columns.get("device_id", ()))
                            sizes.append(len(one.body))
                        if taken:
                            await reader.acknowledge(taken[-1].reply)
            return int((await client.jsm().stream_info(LIVE)).state.first_seq)

    first_left = asyncio.run(run())
    assert sorted(seen) == sorted(f"GD{number}-{n}" for number in range(messages) for n in range(20))
    assert sum(sizes) > 2 * 25_000
    assert first_left > 1


def test_a_home_has_one_intake(home: Home, contracts: dict[str, Contract], clock: Clock) -> None:
    async def run() -> None:
        async with serving(home, contracts, clock):
            with pytest.raises(SettingsError, match="another intake"):
                await serve(home, contracts, clock, asyncio.Event())

    asyncio.run(run())


def test_a_message_of_no_feed_stops_nobody(home: Home, contracts: dict[str, Contract], clock: Clock) -> None:
    async def run() -> list[dict[str, Any]]:
        async with serving(home, contracts, clock) as client:
            await client.jetstream().publish("raw.nobody.knows.d1", json.dumps({}).encode())
            await client.jetstream().publish(f"raw.{GAS}.d1", b"\x01not our form")
            await send(client, reading("GD1", AT_MS))
            return await in_live(client, 1)

    assert len(asyncio.run(run())) == 1

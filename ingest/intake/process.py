"""`python -m ingest.intake.process`: stream RAW becomes stream LIVE within a tick, and landed files with less hurry.

A reading is in LIVE once and lands once, whatever is killed when: LIVE itself says how far it has come, the ledger says
how far each feed has landed, and RAW is read again from the position behind which something may be missing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import nats.errors
import sqlalchemy as sa
from nats.aio.client import Client
from prometheus_client import CollectorRegistry

from core.contract import Contract
from core.runtime.process import run_process, running_alone
from core.runtime.telemetry import Health, exposed_telemetry
from core.runtime.waiting import store_and_broker
from core.settings import Home
from core.stages import Landed
from core.store import database
from core.store.stream_position import open_stream
from core.stream.publish import LiveMessage, LivePublisher, clock, place_in, raw_messages
from core.stream.reader import RawReader, Taken
from core.stream.streams import LIVE, RAW, ensure_streams, make_room
from ingest.devices.known import KnownDevices
from ingest.intake import backlog
from ingest.intake.lander import Lander, Load, landed_rows, read_cursors, run_of, take_load
from ingest.intake.offsets import write_clocks
from ingest.intake.progress import Meters, Standing, write_progress
from ingest.intake.seen import SeenRows
from ingest.intake.tick import Feed, Ticker
from ingest.intake.unplaced import FEED as UNPLACED
from ingest.pull import open_intake

log = logging.getLogger(__name__)

TICK_S = 0.05
TICK_SHARE = 4.0  # a tick begins at the earliest this many times the length of the last one after it
CLOCK_EVERY = timedelta(seconds=1)
LANDING_ROWS = 50_000
LANDING_S = 15
BEHIND = 4  # loads that may gather beside the one that lands before ticks wait for it
CHORES_EVERY_S = 5.0
BACKLOG_EVERY_S = 0.5
AGAIN_AFTER_S = 0.5


async def serve(
    home: Home, contracts: Mapping[str, Contract], now: Callable[[], datetime], stop: asyncio.Event
) -> None:
    """Take in until `stop` is set, then land what is left. Raises SettingsError when the home already has an intake."""
    with running_alone(home, "intake"):
        started_at = now()
        async with store_and_broker(home, "intake", started_at, stop) as opened:
            if opened is None:
                return
            process = IntakeProcess(home, contracts, now, *opened)
            with exposed_telemetry(home, "intake", {}, started_at, process.registry, process.health):
                await process.run(stop)


class IntakeProcess:
    """What one run of the process holds."""

    def __init__(
        self,
        home: Home,
        contracts: Mapping[str, Contract],
        now: Callable[[], datetime],
        engine: sa.Engine,
        client: Client,
    ) -> None:
        self._home, self._contracts, self._now, self._engine, self._client = home, contracts, now, engine, client
        self.registry = CollectorRegistry()
        self._meters = Meters(self.registry)
        self._publisher = LivePublisher(client, self._mend)
        intake = open_intake(home, engine, run_of(now()), now)
        streams = {feed_id: contract for feed_id, contract in contracts.items() if contract.is_stream}
        position = open_stream(engine, RAW, now()).sequence
        cursors = read_cursors(engine, list(streams))
        self._reader = RawReader(client, position)
        self._lander = Lander(intake, streams, cursors)
        feeds = {feed_id: Feed(contract, cursors[feed_id]) for feed_id, contract in streams.items()}
        self._known = KnownDevices(home, engine, contracts)
        self._known.refresh()
        seen = SeenRows(lambda contract, day: landed_rows(intake, contract, day))
        self._ticker = Ticker(intake, feeds, seen, self._known)
        self._ticker.clocks.load(engine)
        self._landed_to, self._taken_to, self._reply = position, position, ""
        self._landing: asyncio.Task[None] | None = None
        self._rows_per_landing = home.number("CITYRISK_LANDING_ROWS", LANDING_ROWS)
        self._seconds_per_landing = home.number("CITYRISK_LANDING_S", LANDING_S)
        self._landing_due_at = 0.0
        self._chores_due_at = self._backlog_due_at = 0.0
        self._forgetting_is_due = False
        self._clock_at = now()
        self._checked: set[str] = set()
        self._failure = ""
        self._ticked_at = time.monotonic()

    def health(self) -> Health:
        """Well while ticks come and nobody refuses what is published or landed."""
        silent_s = time.monotonic() - self._ticked_at
        failure = self._publisher.failure or self._failure
        detail = {"failure": failure, "lag": self._reader.lag, "seconds_since_tick": round(silent_s, 1)}
        return Health(not failure and silent_s < 10, detail)

    async def run(self, stop: asyncio.Event) -> None:
        """Tick until told to stop."""
        await self._until_open(stop)
        next_at = time.monotonic()
        while not stop.is_set():
            await asyncio.sleep(max(0.0, next_at - time.monotonic()))
            taken = await self._take()
            began = time.monotonic()
            if taken is not None:
                await self._tick(taken)
            spent_s = time.monotonic() - began
            if taken:
                self._meters.tick.observe(spent_s)
            next_at = began if self._reader.was_full else began + max(TICK_S, TICK_SHARE * spent_s)
            await self._land_when_due()
            await self._chores()
        await self._land_all()

    # ── opening ───────────────────────────────────────────────────────────────────────────────────────────────────────
    async def _until_open(self, stop: asyncio.Event) -> None:
        """Streams are there, and each feed knows how far LIVE has it."""
        while not stop.is_set():
            try:
                await self._mend()
                for feed_id, feed in self._ticker.feeds.items():
                    feed.place = place_in(await self._publisher.last_id(feed_id))
                self._ticker.unplaced = place_in(await self._publisher.last_id(UNPLACED))
                break
            except (nats.errors.Error, OSError) as error:
                await self._wait_after(error)
        self._failure = ""

    async def _mend(self) -> None:
        """Both streams are there, with the limits of the settings, and LIVE has room if alerting has read in it."""
        await ensure_streams(self._client, self._home, self._now())
        await make_room(self._client.jsm(), LIVE)

    async def _wait_after(self, error: BaseException) -> None:
        """Note a failure that may pass. Raises StoreMovedOnError where another release has the store."""
        if isinstance(error, sa.exc.OperationalError):
            await asyncio.to_thread(database.confirm_revision, self._engine)
        text = str(error) or type(error).__name__
        if text != self._failure:
            log.warning("intake: trying again: %s", text)
            self._failure = text
        await asyncio.sleep(AGAIN_AFTER_S)

    # ── hot ───────────────────────────────────────────────────────────────────────────────────────────────────────────
    async def _take(self) -> list[Taken] | None:
        """What waits in RAW, [] when nothing came for a while, None when the broker does not answer."""
        try:
            taken = await self._reader.take(CLOCK_EVERY.total_seconds())
        except (nats.errors.Error, OSError) as error:
            with contextlib.suppress(nats.errors.Error, OSError):
                await self._mend()
            await self._wait_after(error)
            return None
        self._failure = ""
        return taken

    async def _tick(self, taken: list[Taken]) -> None:
        """Conform and publish; what was taken counts as taken once LIVE has it."""
        at, messages = self._now(), list[LiveMessage]()
        if taken:
            shaped = self._ticker.take_in(taken, at)
            for one in shaped:
                if not one.frame.is_empty():
                    messages += raw_messages(one.feed_id, one.frame, at, self._publisher.most_bytes)
            self._meters.count(shaped, self._ticker.feeds)
            self._meters.unknown.set(self._ticker.unknown_subjects.total())
        if at - self._clock_at >= CLOCK_EVERY:
            await self._publisher.publish(messages)
            messages, self._clock_at = [clock(at)], at
        if messages:
            await self._publisher.publish(messages)
        if taken:
            self._taken_to, self._reply = taken[-1].sequence, taken[-1].reply
        self._ticked_at = time.monotonic()

    async def _publish_backlog(self) -> None:
        """Landed batches of pulled and pushed feeds, in the order in which they landed."""
        batches = await asyncio.to_thread(backlog.waiting_batches, self._engine)
        self._meters.backlog.set(len(batches))
        for batch in batches:
            messages = await asyncio.to_thread(
                backlog.messages_of,
                self._home,
                self._engine,
                self._contracts,
                batch,
                self._now(),
                self._publisher.most_bytes,
            )
            if messages and batch.feed_id not in self._checked:
                messages = backlog.left_over(messages, await self._publisher.last_id(batch.feed_id))
            self._checked.add(batch.feed_id)
            await self._publisher.publish(messages)
            await asyncio.to_thread(backlog.forget, self._engine, batch)

    # ── cold ──────────────────────────────────────────────────────────────────────────────────────────────────────────
    async def _land_when_due(self) -> None:
        """Start a landing when enough rows or time have gathered; wait for one only when far behind it."""
        if self._taken_to == self._landed_to and self._landing is None:
            self._landing_due_at = 0.0
            return
        if not self._landing_due_at:
            self._landing_due_at = time.monotonic() + self._seconds_per_landing
        rows = self._ticker.rows_waiting
        self._meters.waiting.set(rows)
        if self._landing is not None and (self._landing.done() or rows > BEHIND * self._rows_per_landing):
            await self._landing
            self._landing = None
            await self._forget_withdrawn()
        if self._landing is None and (rows >= self._rows_per_landing or time.monotonic() >= self._landing_due_at):
            self._landing_due_at = 0.0
            self._landing = asyncio.create_task(self._land(take_load(self._ticker, self._taken_to, self._reply)))

    async def _forget_withdrawn(self) -> None:
        """When it is due and nothing lands: else as soon as what lands has landed."""
        if self._forgetting_is_due and self._landing is None:
            await asyncio.to_thread(self._ticker.forget_withdrawn)
            self._forgetting_is_due = False

    async def _land_all(self) -> None:
        if self._landing is not None:
            await self._landing
        if self._taken_to != self._landed_to:
            await self._land(take_load(self._ticker, self._taken_to, self._reply))

    async def _land(self, load: Load) -> None:
        """Land one load, however often it takes, then tell the broker."""
        began, landed = time.monotonic(), dict[str, Landed]()
        while True:
            try:
                await asyncio.to_thread(self._lander.land, load, self._now(), landed)
                break
            except (sa.exc.OperationalError, OSError) as error:
                await self._wait_after(error)
        self._landed_to = load.position
        self._meters.landing.observe(time.monotonic() - began)
        for feed_id, done in landed.items():
            self._meters.rows_landed.labels(feed_id).inc(done.rows_landed)
        standings = [
            Standing(feed_id, load.position, waiting.watermark_at, waiting.late, landed.get(feed_id))
            for feed_id, waiting in load.waiting.items()
        ]
        await asyncio.to_thread(write_progress, self._engine, standings, self._reader.lag, self._now())
        with contextlib.suppress(nats.errors.Error, OSError):
            await self._reader.acknowledge(load.reply)

    async def _chores(self) -> None:
        """What must not be forgotten and hurries nobody."""
        at = time.monotonic()
        self._meters.lag.set(self._reader.lag)
        if at >= self._backlog_due_at:
            self._backlog_due_at = at + BACKLOG_EVERY_S
            await self._publish_backlog()
        if at >= self._chores_due_at:
            self._chores_due_at = at + CHORES_EVERY_S
            await asyncio.to_thread(self._ticker.read_overrides)
            self._forgetting_is_due = True
            await self._forget_withdrawn()
            await asyncio.to_thread(self._known.refresh)
            await asyncio.to_thread(write_clocks, self._engine, self._ticker.clocks.take_changed())
            with contextlib.suppress(nats.errors.Error, OSError):
                for stream in (RAW, LIVE):
                    await make_room(self._client.jsm(), stream)


if __name__ == "__main__":
    run_process(serve)

"""`python -m alerting`: readings of LIVE become alerts that somebody hears of.

Each fetch is folded by the rule engine, and its changes are applied with the stream position in one transaction; only
then the broker is told. The engine's state is saved with its position every few seconds: whoever starts again reads on
from there, and what was applied already is recognised. Rules and registers are renewed between two messages, and the
state is saved at once, so that reading on never meets older readings with newer rules.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime

import nats.errors
import sqlalchemy as sa
from nats.aio.client import Client
from prometheus_client import CollectorRegistry

from alerting.engine_state import EngineState
from alerting.heartbeat import Heartbeat, Vitals
from alerting.heartbeat_standing import standing
from alerting.last_values import judge_last_values
from alerting.metrics import Meters
from alerting.notify.channels.channel_config import load_channel_config
from alerting.notify.channels.worker import work
from alerting.rules.generations import NoRulesError
from alerting.runtime_config import ConfigWatch, RuntimeConfig, load_runtime_config
from alerting.shadow.process import ShadowProcess
from alerting.timers import Timers
from alerting.workflow.changes import Applied, Position, apply, note_snapshot, position_of
from core.contract import Contract
from core.runtime.process import running_alone
from core.runtime.telemetry import Health, exposed_telemetry
from core.settings import Home
from core.store import database
from core.store.keys import confirm_keys
from core.store.stream_position import open_stream
from core.stream.client import connect
from core.stream.live import unpack
from core.stream.reader import StreamReader, Taken
from core.stream.streams import LIVE, RAW, ensure_streams
from core.tasks import together

log = logging.getLogger(__name__)

CONSUMER = "alerting"
FETCH_S = 0.5
TICK_S = 0.25
AGAIN_AFTER_S = 0.5
POSITION_EVERY_S = 0.5  # how long readings that changed nothing may stay unacknowledged
LOOK_EVERY_S = 2.0
SNAPSHOT_EVERY_S = 5.0
SNAPSHOT_SHARE = 20  # a snapshot is taken at the earliest this many times its own length after the last one
CHANGES_AT_ONCE = 1000


async def serve(
    home: Home, contracts: Mapping[str, Contract], now: Callable[[], datetime], stop: asyncio.Event
) -> None:
    """Alert until `stop` is set. Raises SettingsError when the home already has an alerting process."""
    with running_alone(home, "alerting"):
        started_at = now()
        engine = await asyncio.to_thread(database.open_ops, home.ops_url)
        confirm_keys(home, engine)
        process = AlertingProcess(home, contracts, now, engine)
        try:
            with exposed_telemetry(home, "alerting", {}, started_at, process.registry, process.health):
                await process.run(stop)
        finally:
            engine.dispose()


class AlertingProcess:
    """What one run of the process holds."""

    def __init__(
        self, home: Home, contracts: Mapping[str, Contract], now: Callable[[], datetime], engine: sa.Engine
    ) -> None:
        self._home, self._contracts, self._now, self._engine = home, contracts, now, engine
        self.registry = CollectorRegistry()
        self._meters = Meters(self.registry)
        self._clock = Timers(engine)
        self._watch = ConfigWatch(home, engine, contracts)
        self._config: RuntimeConfig | None = None
        self._resumed: EngineState | None = None
        self._failures: dict[str, str] = {"start": "starting"}
        self._moved_at = self._ticked_at = time.monotonic()
        self._position_at = self._snapshot_at = self._looked_at = 0.0
        self._snapshot_took_s = 0.0
        self._lag = self._n_open = 0
        self._undelivered: dict[str, int] = {}
        self._tick_at: datetime | None = None
        self._judged_at: datetime | None = None
        self._heartbeat = Heartbeat(home, self._vitals, now)
        self._shadow = ShadowProcess(home, engine, now)

    def health(self) -> Health:
        """Well while readings or clock messages come, ticks come, and the store takes what is written."""
        at = time.monotonic()
        failure = "; ".join(text for text in self._failures.values() if text)
        detail = {
            "failure": failure,
            "lag": self._lag,
            "open_alerts": self._n_open,
            "undelivered": self._undelivered,
            "rules": self._config.ruleset.generation if self._config else None,
            "seconds_since_message": round(at - self._moved_at, 1),
            "seconds_since_tick": round(at - self._ticked_at, 1),
            "heartbeat": standing(self._home, self._now()).state,
            "shadow": self._shadow.request_id,
        }
        return Health(not failure and at - self._ticked_at < 10, detail)

    def _vitals(self) -> Vitals:
        stream_at = self._resumed.stream_at if self._resumed else None
        failure = "; ".join(text for text in self._failures.values() if text)
        return Vitals(
            self._tick_at, self._judged_at, stream_at, self._lag, self._n_open, dict(self._undelivered), failure
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Everything of the process, until told to stop; then one last snapshot."""
        client = await self._open(stop)
        if client is None:
            return
        try:
            # A defect in any part ends the process, for its manager to start it again.
            await together(self._tick(stop), self._notify(stop), self._follow(client, stop), self._heartbeat.run(stop))
        finally:
            await client.close()

    # ── opening ───────────────────────────────────────────────────────────────────────────────────────────────────────
    async def _open(self, stop: asyncio.Event) -> Client | None:
        """Rules, registers, the engine as it was, and the broker; None when `stop` comes first."""
        while not stop.is_set():
            try:
                if self._config is None:
                    self._config = await asyncio.to_thread(
                        load_runtime_config, self._home, self._engine, self._contracts
                    )
                    stored = await asyncio.to_thread(position_of, self._engine, CONSUMER)
                    self._resumed = await asyncio.to_thread(EngineState.resume, self._home, self._config, stored)
                if self._engine_state.knows_nothing:
                    await asyncio.to_thread(self._judge_last_values, self._engine_state)
                client = await connect(self._home, "alerting")
                await ensure_streams(client, self._home, self._now())
            except (NoRulesError, sa.exc.OperationalError) as error:
                await self._wait_after("start", error)
                continue
            except (nats.errors.Error, OSError) as error:
                await self._wait_after("broker", error)
                continue
            self._failures["start"] = self._failures["broker"] = ""
            return client
        return None

    def _judge_last_values(self, engine_state: EngineState) -> None:
        """Once, when alerting begins: what landed before there was a stream (`alerting.last_values`)."""
        began, config = time.monotonic(), engine_state.config
        try:
            opened_at = open_stream(self._engine, RAW, self._now()).opened_at
            found = judge_last_values(self._home, self._engine, config, self._contracts, opened_at, self._now())
        except sa.exc.OperationalError:
            raise  # the store comes back
        except Exception as error:  # a landed file that cannot be read must not keep alerts of now from people
            self._failures["last values"] = f"what landed before alerting began was not judged: {error}"
            log.exception("what landed before alerting began was not judged")
            return
        engine_state.begin_with(found.engine, found.changes)
        if found.not_judged:
            lost = "; ".join(found.not_judged)
            self._failures["last values"] = f"what landed before alerting began was not all judged: {lost}"
            log.error("%s; see `cityrisk doctor`", self._failures["last values"])
        log.info(
            "%d episodes hold by last known values, judged in %.1f s", len(found.changes), time.monotonic() - began
        )

    async def _wait_after(self, what: str, error: BaseException) -> None:
        """Note a failure that may pass. Raises StoreMovedOnError where another release has the store."""
        if isinstance(error, sa.exc.OperationalError):
            await asyncio.to_thread(database.confirm_revision, self._engine)
        text = f"{what}: {str(error) or type(error).__name__}"
        if self._failures.get(what) != text:
            log.warning("trying again: %s", text)
        self._failures[what] = text
        await asyncio.sleep(AGAIN_AFTER_S)

    @property
    def _engine_state(self) -> EngineState:
        if self._resumed is None:
            raise RuntimeError("used before it was opened")
        return self._resumed

    # ── readings ──────────────────────────────────────────────────────────────────────────────────────────────────────
    async def _follow(self, client: Client, stop: asyncio.Event) -> None:
        reader = StreamReader(client, self._engine_state.sequence, LIVE, CONSUMER)
        if self._engine_state.changes:  # of last known values: durable with the position, so judged no second time
            await self._write(Position(CONSUMER, LIVE, self._engine_state.sequence, self._engine_state.stream_at))
            await self._snapshot()
        await self._look()
        while not stop.is_set():
            try:
                taken = await reader.take(FETCH_S)
            except (nats.errors.Error, OSError) as error:
                with contextlib.suppress(nats.errors.Error, OSError):
                    await ensure_streams(client, self._home, self._now())
                await self._wait_after("broker", error)
                continue
            self._failures["broker"], self._lag = "", reader.lag
            await self._fold(reader, taken)
            await self._look()
            await self._snapshot_when_due()
        await self._snapshot()

    async def _fold(self, reader: StreamReader, taken: list[Taken]) -> None:
        began = time.monotonic()
        for message in taken:
            was_catching_up = self._engine_state.is_catching_up
            try:
                batch = unpack(message.body, message.sequence)
            except (ValueError, KeyError) as error:
                self._failures["message"] = f"LIVE {message.sequence} is no batch and was left out: {error}"
                log.error("LIVE %d is no batch and is left out: %s", message.sequence, error)
                continue
            self._engine_state.fold(batch)
            if not was_catching_up:
                self._shadow.fold(batch)
            self._meters.rows.inc(batch.height)
            if len(self._engine_state.changes) >= CHANGES_AT_ONCE:
                await self._apply(reader, message)
            if was_catching_up and not self._engine_state.is_catching_up:
                # Newer rules took over here before the restart, so they do again.
                await self._apply(reader, message)
                await self._look()
        if not taken:
            return
        self._meters.fold.observe(time.monotonic() - began)
        self._moved_at = time.monotonic()
        if self._engine_state.changes or self._moved_at - self._position_at >= POSITION_EVERY_S:
            await self._apply(reader, taken[-1])

    async def _apply(self, reader: StreamReader, message: Taken) -> None:
        """Changes and position become durable together, then the broker may forget the messages."""
        await self._write(Position(CONSUMER, LIVE, message.sequence, self._engine_state.stream_at))
        with contextlib.suppress(nats.errors.Error, OSError):
            await reader.acknowledge(message.reply)

    async def _write(self, position: Position) -> None:
        """However often it takes: the engine has moved on, so these changes must not be lost."""
        changes, config = self._engine_state.taken(), self._engine_state.config
        while True:
            began = time.monotonic()
            try:
                done: Applied = await asyncio.to_thread(
                    apply, self._engine, config.policies, changes, config.subjects, self._now(), position
                )
                break
            except sa.exc.OperationalError as error:
                await self._wait_after("store", error)
        self._failures["store"] = ""
        self._position_at, self._judged_at = time.monotonic(), self._now()
        self._meters.apply.observe(self._position_at - began)
        for outcome, n in (("applied", done.n_applied), ("known", done.n_known), ("refused", done.n_refused)):
            self._meters.changes.labels(outcome).inc(n)
        if done.n_applied:
            self._meters.opened(changes, self._now())
            self._clock.stale()

    # ── rules, registers, states ──────────────────────────────────────────────────────────────────────────────────────
    async def _look(self) -> None:
        """Take up newer rules, registers or announced maintenance, once everything applied before is folded again."""
        at = time.monotonic()
        if at - self._looked_at < LOOK_EVERY_S or self._engine_state.is_catching_up:
            return
        self._looked_at = at
        await asyncio.to_thread(self._shadow.look, self._engine_state.config)
        self._failures["shadow"] = self._shadow.failure
        try:
            newer = await asyncio.to_thread(self._watch.newer, self._engine_state.config)
        except sa.exc.OperationalError as error:
            await self._wait_after("rules", error)
            return
        except Exception as error:  # tables that do not load must not end alerts that do
            self._failures["rules"] = f"newer rules do not load, the old ones go on: {error}"
            log.exception("newer rules do not load, the old ones go on")
            return
        self._failures["rules"] = self._watch.failure
        if newer is None:
            return
        self._engine_state.renew(newer)
        await self._write(Position(CONSUMER, LIVE, self._engine_state.sequence, self._engine_state.stream_at))
        self._config = newer
        await self._snapshot()

    async def _snapshot_when_due(self) -> None:
        wait_s = max(SNAPSHOT_EVERY_S, SNAPSHOT_SHARE * self._snapshot_took_s)
        if time.monotonic() - self._snapshot_at >= wait_s and not self._engine_state.is_catching_up:
            await self._snapshot()

    async def _snapshot(self) -> None:
        began = time.monotonic()
        sequence, body = self._engine_state.packed()
        self._snapshot_took_s = time.monotonic() - began
        self._meters.snapshot.observe(self._snapshot_took_s)
        self._meters.tracks.set(self._engine_state.n_tracks)
        if self._engine_state.changes:
            await self._write(Position(CONSUMER, LIVE, sequence, self._engine_state.stream_at))
        try:
            await asyncio.to_thread(
                self._engine_state.save, self._home.root, self._engine, note_snapshot, sequence, body
            )
        except (sa.exc.OperationalError, OSError) as error:
            await self._wait_after("snapshot", error)
            return
        self._failures["snapshot"] = ""
        self._snapshot_at = time.monotonic()

    # ── time and telling ──────────────────────────────────────────────────────────────────────────────────────────────
    async def _tick(self, stop: asyncio.Event) -> None:
        """Silences, reminders, escalation and notices, by the clock, whether or not readings come."""
        counted_at = 0.0
        while not stop.is_set():
            began = time.monotonic()
            try:
                done = await asyncio.to_thread(self._clock.tick, self._engine_state.config.policies, self._now())
                self._meters.notices.inc(len(done.notices))
                if began - counted_at >= LOOK_EVERY_S:
                    counted_at = began
                    self._n_open = await asyncio.to_thread(self._meters.count_open, self._engine)
                    self._undelivered, too_long = await asyncio.to_thread(
                        self._meters.count_undelivered, self._engine, self._now()
                    )
                    said = f"news of alerts not delivered for an hour on {', '.join(too_long)}" if too_long else ""
                    self._failures["delivery"] = said
                    self._meters.lag.set(self._lag)
                self._failures["clock"] = ""
                self._ticked_at, self._tick_at = time.monotonic(), self._now()
                self._meters.tick.observe(self._ticked_at - began)
            except sa.exc.OperationalError as error:
                await self._wait_after("clock", error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), max(TICK_S - (time.monotonic() - began), 0.01))

    async def _notify(self, stop: asyncio.Event) -> None:
        """Run the channel workers by the newest rows; they are started again when the rows change."""
        while not stop.is_set():
            folder, ended = self._engine_state.config.folder, asyncio.Event()
            try:
                channel_config = await asyncio.to_thread(load_channel_config, folder)
                worker = asyncio.create_task(work(self._engine, self._home, channel_config, self._now, ended))
                while not (stop.is_set() or worker.done()) and self._engine_state.config.folder == folder:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(stop.wait(), 1.0)
                ended.set()
                await worker
                self._failures["channels"] = ""
            except Exception as error:  # alerts go on whatever a channel's worker meets
                log.exception("the channel workers ended; started again")
                await self._wait_after("channels", error)

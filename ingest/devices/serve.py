"""The listening process: gateways, MQTT bridge and push door, all into the same streams and ledger.

It may be killed at any time: nothing was acknowledged that is not in RAW or in the archive. It waits for the broker as
long as it takes. Not here: what becomes of RAW (intake).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import datetime

import nats.errors
import polars as pl
import sqlalchemy as sa
import uvicorn
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from core.contract import Contract
from core.runtime.http import DoorServer
from core.runtime.telemetry import Health, exposed_telemetry
from core.runtime.waiting import store_and_broker
from core.settings import ARCHIVE_KEY, Home
from core.store.archive import Archive
from core.store.keys import checked_key
from core.stream.broker import mqtt_accounts
from core.stream.mqtt_store import left_behind
from core.stream.packer import Packer
from core.stream.streams import PARTS, PROBE, PROBE_SUBJECT, RAW, ensure_streams, make_room
from core.tasks import ended
from ingest.devices.account import Account
from ingest.devices.bad_frames import BadFrames, write_bad_frames
from ingest.devices.counts import Counts
from ingest.devices.frame_sink import FrameSink, remember_parts
from ingest.devices.gateway import Gateway, frame_handlers_of
from ingest.devices.known import KnownDevices
from ingest.devices.limits import limits_of
from ingest.devices.links import LinkTracker, write_links
from ingest.devices.mqtt import Bridge
from ingest.devices.push import push_app
from ingest.devices.receipt import deliver_into
from ingest.devices.unknown_devices import UnknownDevices
from ingest.pull import open_intake

log = logging.getLogger(__name__)

PUSH_PORT = 8790
REFRESH_EVERY_S = 2.0
WRITE_EVERY_S = 5.0
SESSION_WITHIN_S = 10.0
PROBE_WITHIN_S = 2.0


async def serve(
    home: Home, contracts: Mapping[str, Contract], now: Callable[[], datetime], stop: asyncio.Event
) -> None:
    """Listen until `stop` is set. Raises SettingsError or OSError when a door cannot be opened.

    Once `$HOME/run/listen.json` is written with the doors' ports, every door is open.
    """
    started_at = now()
    async with store_and_broker(home, "listen", started_at, stop) as opened:
        if opened is None:
            return
        engine, client = opened
        await ensure_streams(client, home, now())
        await _tell_left_behind(home, client)
        await _Listening(home, contracts, now, engine, client).run(started_at, stop)


async def _tell_left_behind(home: Home, client: Client) -> None:
    """Say what devices were answered for and no session of this release reads; it holds up no door."""
    with contextlib.suppress(nats.errors.Error, OSError):
        if home.has_own_broker and (found := await left_behind(client.jsm())):
            said = ", ".join(f"{topic}: {count}" for topic, count in sorted(found.items()))
            log.error("messages wait in the session of an earlier release (%s); docs/runbooks.md, Messages left", said)


class _Listening:
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
        self._counts, self._links, self._bad = Counts(), LinkTracker(), BadFrames()
        self._unknown_devices = UnknownDevices(contracts)
        self._store_failure = ""
        self._known = KnownDevices(home, engine, contracts)
        self._room_wanted = asyncio.Event()
        framed, parts = Packer(client, on_full=self._room_wanted.set), Packer(client, stream=PARTS)
        # One an account: a bridge that connects again drops what waits in its packer, and must drop nobody else's.
        self._messages = {one: Packer(client, on_full=self._room_wanted.set) for one in mqtt_accounts(home)}
        self._packers = [framed, *self._messages.values(), parts]
        self._gateway = Gateway(home, FrameSink(framed, parts), limits_of(home), self._counts)
        self._archive = Archive(home.archive, checked_key(home, engine, ARCHIVE_KEY))
        self._accounts = [Account(home, department, self._bridge_of) for department in self._messages]

    def _bridge_of(self, department: str, account: Client) -> Bridge:
        return Bridge(
            self._home,
            self._contracts,
            self._messages[department],
            self._known,
            self._links,
            self._bad,
            self._unknown_devices,
            self._counts,
            self._archive,
            account,
            department,
            self._now,
        )

    async def run(self, started_at: datetime, stop: asyncio.Event) -> None:
        """Open every door, tend them until `stop`, close them."""
        await asyncio.to_thread(self._known.refresh)
        await asyncio.to_thread(self._links.load, self._engine)
        handlers = frame_handlers_of(
            self._contracts, self._known, self._links, self._bad, self._unknown_devices, self._counts, self._now
        )
        try:
            await remember_parts(self._client, handlers.values())
            await self._gateway.open(handlers)
            async with asyncio.TaskGroup() as tasks:
                holding = [account.hold() for account in self._accounts]
                running = list(map(tasks.create_task, [*holding, *self._upkeep()]))
                ports = dict(self._gateway.ports)
                door = self._push_door()
                if door is not None:
                    running.append(tasks.create_task(door.serve()))
                    ports["push"] = await _port_of(door)
                await self._wait_for_session()
                await self._tend_accounts()
                with exposed_telemetry(self._home, "listen", ports, started_at, self._counts.registry, self._health):
                    await stop.wait()
                if door is not None:
                    door.should_exit = True
                    await running.pop()
                await ended(running)
        finally:
            await self._gateway.close()
            for packer in self._packers:
                await packer.close()
            await self._write_bad(everything=True)
            await asyncio.to_thread(write_links, self._engine, self._links.take_changed())

    async def _wait_for_session(self) -> None:
        """Wait for the MQTT sessions: until the first subscription the broker answers devices and keeps nothing."""
        try:
            async with asyncio.timeout(SESSION_WITHIN_S):
                for account in self._accounts:
                    await account.settled()
        except TimeoutError:
            log.warning("mqtt: no session after %g s: %s", SESSION_WITHIN_S, ", ".join(self._unsubscribed()))

    def _unsubscribed(self) -> list[str]:
        """Departments whose session is not there, 'all' for a broker that is not ours."""
        return [account.name for account in self._accounts if not account.is_subscribed]

    def _upkeep(self) -> list[Coroutine[None, None, None]]:
        return [
            _every(REFRESH_EVERY_S, "registers and bans", self._refresh),
            _every(WRITE_EVERY_S, "links", self._write),
            _every(WRITE_EVERY_S, "bad frames", self._write_bad, self._bad.is_awaited),
            _every(WRITE_EVERY_S, "room in RAW", self._make_room, self._room_wanted),
            _every(WRITE_EVERY_S, "the store", self._probe),
        ]

    async def _refresh(self) -> None:
        await asyncio.to_thread(self._known.refresh)
        for account in self._accounts:
            account.judge_held()

    async def _write(self) -> None:
        self._counts.entries.set(sum(packer.entries for packer in self._packers))
        self._counts.pending.set(sum(packer.pending_bytes for packer in self._packers))
        self._counts.waiting.set(any(packer.is_waiting for packer in self._packers))
        await asyncio.to_thread(write_links, self._engine, self._links.take_changed())

    async def _write_bad(self, *, everything: bool = False) -> None:
        sheets = self._bad.take(self._now(), everything=everything)
        while sheets:
            try:
                await asyncio.to_thread(
                    write_bad_frames, self._home, self._engine, self._archive, self._contracts, sheets[0], self._now()
                )
            except BaseException:
                for sheet in sheets:
                    self._bad.give_back(sheet)
                raise
            for bad in sheets.pop(0).kept:
                if bad.stored is not None:
                    bad.stored()

    async def _probe(self) -> None:
        """Write one message of our own: a store that others have filled refuses it before a device is refused."""
        try:
            await self._client.jetstream().publish(PROBE_SUBJECT, b"listen", timeout=PROBE_WITHIN_S, stream=PROBE)
            self._store_failure = ""
        except (nats.errors.Error, OSError) as error:
            self._store_failure = str(error) or type(error).__name__

    async def _make_room(self) -> None:
        with contextlib.suppress(NotFoundError):  # no RAW: publishers say so
            dropped = await make_room(self._client.jsm(), RAW)
            if dropped:
                log.info("RAW: %d acknowledged messages gave way to new ones", dropped)
        await self._tend_accounts()

    async def _tend_accounts(self) -> None:
        """The broker makes stores when the first session comes, and anew when they are gone."""
        for account in self._accounts:
            await account.tend()

    def _push_door(self) -> uvicorn.Server | None:
        """The HTTP door when some feed has a token."""
        if not any(name.startswith("CITYRISK_PUSH_TOKEN_") for name in self._home.environment):
            return None
        run_id = self._now().strftime("listen-%Y%m%dT%H%M%SZ")
        intake = open_intake(self._home, self._engine, run_id, self._now)
        app = push_app(self._home, self._contracts, deliver_into(intake, self._contracts), self._now)
        host = self._home.environment.get("CITYRISK_PUSH_HOST") or "127.0.0.1"
        port = self._home.number("CITYRISK_PUSH_PORT", PUSH_PORT)
        return DoorServer(app, host, port)

    def _health(self) -> Health:
        missing = self._unsubscribed()
        failure = next((packer.failure for packer in self._packers if packer.is_waiting), "") or self._store_failure
        refusing = [f"{account.name}: {account.failure}" for account in self._accounts if account.failure]
        return Health(
            self._client.is_connected and not failure and not refusing,
            {
                "broker": "connected" if self._client.is_connected else "lost",
                "mqtt": f"not subscribed: {', '.join(missing)}" if missing else "subscribed",
                "accounts": "; ".join(refusing) or "open",
                "raw": failure or "takes messages",
                "entries": sum(packer.entries for packer in self._packers),
                "pending_bytes": sum(packer.pending_bytes for packer in self._packers),
            },
        )


async def _port_of(door: uvicorn.Server) -> int:
    """The port of a server that is starting."""
    while not door.started:
        await asyncio.sleep(0.01)
    return int(door.servers[0].sockets[0].getsockname()[1])


async def _every(
    seconds: float, what: str, work: Callable[[], Awaitable[None]], sooner: asyncio.Event | None = None
) -> None:
    """Do something again and again, at once when `sooner` is set; a failure is told and does not end it."""
    sooner = sooner or asyncio.Event()
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await sooner.wait()
            await asyncio.sleep(0.2)  # the same trouble may ask many times
        sooner.clear()
        try:
            await work()
        except (nats.errors.Error, sa.exc.SQLAlchemyError, pl.exceptions.PolarsError, OSError) as error:
            log.warning("%s: %s; trying again in %g s", what, str(error) or type(error).__name__, seconds)
        except Exception:  # a fault of ours in one task must not close every door
            log.exception("%s failed; trying again in %g s", what, seconds)

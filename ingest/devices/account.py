"""One department's account of the broker, opened and held by a task of its own: a refusal by one closes no other door.

An account that refuses us (a broker of an older configuration, no room left for its store) is asked again for as long
as it takes, and health says so. Not here: what the bridge does with messages (`ingest.devices.mqtt`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import nats.errors
from nats.aio.client import Client

from core.settings import Home
from core.stream.client import connected
from core.stream.mqtt_store import bound_mqtt_stores, ensure_mqtt_store, make_mqtt_room
from ingest.devices.mqtt import Bridge

log = logging.getLogger(__name__)

AGAIN_AFTER_S = 2.0


class Account:
    """`department` names it; '' is all there is in a broker that is not ours."""

    def __init__(self, home: Home, department: str, bridge_of: Callable[[str, Client], Bridge]) -> None:
        self._home, self._department, self._bridge_of = home, department, bridge_of
        self._client: Client | None = None
        self._bridge: Bridge | None = None
        self._tried = asyncio.Event()
        self._has_store = False
        self.failure = ""

    @property
    def name(self) -> str:
        """What people call it."""
        return self._department or "all"

    @property
    def is_subscribed(self) -> bool:
        """Whether its devices' messages come to us."""
        return self._bridge is not None and self._bridge.subscribed.is_set()

    async def hold(self) -> None:
        """Open it and hold its session until cancelled, from the beginning after any failure."""
        while True:
            try:
                async with connected(self._home, "listen", self._department) as client:
                    self._client, self.failure = client, ""
                    await self._make_store(client)
                    self._bridge = self._bridge_of(self._department, client)
                    self._tried.set()
                    await self._bridge.run()
                    await asyncio.Event().wait()  # no feed of ours in it: its stores are tended all the same
            except (nats.errors.Error, OSError) as error:
                self._failed(error)
            except Exception as error:  # a fault of ours in one account must not close the doors of the others
                log.exception("mqtt: account %s failed", self.name)
                self._failed(error)
            finally:
                self._client = self._bridge = None
                self._tried.set()
            await asyncio.sleep(AGAIN_AFTER_S)

    async def settled(self) -> None:
        """Until its session is there, or its first opening has failed."""
        await self._tried.wait()
        if self._bridge is not None:
            await self._bridge.subscribed.wait()

    async def tend(self) -> None:
        """Make room in what the broker keeps for it, and limits for what has none."""
        client = self._client
        if client is None:
            return
        try:
            if not self._has_store:
                await self._make_store(client)
            await make_mqtt_room(client.jsm())
            if self._home.has_own_broker:
                await bound_mqtt_stores(client.jsm())
        except (nats.errors.Error, OSError) as error:
            self._failed(error)
        else:
            self.failure = "" if self._has_store else self.failure

    def judge_held(self) -> None:
        """Look again at messages whose register had not landed."""
        if self._bridge is not None:
            self._bridge.judge_held()

    async def _make_store(self, client: Client) -> None:
        """Without it the session opens all the same: devices are answered in any case, so somebody must take theirs."""
        try:
            if self._home.has_own_broker:
                await ensure_mqtt_store(client.jsm(), self._home)
        except (nats.errors.Error, OSError) as error:
            self._failed(error)
        else:
            self._has_store = True

    def _failed(self, error: BaseException) -> None:
        said = str(error) or type(error).__name__
        if said != self.failure:
            log.error("mqtt: account %s: %s; the other doors stay open, trying again", self.name, said)
        self.failure = said

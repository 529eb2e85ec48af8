"""Ops store and broker of a process, for as long as it runs.

While the broker cannot be reached the process waits as long as it takes, and its health says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from datetime import datetime

import nats.errors
import sqlalchemy as sa
from nats.aio.client import Client
from prometheus_client import CollectorRegistry

from core.runtime.telemetry import Health, exposed_telemetry
from core.settings import Home, SettingsError
from core.store import database
from core.store.keys import confirm_keys
from core.stream.client import connect, nats_url

log = logging.getLogger(__name__)

AGAIN_AFTER_S = 0.5


@contextlib.asynccontextmanager
async def store_and_broker(
    home: Home, process: str, started_at: datetime, stop: asyncio.Event
) -> AsyncIterator[tuple[sa.Engine, Client] | None]:
    """The home's ops store, its keys confirmed, and a connection of `process`; None when `stop` comes before.

    Raises SettingsError for a key that is not the one the home was written with.
    """
    engine = await asyncio.to_thread(database.open_ops, home.ops_url)
    client: Client | None = None
    try:
        confirm_keys(home, engine)
        client = await _connect_at_last(home, process, started_at, stop)
        yield None if client is None else (engine, client)
    finally:
        if client is not None:
            await client.close()
        engine.dispose()


async def _connect_at_last(home: Home, process: str, started_at: datetime, stop: asyncio.Event) -> Client | None:
    """A connection of `process` as soon as the broker is up; None when `stop` is set first.

    While there is none, the process's own address answers, not well, with the reason; its note then has no other port.
    """
    client, reason = await _try(home, process)
    if client is not None:
        return client
    log.warning("broker cannot be reached yet: %s", reason)
    said = [reason]

    def health() -> Health:
        return Health(False, {"broker": said[0]})

    with exposed_telemetry(home, process, {}, started_at, CollectorRegistry(), health):
        while client is None and not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), AGAIN_AFTER_S)
                return None
            client, said[0] = await _try(home, process)
    return client


async def _try(home: Home, process: str) -> tuple[Client | None, str]:
    """A connection, or why there is none. Raises SettingsError for a password that is missing."""
    try:
        nats_url(home)
    except SettingsError as error:  # its port is for itself to choose, and it has not yet
        return None, str(error)
    try:
        return await connect(home, process), ""
    except (nats.errors.Error, OSError) as error:
        return None, f"cannot be reached: {str(error) or type(error).__name__}"

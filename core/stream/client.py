"""Connections of our processes to the broker: ours, or any NATS by URL.

A connection outlives the broker: it comes back by itself, for as long as it takes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from nats.aio.client import Client

from core.running import port_of
from core.settings import NATS_PASSWORD, Home
from core.stream.broker import MQTT_BROKER_PORT, MQTT_PORT, NATS_PORT, our_user
from core.tasks import ended

log = logging.getLogger(__name__)

RECONNECT_EVERY_S: Any = 0.25  # any number of seconds; the library says whole ones
CONNECT_WITHIN_S = 3


def nats_url(home: Home) -> str:
    """Where the broker listens: CITYRISK_NATS_URL, or our own. Raises SettingsError."""
    given = home.environment.get("CITYRISK_NATS_URL")
    return given or f"nats://127.0.0.1:{port_of(home, 'broker', 'nats', 'CITYRISK_NATS_PORT', NATS_PORT)}"


def mqtt_address(home: Home) -> tuple[str, int]:
    """Host and port of the broker's own MQTT listener; of one that is not ours, on the host of its URL.

    Devices go elsewhere: to the process `mqtt`. Raises SettingsError.
    """
    if home.has_own_broker:
        return "127.0.0.1", port_of(home, "broker", "mqtt", "CITYRISK_MQTT_BROKER_PORT", MQTT_BROKER_PORT)
    host = urlsplit(nats_url(home)).hostname or "127.0.0.1"
    return host, home.number("CITYRISK_MQTT_PORT", MQTT_PORT) or MQTT_PORT


async def connect(home: Home, name: str, department: str = "") -> Client:
    """A connection of the process `name`; close it with `close` where a task goes on after it.

    It sees the city's account, or a department's. Credentials are those in the URL, or ours. Raises nats.errors.Error
    or OSError when the broker cannot be reached within CONNECT_WITHIN_S; once connected it reconnects for ever.
    """
    url = nats_url(home)
    has_own = urlsplit(url).username is not None
    client = Client()
    # The library would go on for ever with the first attempt as well.
    attempt = asyncio.create_task(
        client.connect(
            url,
            name=name,
            user=None if has_own else our_user(department),
            password=None if has_own else home.require(NATS_PASSWORD),
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_EVERY_S,
            connect_timeout=CONNECT_WITHIN_S,
            error_cb=_on_error,
            disconnected_cb=partial(_on_disconnect, client),
            reconnected_cb=_on_reconnect,
        )
    )
    try:
        _, late = await asyncio.wait({attempt}, timeout=CONNECT_WITHIN_S)
        if late:
            raise TimeoutError(f"no connection within {CONNECT_WITHIN_S:g} s: {client.last_error or 'no answer'}")
        attempt.result()
    except BaseException:
        await ended([attempt])
        await close(client)
        raise
    return client


async def close(client: Client) -> None:
    """Close a connection, and end as cancelled where somebody cancelled the task meanwhile.

    The library's own close swallows a cancellation while it waits for its reconnecting to end: a task that holds a
    connection for as long as it runs would open the next one and never stop.
    """
    task = asyncio.current_task()
    asked_before = 0 if task is None else task.cancelling()
    await client.close()
    if task is not None and task.cancelling() > asked_before:
        raise asyncio.CancelledError


@asynccontextmanager
async def connected(home: Home, name: str, department: str = "") -> AsyncIterator[Client]:
    """A connection for the length of a block."""
    client = await connect(home, name, department)
    try:
        yield client
    finally:
        await close(client)


async def _on_error(error: Exception) -> None:
    log.warning("broker: %s", str(error) or type(error).__name__)


async def _on_disconnect(client: Client) -> None:
    if client.is_closed:  # by us: the library calls here for that too
        return
    log.warning("broker: connection lost; trying again every %g s", RECONNECT_EVERY_S)


async def _on_reconnect() -> None:
    log.info("broker: connected again")

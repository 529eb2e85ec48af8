"""A process that cannot reach the broker yet: it waits as long as it takes, and its health says so."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import datetime

import nats.errors
from nats.aio.client import Client
from prometheus_client import CollectorRegistry

from core.runtime.telemetry import Health, exposed_telemetry
from core.settings import Home, SettingsError
from core.stream.client import connect, nats_url

log = logging.getLogger(__name__)

AGAIN_AFTER_S = 0.5


async def connect_at_last(home: Home, process: str, started_at: datetime, stop: asyncio.Event) -> Client | None:
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

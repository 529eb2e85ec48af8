"""The process `mqtt`: where devices speak MQTT, before the broker's own listener.

It keeps nothing and answers nothing itself: every acknowledgement is the broker's. So it may be killed at any moment;
devices connect again and send what was not answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial

from ingest.listen.limits import raise_file_limit
from ingest.proxy.connections import DeviceSide, Proxy, ProxyLimits
from ingest.proxy.counts import Counts
from ingest.settings import Home, SettingsError
from ingest.stream.broker import MQTT_PORT, is_ours, max_connections, max_message_bytes
from ingest.stream.client import mqtt_address
from ingest.stream.telemetry import Health, told

BACKLOG = 1024
OURS = 100  # connections to the broker that devices cannot take from our own processes
PER_ADDRESS = 4096
OTHER_FILES = 128


def limits_of(home: Home) -> ProxyLimits:
    """The limits that a home's environment sets. Raises SettingsError."""
    return ProxyLimits(
        message_bytes=max_message_bytes(home),
        connections=max(1, max_connections(home) - OURS),
        per_address=home.number("CITYRISK_MQTT_PER_ADDRESS", PER_ADDRESS),
    )


async def serve(home: Home, now: Callable[[], datetime], stop: asyncio.Event) -> None:
    """Stand before the broker until `stop` is set. Raises SettingsError, or OSError for a port that is taken.

    Once `$HOME/run/mqtt.json` is written, devices may come.
    """
    if not is_ours(home):
        raise SettingsError("CITYRISK_NATS_URL names another broker; devices speak to it, not to a proxy of ours")
    started_at, counts = now(), Counts()
    proxy = Proxy(partial(mqtt_address, home), limits_of(home), counts)
    raise_file_limit(2 * proxy.limits.connections + OTHER_FILES)
    host = home.environment.get("CITYRISK_MQTT_HOST") or "127.0.0.1"
    port = home.number("CITYRISK_MQTT_PORT", MQTT_PORT)
    server = await asyncio.get_running_loop().create_server(lambda: DeviceSide(proxy), host, port, backlog=BACKLOG)
    ports = {"mqtt": int(server.sockets[0].getsockname()[1])}

    def health() -> Health:
        detail = {"broker": proxy.failure or "reached", "connections": len(proxy.devices)}
        return Health(not proxy.failure, detail)

    tending = asyncio.create_task(proxy.tend())
    try:
        with told(home, "mqtt", ports, started_at, counts.registry, health):
            await stop.wait()
    finally:
        tending.cancel()
        server.close()
        proxy.close()

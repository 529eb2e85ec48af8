"""The process `mqtt`: where devices speak MQTT, before the broker's own listener.

It keeps nothing and answers nothing itself: every acknowledgement is the broker's. So it may be killed at any moment;
devices connect again and send what was not answered.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from datetime import datetime
from functools import partial

from core.runtime.telemetry import Health, exposed_telemetry
from core.settings import Home, SettingsError
from core.stream.broker import MQTT_BROKER_PORT, MQTT_PORT, max_connections, max_message_bytes
from core.stream.client import mqtt_address
from ingest.devices.limits import raise_file_limit
from ingest.devices.proxy.connections import DeviceSide, Proxy, ProxyLimits
from ingest.devices.proxy.counts import Counts

BACKLOG = 1024
OURS = 100  # connections to the broker that devices cannot take from our own processes
PER_ADDRESS = 4096
OTHER_FILES = 128
LEAST_DEVICES = 10


def limits_of(home: Home) -> ProxyLimits:
    """The limits that a home's environment sets. Raises SettingsError."""
    connections = max_connections(home)
    if connections < OURS + LEAST_DEVICES:
        raise SettingsError(
            f"CITYRISK_NATS_MAX_CONNECTIONS is {connections}, expected {OURS + LEAST_DEVICES} or more: {OURS} of them "
            "are reserved for our own processes, the others are devices'; set it to the number of devices and "
            f"{OURS} more"
        )
    return ProxyLimits(
        message_bytes=max_message_bytes(home),
        connections=connections - OURS,
        per_address=home.number("CITYRISK_MQTT_PER_ADDRESS", PER_ADDRESS),
    )


def port_of_devices(home: Home) -> int:
    """Where devices come; 0 for any free port. Raises SettingsError for the port that is the broker's."""
    port = home.number("CITYRISK_MQTT_PORT", MQTT_PORT)
    if port and port == home.number("CITYRISK_MQTT_BROKER_PORT", MQTT_BROKER_PORT):
        raise SettingsError(
            f"CITYRISK_MQTT_PORT and CITYRISK_MQTT_BROKER_PORT are both {port}, expected two ports: devices come to "
            "the first, the broker itself listens on the second; leave the first as devices know it, and set "
            "CITYRISK_MQTT_BROKER_PORT to a free one"
        )
    return port


async def serve(home: Home, now: Callable[[], datetime], stop: asyncio.Event) -> None:
    """Stand before the broker until `stop` is set. Raises SettingsError, also for a port that is taken.

    It ends with whatever ends the sweeps of connections: its manager starts it again. Once `$HOME/run/mqtt.json` is
    written, devices may come.
    """
    if not home.has_own_broker:
        raise SettingsError("CITYRISK_NATS_URL names another broker; devices speak to it, not to a proxy of ours")
    started_at, counts = now(), Counts()
    proxy = Proxy(partial(mqtt_address, home), limits_of(home), counts)
    raise_file_limit(2 * proxy.limits.connections + OTHER_FILES)
    host = home.environment.get("CITYRISK_MQTT_HOST") or "127.0.0.1"
    server = await _listening(proxy, host, port_of_devices(home))
    ports = {"mqtt": int(server.sockets[0].getsockname()[1])}

    def health() -> Health:
        detail = {"broker": proxy.failure or "reached", "connections": len(proxy.devices)}
        return Health(not proxy.failure, detail)

    tending = asyncio.create_task(proxy.tend())
    try:
        with exposed_telemetry(home, "mqtt", ports, started_at, counts.registry, health):
            await _first_of(stop, tending)
    finally:
        tending.cancel()
        server.close()
        proxy.close()


async def _listening(proxy: Proxy, host: str, port: int) -> asyncio.Server:
    """The door of devices. Raises SettingsError when somebody else has its port."""
    try:
        return await asyncio.get_running_loop().create_server(lambda: DeviceSide(proxy), host, port, backlog=BACKLOG)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise SettingsError(
            f"{host}:{port}: another process listens there, expected a free port; end that one, or set "
            "CITYRISK_MQTT_PORT to another"
        ) from error


async def _first_of(stop: asyncio.Event, tending: asyncio.Task[None]) -> None:
    """Wait for `stop`. Raises what ended the sweeps: without them silent connections fill the place."""
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((stopped, tending), return_when=asyncio.FIRST_COMPLETED)
        if tending.done():
            tending.result()
    finally:
        stopped.cancel()

"""Connections of devices, each with one of its own to the broker; bytes go over both ways as they come.

Whoever reads slowly slows down who writes to it, and nobody else: no more is kept of a connection than a buffer each
way. When either end closes, so does the other. Not here: what may pass (`ingest.devices.proxy.packets`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import cast

from core.settings import SettingsError
from ingest.devices.proxy.counts import Counts
from ingest.devices.proxy.packets import MalformedPacket, PublishLimiter

log = logging.getLogger(__name__)

BUFFER_BYTES = 64 * 1024
SWEEP_S = 1.0
BROKER_WITHIN_S = 5.0
PROBE_EVERY = 5  # sweeps
CONNACK = 2

Address = tuple[str, int]
# One for all connections: it is emptied before the next is read.
_BUFFER = memoryview(bytearray(BUFFER_BYTES))


@dataclass(frozen=True, slots=True)
class ProxyLimits:
    """What the proxy allows."""

    message_bytes: int
    connections: int  # open at once
    per_address: int  # of these, from one address
    connect_s: int = 10  # until a CONNECT has begun
    stall_s: int = 60  # without a byte in the middle of a packet
    closing_s: int = 10  # until a reader takes its last answers


class Proxy:
    """All connections. `broker` says where its listener is at this moment; it may raise SettingsError."""

    def __init__(self, broker: Callable[[], Address], limits: ProxyLimits, counts: Counts) -> None:
        self.broker, self.limits, self.counts = broker, limits, counts
        self.devices: set[DeviceSide] = set()
        self.failure = ""
        self._by_address: Counter[str] = Counter()

    def admits(self, device: DeviceSide) -> bool:
        """Whether there is room for one more."""
        full = (
            "connections"
            if len(self.devices) >= self.limits.connections
            else "per_address"
            if self._by_address[device.address] >= self.limits.per_address
            else ""
        )
        if full:
            self.counts.turned_away.labels(full).inc()
            return False
        self.devices.add(device)
        self._by_address[device.address] += 1
        self.counts.connections.inc()
        return True

    def forget(self, device: DeviceSide) -> None:
        """One less."""
        if device not in self.devices:
            return
        self.devices.discard(device)
        self._by_address[device.address] -= 1
        if not self._by_address[device.address]:
            del self._by_address[device.address]
        self.counts.connections.dec()

    async def reach(self, protocol: Callable[[], asyncio.BaseProtocol]) -> asyncio.Transport:
        """A connection to the broker. Raises OSError."""
        try:
            async with asyncio.timeout(BROKER_WITHIN_S):
                loop = asyncio.get_running_loop()
                transport, _ = await loop.create_connection(protocol, *self.broker())
        except (OSError, SettingsError) as error:
            self.failure = f"cannot be reached: {str(error) or type(error).__name__}"
            raise OSError(self.failure) from error
        self.failure = ""
        return transport

    async def tend(self) -> None:
        """Until cancelled: end who says nothing, keep alive who says much, look whether the broker is there."""
        for number in count():
            if number % PROBE_EVERY == 0:
                with contextlib.suppress(OSError):
                    (await self.reach(asyncio.Protocol)).abort()
            await asyncio.sleep(SWEEP_S)
            for device in list(self.devices):
                device.sweep()

    def close(self) -> None:
        """End all connections."""
        for device in list(self.devices):
            device.abort()


class _Side(asyncio.BufferedProtocol):
    """One of two ends; `other` is where its bytes go."""

    transport: asyncio.Transport
    other: asyncio.Transport | None = None

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes are read to."""
        return _BUFFER

    def pause_writing(self) -> None:
        """This end reads slowly: nothing more is read from the other."""
        if self.other is not None and not self.other.is_closing():
            self.other.pause_reading()

    def resume_writing(self) -> None:
        """This end has read."""
        if self.other is not None and not self.other.is_closing():
            self.other.resume_reading()


class DeviceSide(_Side):
    """A device's connection; nothing is read from it until the broker is there."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._limiter = PublishLimiter(proxy.limits.message_bytes, self._on_cut)
        self._opening: asyncio.Task[None] | None = None
        self._has_spoken = False  # since the last sweep
        self._sweeps = self._silent = self._closing = 0
        self.address = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let it in, or turn it away."""
        self.transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if peer else ""
        if not self._proxy.admits(self):
            self.transport.abort()
            return
        found: socket.socket = transport.get_extra_info("socket")
        found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # a device may die and say nothing
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
        self.transport.pause_reading()
        self._opening = asyncio.get_running_loop().create_task(self._open())

    def buffer_updated(self, nbytes: int) -> None:
        """Hand on what came."""
        self._has_spoken = True
        try:
            passing = self._limiter.feed(bytes(_BUFFER[:nbytes]))
        except MalformedPacket as error:
            log.warning("mqtt: %s: disconnected: %s", self.address, error)
            self._end("malformed")
            return
        if passing and self.other is not None:
            self.other.write(passing)

    def connection_lost(self, exc: Exception | None) -> None:
        """The device is gone: so is its connection to the broker, once that has what came."""
        self._proxy.forget(self)
        if self._opening is not None:
            self._opening.cancel()
        if self.other is not None:
            self.other.close()
            if self.other.get_write_buffer_size():
                asyncio.get_running_loop().call_later(self._proxy.limits.closing_s, self.other.abort)

    def abort(self) -> None:
        """End both at once."""
        self.transport.abort()
        if self.other is not None:
            self.other.abort()

    def sweep(self) -> None:
        """Called every SWEEP_S."""
        limits, limiter = self._proxy.limits, self._limiter
        self._sweeps += 1
        self._silent = 0 if self._has_spoken else self._silent + 1
        if self.transport.is_closing():
            self._closing += 1
            if self._closing * SWEEP_S >= limits.closing_s:
                self.transport.abort()
        elif not limiter.has_begun and self._sweeps * SWEEP_S >= limits.connect_s:
            self._end("no_connect")
        elif limiter.is_within and self._silent * SWEEP_S >= limits.stall_s and not self._waits_for_broker():
            self._end("stalled")
        elif self._has_spoken and self.other is not None and (byte := limiter.trickle()):
            self.other.write(byte)
        self._has_spoken = False

    def _waits_for_broker(self) -> bool:
        """Whether it is silent because we do not read it."""
        return self.other is not None and self.other.get_write_buffer_size() > 0

    def _end(self, cause: str) -> None:
        self._proxy.counts.closed.labels(cause).inc()
        self.transport.abort()

    async def _open(self) -> None:
        try:
            broker = await self._proxy.reach(lambda: BrokerSide(self))
        except OSError:
            self._end("broker_away")
            return
        if self.transport.is_closing():
            broker.abort()
            return
        self.other = broker
        self.transport.resume_reading()

    def on_first_answer(self, answer: bytes) -> None:
        """Note a refusal here: the broker sees no address but ours."""
        if len(answer) >= 4 and answer[0] >> 4 == CONNACK and answer[3]:
            self._proxy.counts.refused.inc()
            log.warning("mqtt: %s: the broker refuses its CONNECT with code %d", self.address, answer[3])

    def _on_cut(self, topic: str, size: int) -> None:
        self._proxy.counts.cut.inc()
        log.warning(
            "mqtt: %s: %r: a message of %d bytes, expected at most %d; its first bytes go to quarantine",
            self.address,
            topic[:120],
            size,
            self._proxy.limits.message_bytes,
        )


class BrokerSide(_Side):
    """The connection to the broker that belongs to a device's."""

    def __init__(self, device: DeviceSide) -> None:
        self._device, self.other, self._has_spoken = device, device.transport, False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Small answers leave at once: the event loop has turned Nagle's algorithm off."""
        self.transport = cast(asyncio.Transport, transport)

    def buffer_updated(self, nbytes: int) -> None:
        """Hand on what came."""
        data = bytes(_BUFFER[:nbytes])
        if not self._has_spoken:
            self._has_spoken = True
            self._device.on_first_answer(data)
        self._device.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The broker is gone, or will have no more of this device."""
        self._device.transport.close()

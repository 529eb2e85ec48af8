"""The gateways: a TCP and a UDP door for each device protocol that a contract speaks, on one port number each."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime

from core.contract import Contract
from core.settings import Home
from ingest.devices.bad_frames import BadFrames
from ingest.devices.counts import Counts
from ingest.devices.datagram import DatagramDoor
from ingest.devices.frame_handler import FrameHandler
from ingest.devices.frame_sink import FrameSink
from ingest.devices.known import KnownDevices
from ingest.devices.limits import GatewayLimits, raise_file_limit
from ingest.devices.links import LinkTracker
from ingest.devices.session import Session
from ingest.devices.unknown_devices import UnknownDevices
from ingest.protocols import PROTOCOLS

log = logging.getLogger(__name__)

DEFAULT_PORTS: Mapping[str, int] = {"jt808": 7611, "hj212": 7612, "sl651": 7613, "gb26875": 7614}
BACKLOG = 1024


class Gateway:
    """All doors of one process. `ports` says where each protocol is served once it is open."""

    def __init__(self, home: Home, sink: FrameSink, limits: GatewayLimits, counts: Counts) -> None:
        self._home, self._sink, self._limits, self._counts = home, sink, limits, counts
        self._servers: list[asyncio.Server] = []
        self._datagrams: list[DatagramDoor] = []
        self._sessions: set[asyncio.Task[None]] = set()
        self._by_address: Counter[str] = Counter()
        self.ports: dict[str, int] = {}

    async def open(self, handlers: Mapping[str, FrameHandler]) -> None:
        """Open the doors of all desks. Raises OSError for a port that is taken, SettingsError for one that is none."""
        raise_file_limit(self._limits.connections + 256)
        host = self._home.environment.get("CITYRISK_GATEWAY_HOST") or "127.0.0.1"
        for protocol, handler in handlers.items():
            port = self._home.number(f"CITYRISK_{protocol.upper()}_PORT", DEFAULT_PORTS[protocol])
            server = await asyncio.start_server(self._door(handler), host, port, backlog=BACKLOG, limit=64 * 1024)
            self._servers.append(server)
            port = server.sockets[0].getsockname()[1]
            door = DatagramDoor(handler, self._sink, self._limits)
            self._datagrams.append(door)

            def made(door: DatagramDoor = door) -> DatagramDoor:
                return door

            await asyncio.get_running_loop().create_datagram_endpoint(made, (host, port))
            self.ports[protocol] = port

    async def close(self) -> None:
        """Close every door and connection."""
        for server in self._servers:
            server.close()
        for door in self._datagrams:
            door.close()
        sessions = list(self._sessions)
        for session in sessions:
            session.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)

    def _door(self, handler: FrameHandler) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        def opened(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.get_running_loop().create_task(self._serve(handler, reader, writer))
            self._sessions.add(task)
            task.add_done_callback(self._sessions.discard)

        return opened

    async def _serve(self, handler: FrameHandler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection unless there are too many."""
        peer = writer.get_extra_info("peername")
        address = str(peer[0]) if peer else ""
        full = (
            "connections"
            if self._by_address.total() >= self._limits.connections
            else "per_address"
            if self._by_address[address] >= self._limits.per_address
            else ""
        )
        if full:
            self._counts.turned_away.labels(full).inc()
            writer.transport.abort()
            return
        self._by_address[address] += 1
        self._counts.connections.inc()
        raw: socket.socket | None = writer.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            session = Session(handler, self._sink, self._limits, reader, writer, address)
            self._counts.closed.labels(await session.run()).inc()
            await session.close()
        except Exception:  # a fault of ours: it must not reach other connections
            log.exception("%s: %s: connection closed by a fault of ours", handler.protocol, address)
        finally:
            writer.transport.abort()
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]
            self._counts.connections.dec()


def frame_handlers_of(
    contracts: Mapping[str, Contract],
    known: KnownDevices,
    links: LinkTracker,
    bad: BadFrames,
    unknown_devices: UnknownDevices,
    counts: Counts,
    now: Callable[[], datetime],
) -> dict[str, FrameHandler]:
    """A handler for each protocol that a contract speaks over TCP or UDP."""
    framed = [one for one in contracts.values() if one.is_stream and one.server.dialect in ("tcp", "udp")]
    handlers = {}
    for protocol in PROTOCOLS:
        own = [contract for contract in framed if contract.server.file_format == protocol]
        if own:
            handlers[protocol] = FrameHandler(protocol, own, known, links, bad, unknown_devices, counts, now)
    return handlers

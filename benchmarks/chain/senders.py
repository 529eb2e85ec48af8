"""Devices that send over MQTT (QoS 1) and JT/T 808, and that know what was acknowledged to them.

An MQTT sender is as lean as one can be: packets built once, answers counted, no library between. What was not
acknowledged is sent again after a lost connection, as a device with a memory does.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Self

from ingest.protocols.jt808 import decode
from ingest.protocols.jt808.encode import Position, Sender, location
from ingest.protocols.jt808.wire import Splitter

AGAIN_AFTER_S = 0.2
ANSWER_WITHIN_S = 10.0
_PUBACK, _CONNACK, _DUP = 0x40, 0x20, 0x08


class MqttSender:
    """One connection of a department's gateway. `acknowledged(token)` is called for every message that is."""

    def __init__(
        self, port: int, user: str, password: str, client_id: str, acknowledged: Callable[[int], None] | None = None
    ) -> None:
        self._port = port
        self._hello = _connect_packet(client_id, user, password)
        self._told = acknowledged
        self._writer: asyncio.StreamWriter | None = None
        self._under_way: dict[int, tuple[int, bytes]] = {}
        self._mid = 0
        self._room = asyncio.Event()
        self.connections = 0
        self.sent = 0
        self.acknowledged = 0

    @property
    def under_way(self) -> int:
        """Messages sent and not acknowledged."""
        return len(self._under_way)

    @property
    def is_connected(self) -> bool:
        """Whether messages leave at once."""
        return self._writer is not None

    def send(self, topic: bytes, body: bytes, token: int) -> None:
        """Send a message, now or as soon as there is a connection."""
        while True:
            self._mid = self._mid % 65_535 + 1
            if self._mid not in self._under_way:
                break
        content = struct.pack(">H", len(topic)) + topic + struct.pack(">H", self._mid) + body
        packet = b"\x32" + _length(len(content)) + content
        self._under_way[self._mid] = (token, packet)
        self.sent += 1
        if self._writer is not None:
            self._writer.write(packet)

    async def room(self, most: int) -> None:
        """Return once fewer than `most` messages are under way and the socket takes more."""
        while len(self._under_way) >= most or self._writer is None:
            self._room.clear()
            await self._room.wait()
        if self._writer.transport.get_write_buffer_size() > 1_000_000:
            await asyncio.sleep(0)

    async def __aenter__(self) -> Self:
        """Connect; returns once there is a connection."""
        self._talking = asyncio.create_task(self._run())
        await self.room(1)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Go without a word more."""
        self._talking.cancel()
        await asyncio.gather(self._talking, return_exceptions=True)
        await asyncio.sleep(0)  # the transport closes on the loop's next turn

    async def _run(self) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                found = writer.get_extra_info("socket")
                found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                try:
                    await self._talk(reader, writer)
                finally:
                    self._writer = None
                    writer.transport.abort()
            except (OSError, EOFError):
                await asyncio.sleep(AGAIN_AFTER_S)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._hello)
        answer = await reader.readexactly(4)
        if answer[0] != _CONNACK or answer[3]:
            raise OSError(f"the broker refuses us: {answer!r}")
        self.connections += 1
        for _, packet in self._under_way.values():
            writer.write(bytes([packet[0] | _DUP]) + packet[1:])
        self._writer = writer
        self._room.set()
        rest = b""
        while data := await reader.read(65_536):
            rest = self._take(rest + data)
            self._room.set()

    def _take(self, data: bytes) -> bytes:
        """Count the answers; gives the bytes of one that is not whole yet."""
        for at in range(0, len(data) - 3, 4):
            if data[at] != _PUBACK:
                raise OSError(f"unexpected packet {data[at]:#x}")
            found = self._under_way.pop(data[at + 2] << 8 | data[at + 3], None)
            if found is not None:
                self.acknowledged += 1
                if self._told is not None:
                    self._told(found[0])
        return data[len(data) // 4 * 4 :]


class Vehicle:
    """A terminal on its own TCP connection; it repeats a position until the platform answers."""

    def __init__(self, port: Callable[[], int | None], phone: str, edition: int) -> None:
        self._port = port
        self.sender = Sender(phone, edition)
        self.phone = phone
        self._serials = count(1)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.repeats = 0

    async def say(self, at: datetime, alarm_bits: int = 0, speed_kmh: float = 40.0) -> None:
        """Return once a position is acknowledged."""
        position = Position(at, 111.3, 30.7, speed_kmh=speed_kmh, alarm_bits=alarm_bits)
        while True:
            try:
                await self._once(location(self.sender, next(self._serials) & 0xFFFF, position))
                return
            except (OSError, EOFError, TimeoutError):
                self._drop()
                self.repeats += 1
                await asyncio.sleep(AGAIN_AFTER_S)

    async def _once(self, frame: bytes) -> None:
        if self._streams is None:
            port = self._port()
            if port is None:
                raise OSError("the gateway has not said its port")
            self._streams = await asyncio.open_connection("127.0.0.1", port)
        reader, writer = self._streams
        writer.write(frame)
        splitter = Splitter(frozenset())
        async with asyncio.timeout(ANSWER_WITHIN_S):
            while True:
                data = await reader.read(4096)
                if not data:
                    raise EOFError
                for piece in splitter.feed(data):
                    if isinstance(piece, bytes) and decode(piece, frozenset()).fields["message_id"] == 0x8001:
                        if piece_result(piece):
                            raise OSError("refused")
                        return

    async def __aenter__(self) -> Self:
        """Nothing yet: it connects when it speaks."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Drop the connection."""
        self._drop()
        await asyncio.sleep(0)  # the transport closes on the loop's next turn

    def _drop(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None


def piece_result(frame: bytes) -> int:
    """The result in a general answer: its last byte before check and flag; 0 is accepted."""
    content = frame.replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d")
    return content[-3]


def now() -> datetime:
    """The clock of a device."""
    return datetime.now(UTC)


def _connect_packet(client_id: str, user: str, password: str) -> bytes:
    """CONNECT of MQTT 3.1.1: clean session, user and password."""
    fields = [client_id.encode(), user.encode(), password.encode()]
    content = b"\x00\x04MQTT\x04\xc2" + struct.pack(">H", 600)
    content += b"".join(struct.pack(">H", len(one)) + one for one in fields)
    return b"\x10" + _length(len(content)) + content


def _length(n: int) -> bytes:
    """A remaining length in seven bits a byte."""
    found = bytearray()
    while True:
        n, low = divmod(n, 128)
        found.append(low | (0x80 if n else 0))
        if not n:
            return bytes(found)

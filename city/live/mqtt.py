"""A lean MQTT 3.1.1 client that publishes with QoS 1: what is not acknowledged is sent again when the line is back.

Frames are made once and written as they are.
"""

from __future__ import annotations

import asyncio
import struct
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

CONNECT, CONNACK, PUBLISH, PUBACK, PINGREQ = 0x10, 0x20, 0x32, 0x40, b"\xc0\x00"
_DUPLICATE = 0x08
KEEP_ALIVE_S = 60
AGAIN_S = 0.3
WINDOW = 2000
_PACKET_IDS = 0xFFFF

Message = TypeVar("Message")


def publish_head(topic: str, n_payload: int) -> tuple[bytes, bytes]:
    """What stands before the packet id of a message, and nothing else: fixed header, length, topic."""
    name = topic.encode()
    return bytes([PUBLISH]) + _length(2 + len(name) + 2 + n_payload), struct.pack(">H", len(name)) + name


def frame_of(topic: str, payload: bytes, packet_id: int) -> bytes:
    """A whole PUBLISH with QoS 1."""
    head, name = publish_head(topic, len(payload))
    return b"".join((head, name, packet_id.to_bytes(2), payload))


def _length(n: int) -> bytes:
    out = bytearray()
    while True:
        n, low = divmod(n, 128)
        out.append(low | (128 if n else 0))
        if not n:
            return bytes(out)


class Publisher(asyncio.Protocol, Generic[Message]):
    """One connection of one department. `offer` takes a topic, a payload, and what `acknowledged` is to be given."""

    def __init__(
        self, user: str, password: str, client_id: str, acknowledged: Callable[[Message], None], window: int = WINDOW
    ) -> None:
        """Nothing is open yet: `keep_open` does that. At most `window` messages are unanswered at a time."""
        self._login = _connect(user, password, client_id)
        self._acknowledged, self._window = acknowledged, min(window, _PACKET_IDS - 1)
        self._waiting: deque[tuple[str, bytes, Message]] = deque()
        self._unanswered: OrderedDict[int, tuple[bytes, Message]] = OrderedDict()
        self._packet_id = 0
        self._transport: asyncio.Transport | None = None
        self._is_ready = False
        self._buffer = b""
        self._lost = asyncio.Event()
        self.resent = 0

    @property
    def pending(self) -> int:
        """Messages that are not acknowledged, said or not."""
        return len(self._waiting) + len(self._unanswered)

    def offer(self, topic: str, payload: bytes, message: Message) -> None:
        """Publish as soon as the window lets it."""
        self._waiting.append((topic, payload, message))
        self._pump()

    def offer_all(self, messages: Iterable[tuple[str, bytes, Message]]) -> None:
        """The same for many, written at once."""
        self._waiting.extend(messages)
        self._pump()

    async def keep_open(self, place: Callable[[], tuple[str, int]]) -> None:
        """Connect, and again whenever the connection is lost, until cancelled; `place` says where, each time."""
        try:
            while True:
                self._lost.clear()
                try:
                    await asyncio.get_running_loop().create_connection(lambda: self, *place())
                    while not self._lost.is_set():
                        try:
                            async with asyncio.timeout(KEEP_ALIVE_S / 3):
                                await self._lost.wait()
                        except TimeoutError:
                            if self._transport is not None and self._is_ready:
                                self._transport.write(PINGREQ)
                except (OSError, RuntimeError):  # nobody listens, or nobody has said where
                    pass
                await asyncio.sleep(AGAIN_S)
        finally:
            if self._transport is not None:
                self._transport.abort()

    # ── the connection ────────────────────────────────────────────────────────────────────────────────────────────────
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Log in."""
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._buffer, self._is_ready = transport, b"", False
        transport.write(self._login)

    def connection_lost(self, exc: Exception | None) -> None:
        """Unanswered messages stay."""
        self._transport, self._is_ready = None, False
        self._lost.set()

    def data_received(self, data: bytes) -> None:
        """CONNACK and PUBACK are four bytes, PINGRESP two; nothing else comes."""
        data = self._buffer + data
        at, end = 0, len(data)
        while at + 2 <= end and at + 2 + data[at + 1] <= end:
            kind, size = data[at], data[at + 1]
            if kind == PUBACK:
                found = self._unanswered.pop(data[at + 2] << 8 | data[at + 3], None)
                if found is not None:
                    self._acknowledged(found[1])
            elif kind == CONNACK:
                self._welcome(data[at + 3])
            at += 2 + size
        self._buffer = data[at:]
        self._pump()

    def _welcome(self, code: int) -> None:
        assert self._transport is not None
        if code:
            self._transport.abort()
            return
        self._is_ready = True
        for frame, _ in self._unanswered.values():
            self.resent += 1
            self._transport.write(bytes([frame[0] | _DUPLICATE]) + frame[1:])

    def _pump(self) -> None:
        if not self._is_ready or self._transport is None or not self._waiting:
            return
        frames = []
        while self._waiting and len(self._unanswered) < self._window:
            topic, payload, message = self._waiting.popleft()
            frame = frame_of(topic, payload, self._fresh_id())
            self._unanswered[self._packet_id] = frame, message
            frames.append(frame)
        if frames:
            self._transport.write(b"".join(frames))

    def _fresh_id(self) -> int:
        self._packet_id = self._packet_id % _PACKET_IDS + 1
        while self._packet_id in self._unanswered:
            self._packet_id = self._packet_id % _PACKET_IDS + 1
        return self._packet_id


def _connect(user: str, password: str, client_id: str) -> bytes:
    """A clean session: what is not answered is ours to remember."""
    fields = [b"MQTT", client_id.encode(), user.encode(), password.encode()]
    name, *rest = (struct.pack(">H", len(part)) + part for part in fields)
    body = name + bytes([4, 0b1100_0010]) + struct.pack(">H", KEEP_ALIVE_S) + b"".join(rest)
    return bytes([CONNECT]) + _length(len(body)) + body

"""A TCP connection of one or several devices: each says one thing, waits for the answer, and says it again without one.

That is how the four protocols work, and what makes "acknowledged" something to count. A line that breaks is opened
again; what was not answered stays in the device.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from city.live.dialect import Answer, Dialect
from city.live.utterance import Utterance
from ingest.protocols import BadFrame, codec

ANSWER_S = 10.0
TRIES = 3
LIFE_S = 240.0
AGAIN_S = (0.2, 5.0)

Heard = Callable[[Utterance], None]


@dataclass(slots=True)
class Mouth:
    """One device on a line."""

    device_id: str
    outbox: deque[Utterance] = field(default_factory=deque)
    step: int = 0
    code: str = ""
    token: str = ""  # what it waits for; '' when it waits for nothing
    frame: bytes = b""
    said_at: float = 0.0
    tries: int = 0
    is_ready: bool = False


class Line(asyncio.Protocol):
    """One connection. `offer` takes what a device says; `acknowledged` is called for each that was answered well."""

    def __init__(
        self, protocol: str, dialect: Dialect, device_ids: Iterable[str], acknowledged: Heard, refused: Heard
    ) -> None:
        """Nothing is open yet: `keep_open` does that."""
        self._codec, self._dialect = codec(protocol), dialect
        self._acknowledged, self._refused = acknowledged, refused
        self.mouths = {device_id: Mouth(device_id) for device_id in device_ids}
        self.pending = 0
        self.resent = 0
        self._transport: asyncio.Transport | None = None
        self._lost, self._offered = asyncio.Event(), asyncio.Event()
        self._clock = asyncio.get_running_loop().time

    def offer(self, one: Utterance) -> None:
        """Say it as soon as what the device said before is answered."""
        mouth = self.mouths[one.device_id]
        mouth.outbox.append(one)
        self.pending += 1
        self._offered.set()
        if self._transport is not None and not mouth.token:
            self._next(mouth)

    async def keep_open(self, place: Callable[[], tuple[str, int]]) -> None:
        """Connect, and again whenever the connection is lost, until cancelled; `place` says where, each time.

        Devices that have nothing to say on a new connection wait until they have: a gateway closes a mute one.
        """
        wait_s = AGAIN_S[0]
        try:
            while True:
                if not self._dialect.speaks_at_once and not self.pending:
                    self._offered.clear()
                    await self._offered.wait()
                self._lost.clear()
                try:
                    await asyncio.get_running_loop().create_connection(lambda: self, *place())
                    wait_s = AGAIN_S[0]
                    await self._lost.wait()
                except (OSError, RuntimeError):  # nobody listens, or nobody has said where
                    wait_s = min(wait_s * 2, AGAIN_S[1])
                await asyncio.sleep(wait_s)
        finally:
            if self._transport is not None:
                self._transport.abort()

    def tend(self, now: datetime) -> None:
        """Say again what got no answer, give up a dead connection, show signs of life."""
        if self._transport is None:
            return
        clock = self._clock()
        for mouth in self.mouths.values():
            if not mouth.token:
                if clock - mouth.said_at > LIFE_S and (frame := self._dialect.sign_of_life(mouth.device_id, now)):
                    mouth.said_at = clock
                    self._transport.write(frame)
            elif clock - mouth.said_at > ANSWER_S:
                if mouth.tries >= TRIES:
                    self._transport.abort()
                    return
                mouth.tries, mouth.said_at = mouth.tries + 1, clock
                self.resent += 1
                self._transport.write(mouth.frame)

    # ── the connection ────────────────────────────────────────────────────────────────────────────────────────────────
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Every device logs in, where its protocol wants that."""
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._splitter = transport, self._codec.splitter()
        for mouth in self.mouths.values():
            mouth.step, mouth.token, mouth.is_ready = 0, "", False
            self._next(mouth)

    def connection_lost(self, exc: Exception | None) -> None:
        """What was not answered will be said again."""
        self._transport = None
        self._lost.set()

    def data_received(self, data: bytes) -> None:
        """Answers."""
        for piece in self._splitter.feed(data):
            if isinstance(piece, BadFrame):
                continue
            answer = self._dialect.answer(self._codec.decode(piece))
            mouth = self.mouths.get(answer.device_id) if answer else None
            if answer and mouth and mouth.token == answer.token:
                self._take(mouth, answer)

    def _take(self, mouth: Mouth, answer: Answer) -> None:
        mouth.token, mouth.tries = "", 0
        if not mouth.is_ready:
            if not answer.is_good and self._transport is not None:
                self._transport.close()  # not known there yet: come again later
                return
            mouth.step, mouth.code = mouth.step + 1, answer.code or mouth.code
        else:
            one = mouth.outbox.popleft()
            self.pending -= 1
            (self._acknowledged if answer.is_good else self._refused)(one)
        self._next(mouth)

    def _next(self, mouth: Mouth) -> None:
        """The next step of the login, or the next thing to say."""
        if self._transport is None or self._transport.is_closing():
            return
        if not mouth.is_ready:
            login = self._dialect.login(mouth.device_id, mouth.step, mouth.code)
            mouth.is_ready = login is None
            if login is not None:
                mouth.frame, mouth.token = login
                self._say(mouth)
                return
        if mouth.outbox:
            mouth.frame, mouth.token = mouth.outbox[0].body, mouth.outbox[0].token
            self._say(mouth)

    def _say(self, mouth: Mouth) -> None:
        assert self._transport is not None
        mouth.said_at = self._clock()
        self._transport.write(mouth.frame)

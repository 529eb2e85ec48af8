"""Publish conformed batches to LIVE, each exactly once, and find out how far LIVE has come.

A message says in its id which row is its last, so the last message of a feed tells where to go on after a crash.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import nats.errors
import polars as pl
from nats.aio.client import Client
from nats.js.errors import APIError, NotFoundError

from core.stream import live
from core.stream.live import CLOCK_FEED, LiveBatch
from core.stream.streams import LIVE, MESSAGE_BYTES

log = logging.getLogger(__name__)

ACK_WITHIN_S = 5.0
AGAIN_AFTER_S = (0.05, 0.1, 0.2, 0.5, 1.0)
MESSAGE_ROWS = 5000
HEAD_BYTES = 1024  # room for the headers beside a body
_ID = "Nats-Msg-Id"

Place = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LiveMessage:
    """A message for LIVE. `message_id` is its for ever: `raw:<feed>:<place of the last row>` or `batch:<id>:<n>`."""

    feed_id: str
    body: bytes
    message_id: str


class LivePublisher:
    """The way into LIVE. `failure` says why the broker does not take what we publish, '' while it does.

    `mend` is called after a failure, to make a stream that is missing.
    """

    def __init__(self, client: Client, mend: Callable[[], Awaitable[None]]) -> None:
        self._client, self._mend = client, mend
        self.failure = ""

    @property
    def most_bytes(self) -> int:
        """The largest body that we publish: the broker takes larger ones, of devices."""
        return min(self._client.max_payload, MESSAGE_BYTES) - HEAD_BYTES

    async def publish(self, messages: Sequence[LiveMessage]) -> None:
        """Return once LIVE has them all. A feed's next message goes when its former one is acknowledged."""
        rounds: defaultdict[int, list[LiveMessage]] = defaultdict(list)
        count: defaultdict[str, int] = defaultdict(int)
        for message in messages:
            rounds[count[message.feed_id]].append(message)
            count[message.feed_id] += 1
        for number in sorted(rounds):
            await self._round(rounds[number])

    async def last_id(self, feed_id: str) -> str:
        """The id of the feed's last message in LIVE, '' when there is none."""
        try:
            message = await self._client.jsm().get_last_msg(LIVE, subject_of(feed_id))
        except NotFoundError:
            return ""
        return str((message.headers or {}).get(_ID, ""))

    async def _round(self, messages: list[LiveMessage]) -> None:
        attempt = 0
        while messages:
            ends = await asyncio.gather(*(self._once(message) for message in messages), return_exceptions=True)
            messages = [message for message, end in zip(messages, ends, strict=True) if end is not None]
            for end in ends:
                if end is not None and not isinstance(end, (nats.errors.Error, OSError)):
                    raise end
            if messages:
                self._note(next(end for end in ends if end is not None))
                await asyncio.sleep(AGAIN_AFTER_S[min(attempt, len(AGAIN_AFTER_S) - 1)])
                attempt += 1
                with contextlib.suppress(nats.errors.Error, OSError):
                    await self._mend()
                messages = [message for message in messages if not await self._stands(message)]
        if attempt:
            log.info("LIVE takes messages again")
            self.failure = ""

    async def _once(self, message: LiveMessage) -> None:
        headers = {_ID: message.message_id, "Nats-Expected-Stream": LIVE}
        answer = await self._client.request(
            subject_of(message.feed_id), message.body, timeout=ACK_WITHIN_S, headers=headers
        )
        acknowledgement = json.loads(answer.data)
        if "error" in acknowledgement:
            raise APIError.from_error(acknowledgement["error"])

    async def _stands(self, message: LiveMessage) -> bool:
        """Whether a message whose acknowledgement did not come was stored all the same."""
        try:
            return await self.last_id(message.feed_id) == message.message_id
        except (nats.errors.Error, OSError):
            return False

    def _note(self, error: BaseException) -> None:
        text = str(error) or type(error).__name__
        if text != self.failure:
            log.warning("LIVE: not stored, trying again until it is: %s", text)
            self.failure = text


def subject_of(feed_id: str) -> str:
    """The LIVE subject of a feed."""
    return f"live.{feed_id}"


def clock(at: datetime) -> LiveMessage:
    """Time passes although nobody speaks."""
    return LiveMessage(CLOCK_FEED, live.pack(LiveBatch(CLOCK_FEED, at, "clock", {})), f"clock:{live.micros(at)}")


def raw_messages(feed_id: str, frame: pl.DataFrame, at: datetime, most_bytes: int) -> list[LiveMessage]:
    """A tick's rows of a stream's feed."""
    found = []
    for part, body in _bodies(feed_id, frame, at, None, most_bytes):
        found.append(LiveMessage(feed_id, body, f"raw:{feed_id}:{part['_row'][-1]}"))
    return found


def batch_messages(
    feed_id: str, batch_id: str, frame: pl.DataFrame, at: datetime, most_bytes: int
) -> list[LiveMessage]:
    """The rows of one landed batch."""
    bodies = _bodies(feed_id, frame, at, f"batch:{batch_id}", most_bytes)
    return [LiveMessage(feed_id, body, f"batch:{batch_id}:{number}") for number, (_, body) in enumerate(bodies)]


def place_of(row: str) -> Place:
    """A row's place as numbers that sort in stream order."""
    return tuple(map(int, row.split(".")))


def place_in(message_id: str) -> Place:
    """The place of the last row that a LIVE message of a stream's feed holds; () for other messages."""
    kind, _, rest = message_id.partition(":")
    return place_of(rest.rpartition(":")[2]) if kind == "raw" else ()


def _bodies(
    feed_id: str, frame: pl.DataFrame, at: datetime, source: str | None, most_bytes: int
) -> Iterator[tuple[pl.DataFrame, bytes]]:
    """Parts of a frame, in order, with their bodies, none larger than the broker takes."""
    if frame.height > MESSAGE_ROWS:
        for part in frame.iter_slices(MESSAGE_ROWS):
            yield from _bodies(feed_id, part, at, source, most_bytes)
        return
    said = source or f"raw:{place_of(frame['_row'][0])[0]}-{place_of(frame['_row'][-1])[0]}"
    body = live.pack(live.of_frame(feed_id, frame, at, said))
    if len(body) <= most_bytes:
        yield frame, body
        return
    if frame.height == 1:
        raise ValueError(f"{feed_id}: one row of {len(body)} bytes, the broker takes {most_bytes}: raise max_payload")
    half = frame.height // 2
    yield from _bodies(feed_id, frame[:half], at, source, most_bytes)
    yield from _bodies(feed_id, frame[half:], at, source, most_bytes)

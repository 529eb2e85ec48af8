"""Pack what devices sent into RAW messages, and tell each sender once its bytes are safe.

One message of a feed is under way at a time; what comes meanwhile goes into the next. So a lone frame travels at
once, a flood in large messages, and the order within a feed is the order in which it came. A publish is repeated, under
the same message id, until the broker acknowledges it: the sender waits, nothing is given up.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
from collections import deque
from collections.abc import Callable

import nats.errors
from nats.aio.client import Client
from nats.js.errors import APIError, NoStreamResponseError

from core.stream import raw
from core.stream.raw import RawEntry
from core.stream.streams import RAW
from core.tasks import ended

log = logging.getLogger(__name__)

MESSAGE_BYTES = 256 * 1024  # a message is closed beyond this size
ENTRY_BYTES = 1000 * 1000  # what the broker takes in one message, less room for our head
ENTRY_COUNT = 2000
LINGER_S = 0.003
ACK_WITHIN_S = 2.0
AGAIN_AFTER_S = (0.05, 0.1, 0.2, 0.5, 1.0)

Stored = Callable[[], None]


class EntryTooLarge(ValueError):
    """An entry that no message can carry."""


class Packer:
    """One way into RAW, or into another stream of the same form."""

    def __init__(self, client: Client, on_full: Callable[[], None] | None = None, stream: str = RAW) -> None:
        self._client = client
        self._stream = stream
        self._on_full = on_full
        self._waiting: dict[str, deque[tuple[RawEntry, Stored | None]]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.pending_bytes = 0
        self.messages = 0
        self.entries = 0
        self.failure = ""  # why the last publish failed, '' once one went through

    @property
    def is_waiting(self) -> bool:
        """Whether publishes fail at the moment."""
        return bool(self.failure)

    def add(self, feed_id: str, entry: RawEntry, stored: Stored | None = None) -> None:
        """Send an entry on its way; `stored` is called once the broker has it. Raises EntryTooLarge."""
        if len(entry.body) > ENTRY_BYTES:
            raise EntryTooLarge(f"{feed_id}: {len(entry.body)} bytes of {entry.device_id!r}, expected <= {ENTRY_BYTES}")
        self.pending_bytes += len(entry.body)
        queue = self._waiting.setdefault(feed_id, deque())
        queue.append((entry, stored))
        if feed_id not in self._tasks:
            task = asyncio.get_running_loop().create_task(self._run(feed_id, queue))
            self._tasks[feed_id] = task

    async def stored(self, feed_id: str, entries: list[RawEntry]) -> None:
        """Return once the broker has all of `entries`."""
        if not entries:
            return
        done = asyncio.get_running_loop().create_future()

        def last_stored() -> None:
            if not done.done():
                done.set_result(None)

        for entry in entries[:-1]:
            self.add(feed_id, entry)
        self.add(feed_id, entries[-1], last_stored)
        await done

    def forget_waiting(self) -> None:
        """Drop what is not under way yet: its senders will send it again."""
        for queue in self._waiting.values():
            self.pending_bytes -= sum(len(entry.body) for entry, _ in queue)
            queue.clear()

    async def close(self) -> None:
        """Give up what is under way; nobody was told that it is safe."""
        tasks = list(self._tasks.values())
        await ended(tasks)
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _run(self, feed_id: str, queue: deque[tuple[RawEntry, Stored | None]]) -> None:
        """Publish a feed's messages one after the other until nothing waits."""
        try:
            while queue:
                taken = _take(queue)
                entries = [entry for entry, _ in taken]
                devices = {entry.device_id for entry in entries}
                device = devices.pop() if len(devices) == 1 else raw.MANY
                subject = raw.subject_of(feed_id, device, self._stream.lower())
                await self._publish(subject, raw.pack(entries))
                self.pending_bytes -= sum(len(entry.body) for entry in entries)
                self.messages += 1
                self.entries += len(entries)
                for _, stored in taken:
                    if stored is not None:
                        stored()
                if len(queue) < ENTRY_COUNT:
                    await asyncio.sleep(LINGER_S)
        finally:
            del self._tasks[feed_id]

    async def _publish(self, subject: str, body: bytes) -> None:
        """Publish until acknowledged."""
        headers = {"Nats-Msg-Id": secrets.token_hex(12), "Nats-Expected-Stream": self._stream}
        attempt = 0
        while True:
            try:
                await self._once(subject, body, headers)
            except (nats.errors.Error, OSError) as error:
                self._note(subject, error)
                await asyncio.sleep(AGAIN_AFTER_S[min(attempt, len(AGAIN_AFTER_S) - 1)])
                attempt += 1
                continue
            if self.failure:
                log.info("broker takes messages again")
                self.failure = ""
            return

    async def _once(self, subject: str, body: bytes, headers: dict[str, str]) -> None:
        try:
            answer = await self._client.request(subject, body, timeout=ACK_WITHIN_S, headers=headers)
        except nats.errors.NoRespondersError:
            raise NoStreamResponseError from None
        acknowledgement = json.loads(answer.data)
        if "error" in acknowledgement:
            raise APIError.from_error(acknowledgement["error"])

    def _note(self, subject: str, error: Exception) -> None:
        """Say once what is wrong, and again when it is something else."""
        text = str(error) or type(error).__name__
        if text != self.failure:
            log.warning("%s: not stored, trying again until it is: %s", subject, text)
            self.failure = text
        if isinstance(error, APIError) and self._on_full is not None:
            self._on_full()


def _take(queue: deque[tuple[RawEntry, Stored | None]]) -> list[tuple[RawEntry, Stored | None]]:
    """The entries of the next message, oldest first."""
    taken, size = [queue.popleft()], 0
    size = len(taken[0][0].body)
    while queue and len(taken) < ENTRY_COUNT and size + len(queue[0][0].body) <= MESSAGE_BYTES:
        taken.append(queue.popleft())
        size += len(taken[-1][0].body)
    return taken

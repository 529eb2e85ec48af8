"""Read a stream in order and without gaps, from any position on, through restarts of the broker.

The consumer is durable so that the broker can tell what still waits and make room behind it; where reading starts after
a stop is decided by the reader's own store, never by the broker. So a consumer is made anew at every start and after
every lost connection.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError

from core.stream.streams import RAW

log = logging.getLogger(__name__)

CONSUMER = "intake"
MOST_MESSAGES = 2000
MOST_BYTES = 16 * 1024**2
# Redelivery is never waited for: a lost connection makes a new consumer. Long enough for a slow landing.
ACK_WAIT_S = 600.0


@dataclass(frozen=True, slots=True)
class Taken:
    """One message as it was read: `reply` acknowledges it and all before it."""

    sequence: int
    subject: str
    body: bytes
    reply: str


class StreamReader:
    """Reads everything behind `position`, each message once. `lag` is what waited when the last one was read."""

    def __init__(self, client: Client, position: int, stream: str, consumer: str) -> None:
        self._client, self._stream, self._consumer = client, stream, consumer
        self._subscription: JetStreamContext.PullSubscription | None = None
        self._reconnects = -1
        self._gap_from = -1
        self._usual_bytes = 1024.0
        self.position = position
        self.lag = 0
        self.was_full = False

    async def take(self, timeout_s: float) -> list[Taken]:
        """What waits, or else the first that comes within the time; empty when nothing does.

        Raises nats.errors.Error when the broker does not answer: take again later, nothing is lost.
        """
        if not self._client.is_connected:
            raise nats.errors.Error("the broker is not there")
        if self._subscription is None or self._reconnects != self._client.stats["reconnects"]:
            await self._open()
        most = max(16, min(MOST_MESSAGES, int(MOST_BYTES / self._usual_bytes)))
        try:
            messages = await self._require().fetch(most, timeout=timeout_s)
        except TimeoutError:
            self.lag, self.was_full = 0, False
            return []
        except nats.errors.Error:
            self._subscription = None
            raise
        self.was_full = len(messages) >= most
        return self._in_order(messages)

    async def acknowledge(self, reply: str) -> None:
        """Tell the broker that everything up to a message is safe elsewhere. Losing this costs nothing."""
        await self._client.publish(reply, b"+ACK")

    def _require(self) -> JetStreamContext.PullSubscription:
        if self._subscription is None:
            raise nats.errors.Error("no consumer")
        return self._subscription

    def _in_order(self, messages: list[Msg]) -> list[Taken]:
        """New messages; what lies behind a gap is left until a new consumer has shown that the gap is real."""
        taken: list[Taken] = []
        for message in messages:
            sequence, pending = _numbers(message.reply)
            if sequence <= self.position:
                continue
            if sequence != self.position + 1 and self._gap_from != self.position:
                self._gap_from, self._subscription = self.position, None
                break
            if sequence != self.position + 1 and self.position:
                log.warning("%s: %d to %d are not there any more", self._stream, self.position + 1, sequence - 1)
            taken.append(Taken(sequence, message.subject, message.data, message.reply))
            self.position, self.lag = sequence, pending
            self._usual_bytes += (len(message.data) - self._usual_bytes) * 0.05
        return taken

    async def _open(self) -> None:
        """A new consumer behind the position. Raises NotFoundError without the stream."""
        reconnects = self._client.stats["reconnects"]
        jetstream, manager = self._client.jetstream(), self._client.jsm()
        if self._subscription is not None:
            await self._subscription.unsubscribe()
            self._subscription = None
        with contextlib.suppress(NotFoundError):  # of the consumer; the next question fails without the stream
            await manager.delete_consumer(self._stream, self._consumer)
        state = (await manager.stream_info(self._stream)).state
        if not self.position:  # who has read nothing yet begins where the stream does: what lies before is no gap
            self.position = max(0, state.first_seq - 1)
        await manager.add_consumer(
            self._stream,
            ConsumerConfig(
                durable_name=self._consumer,
                deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                opt_start_seq=self.position + 1,
                ack_policy=AckPolicy.ALL,
                ack_wait=ACK_WAIT_S,
                max_ack_pending=-1,
            ),
        )
        self._subscription = await jetstream.pull_subscribe_bind(
            durable=self._consumer,
            stream=self._stream,
            pending_msgs_limit=4 * MOST_MESSAGES,
            pending_bytes_limit=16 * MOST_BYTES,
        )
        self._reconnects = reconnects


class RawReader(StreamReader):
    """Intake's reader of RAW."""

    def __init__(self, client: Client, position: int) -> None:
        super().__init__(client, position, RAW, CONSUMER)


def _numbers(reply: str) -> tuple[int, int]:
    """Stream sequence and what waits behind it, from the address that acknowledges a message."""
    tokens = reply.split(".")
    at = 5 if len(tokens) == 9 else 7  # the longer form also has domain and account
    return int(tokens[at]), int(tokens[at + 3])

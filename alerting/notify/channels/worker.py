"""The channel workers: empty the outbox, each channel at its own pace, until told to stop.

At least once: a delivery is claimed, sent and settled, and what happens between leaves it to be sent again under the
same key. Channels share nothing but the store: a slow or dead one holds its own few sends and nobody else's. Several
processes may work on one outbox.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa

from alerting.cap.server import serve_feeds
from alerting.notify.channels import claims, faults
from alerting.notify.channels.cap import CapFeed
from alerting.notify.channels.channel_config import ChannelConfig, ChannelRow
from alerting.notify.channels.claims import Claim
from alerting.notify.channels.form import Channel, NotSetUp, NotTaken, Refused
from alerting.notify.channels.message import title
from alerting.notify.channels.registry import is_dry, open_channel
from alerting.notify.channels.retry_policy import RetryPolicy
from alerting.notify.channels.threads import Threads
from core.runtime.notice_lock import has_live_worker, live_worker
from core.settings import Home

log = logging.getLogger(__name__)

RETRY_POLICY = RetryPolicy()
MINUTE = timedelta(minutes=1)
TEND_EVERY = timedelta(seconds=1)
FEED_EVERY = timedelta(minutes=1)
DRAIN_WITHIN_S = 30.0

Clock = Callable[[], datetime]


async def work(
    engine: sa.Engine,
    home: Home,
    channel_config: ChannelConfig,
    now: Clock,
    stop: asyncio.Event,
    retry_policy: RetryPolicy = RETRY_POLICY,
) -> None:
    """Send what is due and serve the CAP feeds until `stop` is set. What is under way then gets one time-out to end."""
    with live_worker(home):
        exchange = Exchange(engine, home, channel_config, now, retry_policy)
        try:
            async with serve_feeds(home, exchange.feeds(), now()):
                await _until(stop, exchange)
        finally:
            await exchange.aclose()


async def drain(
    engine: sa.Engine, home: Home, channel_config: ChannelConfig, now: Clock, retry_policy: RetryPolicy = RETRY_POLICY
) -> int:
    """Try each delivery that is due once, where no worker of the home lives; gives how many were tried.

    A batch from a shell tells so what it found. What a receiver does not take is due again as the workers' patience
    says: for the next run, or for a worker.
    """
    if has_live_worker(home):
        return 0
    at, n_tried = now(), 0  # one moment for all of it: what fails is due later, and not tried again here
    end = asyncio.get_running_loop().time() + DRAIN_WITHIN_S
    with live_worker(home):
        # This shell may lack an address that a worker has, so it gives up nothing for want of one.
        exchange = Exchange(engine, home, channel_config, lambda: at, retry_policy, gives_up=False)
        try:
            while n_begun := await exchange.turn():
                n_tried += n_begun
                await exchange.finish()
                if asyncio.get_running_loop().time() > end:
                    log.warning("notices wait: their receivers are slow or dead; tried again by the next run")
                    break
            await exchange.finish()
            await exchange.tend(at)
        finally:
            await exchange.aclose()
    return n_tried


async def _until(stop: asyncio.Event, exchange: Exchange) -> None:
    while not stop.is_set():
        try:
            await exchange.turn()
        except sa.exc.SQLAlchemyError:
            log.exception("the outbox cannot be read; looked at again")
        await exchange.rest(stop)
    await exchange.finish()


class ChannelWorker:
    """One channel with what it has under way and what it sent in the last minute."""

    def __init__(self, row: ChannelRow, channel: Channel | None, is_dry: bool) -> None:
        self.row, self.channel, self.is_dry = row, channel, is_dry
        self.under_way: set[asyncio.Task[None]] = set()
        self._started: deque[datetime] = deque()

    def free(self, width: int, at: datetime) -> int:
        """How many deliveries it may begin now."""
        while self._started and self._started[0] <= at - MINUTE:
            self._started.popleft()
        return max(min(width - len(self.under_way), self.row.per_minute - len(self._started)), 0)

    def begin(self, task: asyncio.Task[None], at: datetime) -> None:
        """Count a send."""
        self._started.append(at)
        self.under_way.add(task)
        task.add_done_callback(self.under_way.discard)


class Exchange:
    """All channels of a home. `turn` claims what is due and starts sending it; it never waits for a receiver.

    `gives_up`: whether deliveries of a channel that has not been set up for long are given up.
    """

    def __init__(
        self,
        engine: sa.Engine,
        home: Home,
        channel_config: ChannelConfig,
        now: Clock,
        retry_policy: RetryPolicy,
        gives_up: bool = True,
    ) -> None:
        self._engine, self._now, self._retry_policy, self._known = engine, now, retry_policy, channel_config.channels
        self._gives_up = gives_up
        self._threads = Threads("outbox", 2)
        self._ended = asyncio.Event()
        self._tend_at = self._feed_at = datetime.min.replace(tzinfo=now().tzinfo)
        self._feeds: dict[str, asyncio.Task[None]] = {}
        self.lines, self.not_set_up = open_lines(engine, home, channel_config, retry_policy)
        for channel_id, reason in self.not_set_up.items():
            log.info("channel %s is not set up: %s", channel_id, reason)

    def feeds(self) -> dict[str, bool]:
        """The CAP channels that can work, and whether each is for the public."""
        return {one: line.row.is_public for one, line in self.lines.items() if isinstance(line.channel, CapFeed)}

    async def turn(self) -> int:
        """One look at the outbox; gives how many sends began."""
        at, n_begun = self._now(), 0
        if at >= self._tend_at:
            self._tend_at = at + TEND_EVERY
            await self.tend(at)
        for channel_id in await self._threads.run(claims.due_channels, self._engine, at):
            line = self.lines.get(channel_id)
            free = line.free(self._retry_policy.width, at) if line else 0
            if line is None or not free:
                continue
            for taken in await self._threads.run(claims.claim, self._engine, channel_id, free, at, self._retry_policy):
                line.begin(asyncio.create_task(self._send(line, taken)), at)
                n_begun += 1
        return n_begun

    async def rest(self, stop: asyncio.Event) -> None:
        """Wait for the next look: a send that ended makes room at once."""
        self._ended.clear()
        waiters = [asyncio.create_task(stop.wait()), asyncio.create_task(self._ended.wait())]
        await asyncio.wait(
            waiters, timeout=self._retry_policy.poll.total_seconds(), return_when=asyncio.FIRST_COMPLETED
        )
        for waiter in waiters:
            waiter.cancel()

    async def finish(self) -> None:
        """Let what is under way end."""
        under_way = self._under_way()
        if under_way:
            await asyncio.wait(under_way, timeout=self._retry_policy.timeout.total_seconds())

    async def aclose(self) -> None:
        """Stop whatever still runs and close every channel."""
        under_way = self._under_way()
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        for line in self.lines.values():
            if line.channel is not None:
                await line.channel.aclose()
        self._threads.close()

    def _under_way(self) -> list[asyncio.Task[None]]:
        return [*(task for line in self.lines.values() for task in line.under_way), *self._feeds.values()]

    async def tend(self, at: datetime) -> None:
        """Feed faults into the outbox, reasons onto what cannot go out, lifts and renewals into the CAP feeds."""
        carriers = [one for one, line in self.lines.items() if line.row.carries_faults]
        await self._threads.run(faults.carry, self._engine, carriers, at)
        await self._threads.run(faults.mark_delivered, self._engine, carriers)
        if self._gives_up:
            await self._threads.run(claims.strand, self._engine, self.not_set_up, self._known, at, self._retry_policy)
        if at >= self._feed_at:
            self._feed_at = at + FEED_EVERY
            for channel_id, line in self.lines.items():
                busy = channel_id in self._feeds and not self._feeds[channel_id].done()
                if isinstance(line.channel, CapFeed) and not line.is_dry and not busy:
                    self._feeds[channel_id] = asyncio.create_task(_tend_feed(channel_id, line.channel, at))

    async def _send(self, line: ChannelWorker, taken: Claim) -> None:
        try:
            await self._send_once(line, taken)
        except sa.exc.SQLAlchemyError:
            # Not written down what became of it: it is due again when the lease is over.
            log.exception("delivery %s: the store does not take its receipt", taken.message.key)
        finally:
            self._ended.set()

    async def _send_once(self, line: ChannelWorker, taken: Claim) -> None:
        message, at = taken.message, self._now()
        try:
            if taken.attempts > self._retry_policy.most_attempts:
                raise Refused(f"given up: {taken.attempts - 1} attempts ended without an answer")
            if line.row.is_public and message.is_exercise:
                raise Refused("an exercise never goes to the public")
            if line.is_dry or line.channel is None:
                receipt: Mapping[str, object] = {"result": "dry run", "would_send": shaped(line, taken, at)}
            else:
                async with asyncio.timeout(self._retry_policy.timeout.total_seconds()):
                    found = await line.channel.send(message, at)
                receipt = {"result": "sent", "answer": found.answer, **found.details}
        except Refused as error:
            await self._give_up(taken, str(error))
        except NotTaken as error:
            await self._put_off(taken, str(error), error.after)
        except TimeoutError:
            await self._put_off(taken, f"no answer within {self._retry_policy.timeout.total_seconds():g} s", None)
        except Exception as error:
            log.exception("channel %s: a fault of ours", line.row.channel_id)
            await self._put_off(taken, f"a fault of ours: {type(error).__name__}: {error}", None)
        else:
            await self._threads.run(
                claims.settle_sent, self._engine, taken, {**receipt, "at": at.isoformat()}, self._now(), line.is_dry
            )

    async def _put_off(self, taken: Claim, reason: str, after: timedelta | None) -> None:
        if taken.attempts >= self._retry_policy.most_attempts:
            await self._give_up(taken, f"given up after {taken.attempts} attempts; the last one: {reason}")
            return
        at = self._now()
        wait = max(self._retry_policy.wait(taken.attempts, random.random()), after or timedelta())
        await self._threads.run(claims.settle_failed, self._engine, taken, reason, at, at + wait)

    async def _give_up(self, taken: Claim, reason: str) -> None:
        log.error("delivery %s on %s is dead: %s", taken.message.key, taken.message.channel_id, reason)
        await self._threads.run(claims.settle_dead, self._engine, taken, reason, self._now())


def open_lines(
    engine: sa.Engine, home: Home, channel_config: ChannelConfig, retry_policy: RetryPolicy
) -> tuple[dict[str, ChannelWorker], dict[str, str]]:
    """The channels that can work, and why each of the others cannot. A dry run needs no address."""
    lines, not_set_up = {}, {}
    for channel_id, row in channel_config.channels.items():
        try:
            lines[channel_id] = ChannelWorker(
                row, open_channel(row, channel_config, engine, home, retry_policy), is_dry(row, home)
            )
        except NotSetUp as error:
            if is_dry(row, home):
                lines[channel_id] = ChannelWorker(row, None, True)
            else:
                not_set_up[channel_id] = str(error)
    return lines, not_set_up


def shaped(line: ChannelWorker, taken: Claim, at: datetime) -> Mapping[str, object]:
    """What a dry run would have sent; without a channel, the words alone."""
    if line.channel is None:
        return {language: title(taken.message, language) for language in line.row.languages}
    return line.channel.shape(taken.message, at)


async def _tend_feed(channel_id: str, feed: CapFeed, at: datetime) -> None:
    try:
        await feed.tend(at)
    except Exception:
        log.exception("channel %s: its feed could not be brought up to date", channel_id)

"""A sign of life to a watcher outside the host: when alerting itself is dead, something else must ring.

A beat leaves only while alerting judges: its clock ticks, and messages of the stream were folded, within the last
seconds. So a hung process, a dead intake and a full disk stop it as well as a dead host does. The watcher needs one
rule: no beat for some minutes, ring (docs/runbooks.md). Nothing here can hold up alerting.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import orjson

from alerting.heartbeat_standing import DEFAULT_EVERY_S, MQTT_URL, URL, Beaten, at, every_of, write_note
from alerting.notify.channels.form import NotSetUp, NotTaken, Refused
from alerting.notify.channels.mqtt import Mqtt, MqttConnection
from alerting.notify.channels.web import Asker
from core.runtime.notice_lock import is_dry_run
from core.settings import Home, SettingsError

log = logging.getLogger(__name__)

TIMEOUT_S = 10.0
LOOK_EVERY_S = 1.0
TICKED_WITHIN = timedelta(seconds=10)
# The clock message of LIVE comes every second, also when no device says anything.
JUDGED_WITHIN = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Vitals:
    """What alerting knows of itself at this moment."""

    ticked_at: datetime | None
    judged_at: datetime | None
    stream_at: datetime | None
    lag: int
    open_alerts: int
    undelivered: Mapping[str, int]
    failure: str

    def silence(self, now: datetime) -> str:
        """Why there is nothing to be alive about; empty while alerting judges."""
        if self.ticked_at is None or now - self.ticked_at > TICKED_WITHIN:
            return f"no beat: the clock of alerting has not ticked since {at(self.ticked_at)}"
        if self.judged_at is None or now - self.judged_at > JUDGED_WITHIN:
            return f"no beat: no message of the stream was judged since {at(self.judged_at)}"
        return ""


class HeartbeatReceiver(Protocol):
    """One way out of the host."""

    async def send(self, body: bytes, key: str) -> None:
        """Hand a beat over. Raises NotTaken or Refused."""

    async def aclose(self) -> None:
        """Let go of connections."""


class _Web:
    def __init__(self, url: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise NotSetUp("the address must begin with http:// or https://")
        self._url, self._asker = url, Asker(TIMEOUT_S)

    async def send(self, body: bytes, key: str) -> None:
        headers = {"Content-Type": "application/json; charset=utf-8", "Idempotency-Key": key}
        await self._asker.ask("POST", self._url, content=body, headers=headers)

    async def aclose(self) -> None:
        await self._asker.aclose()


class _Bus:
    def __init__(self, url: str) -> None:
        self._mqtt = Mqtt(MqttConnection.of(url), 1, TIMEOUT_S)

    async def send(self, body: bytes, key: str) -> None:
        await self._mqtt.publish(body, key)

    async def aclose(self) -> None:
        await self._mqtt.aclose()


@dataclass
class Heartbeat:
    """The beats of one process; `turn` is one look."""

    home: Home
    vitals: Callable[[], Vitals]
    now: Callable[[], datetime]
    beaten: dict[str, Beaten] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._receivers: dict[str, HeartbeatReceiver] = {}
        self._due_at: datetime | None = None
        self.every = timedelta(seconds=DEFAULT_EVERY_S)
        with contextlib.suppress(SettingsError):  # `standing` says it; alerting must start all the same
            self.every = every_of(self.home)
        for name, make in ((URL, _Web), (MQTT_URL, _Bus)):
            address = self.home.environment.get(name)
            if not address or is_dry_run(self.home):
                continue
            self.beaten[name] = Beaten(name)
            try:
                self._receivers[name] = make(address)
            except NotSetUp as error:
                self.beaten[name] = Beaten(name, failure=f"cannot be used: {error}")

    async def run(self, stop: asyncio.Event) -> None:
        """Beat until told to stop. Whatever goes wrong is written down and tried again."""
        try:
            while not stop.is_set():
                try:
                    await self.turn()
                except Exception:  # a beat never ends what it tells of
                    log.exception("the heartbeat failed; tried again")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), LOOK_EVERY_S)
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Let go of connections."""
        for receiver in self._receivers.values():
            await receiver.aclose()

    async def turn(self) -> bool:
        """Beat when it is time and alerting lives; whether a beat was due."""
        now = self.now()
        if not self.beaten or (self._due_at is not None and now < self._due_at):
            return False
        self._due_at = now + self.every
        vitals = self.vitals()
        silence = vitals.silence(now)
        if silence:
            self._due_at = now  # as soon as it lives again
            self.beaten = {name: Beaten(name, one.delivered_at, silence) for name, one in self.beaten.items()}
        else:
            body = orjson.dumps(body_of(vitals, now, self.every))
            await asyncio.gather(*(self._beat(name, receiver, body, now) for name, receiver in self._receivers.items()))
        await asyncio.to_thread(write_note, self.home, self.beaten)
        return not silence

    async def _beat(self, name: str, receiver: HeartbeatReceiver, body: bytes, now: datetime) -> None:
        before, failure = self.beaten[name], ""
        try:
            async with asyncio.timeout(2 * TIMEOUT_S):
                await receiver.send(body, secrets.token_hex(8))
        except (NotTaken, Refused, TimeoutError) as error:
            failure = str(error) or f"no answer within {2 * TIMEOUT_S:g} s"
        if failure and failure != before.failure:
            log.warning("%s: the heartbeat is not delivered: %s", name, failure)
        self.beaten[name] = Beaten(name, before.delivered_at if failure else now, failure)


def body_of(vitals: Vitals, now: datetime, every: timedelta) -> Mapping[str, object]:
    """What a watcher gets: that alerting judged, when, and whether what it tells gets through.

    No name, no place: what fails is told at the host, since the texts of errors may quote rows.
    """
    return {
        "from": "cityrisk alerting",
        "sent_at": now,
        "next_within_s": int(every.total_seconds()),
        "last_tick_at": vitals.ticked_at,
        "last_judged_at": vitals.judged_at,
        "stream_at": vitals.stream_at,
        "lag_messages": vitals.lag,
        "open_alerts": vitals.open_alerts,
        "undelivered": dict(vitals.undelivered),
        "is_well": not vitals.failure,
    }

"""The MQTT bridge: a durable QoS 1 session on the broker's own MQTT listener, from which messages go into RAW.

The broker answers a device before any stream has its message, even when none takes it (measured). What it has answered
waits in this session, on disk, until we acknowledge it, and we do so only after RAW has it: a crash of either side, a
full RAW or a missing one leaves messages waiting here. Not here: whose topics are whose (the broker's permissions).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import socket
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import nats.errors
from nats.aio.client import Client as Broker
from paho.mqtt.client import Client, MQTTMessage, MQTTv311, topic_matches_sub
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from core.contract import Contract
from core.settings import NATS_PASSWORD, Home
from core.store.archive import Archive
from core.stream.broker import our_user
from core.stream.client import mqtt_address, nats_url
from core.stream.live import micros
from core.stream.mqtt_store import unkept
from core.stream.oversize import HEAD_BYTES, Oversize
from core.stream.packer import ENTRY_BYTES, EntryTooLarge, Packer, Stored
from core.stream.raw import RawEntry
from core.tasks import ended
from ingest.devices.bad_frames import BadEntry, BadFrames
from ingest.devices.counts import Counts
from ingest.devices.known import KnownDevices
from ingest.devices.links import LinkTracker
from ingest.devices.unknown_devices import UnknownDevices
from ingest.parse.lenient_json import load_json

log = logging.getLogger(__name__)

KEEP_ALIVE_S = 30
AGAIN_AFTER_S = 0.5
READS_A_TURN = 100
TOPICS_KEPT = 200_000
DEVICE_ID_CHARACTERS = 64
LOOKED_AT_BYTES = 64 * 1024  # of a device in no register


class Bridge:
    """One session in one account of the broker. Everything runs in the event loop's thread.

    `department` names the account, and `broker` is a connection into it; '' is all there is in a broker that is not
    ours.
    """

    def __init__(
        self,
        home: Home,
        contracts: Mapping[str, Contract],
        packer: Packer,
        known: KnownDevices,
        links: LinkTracker,
        bad: BadFrames,
        unknown_devices: UnknownDevices,
        counts: Counts,
        archive: Archive,
        broker: Broker,
        department: str,
        now: Callable[[], datetime],
    ) -> None:
        self._broker, self._department = broker, department
        self._home, self._packer, self._known, self._links = home, packer, known, links
        self._bad, self._counts, self._archive, self._now = bad, counts, archive, now
        self._filters = filters_of(contracts, department)
        self._alarming = {one.raw_feed for one in contracts.values() if one.alarm_columns}
        self._unknown_devices = unknown_devices
        self._places: dict[str, tuple[str, str]] = {}
        self._loop = asyncio.get_running_loop()
        self._lost = asyncio.Event()
        self._connection = 0  # counts connections: packet ids of an earlier one mean nothing to a later one
        self._under_way: set[int] = set()
        self._held: list[MQTTMessage] = []
        self._seen = 0
        self._was_kept = False
        self._mending: asyncio.Task[None] | None = None
        self.subscribed = asyncio.Event()
        self._client = self._made_client()

    async def run(self) -> None:
        """Hold the session until cancelled; connect again whenever the connection is lost."""
        if not self._filters:
            self.subscribed.set()
            return
        try:
            while True:
                try:
                    await self._connect()
                    await self._tend()
                except OSError as error:
                    log.warning("mqtt: %s; trying again", error)
                finally:
                    self._drop_socket()
                await asyncio.sleep(AGAIN_AFTER_S)
        finally:
            self._lost.set()
            if self._mending is not None:
                await ended([self._mending])
            self._client.disconnect()
            self._client.loop_write()

    def judge_held(self) -> None:
        """Look again at messages of devices whose register had not landed when they came."""
        held, self._held = self._held, []
        for message in held:
            self._judge(message)

    def _made_client(self) -> Client:
        user, password = _credentials(self._home, self._department)
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=session_id(password),
            clean_session=False,
            protocol=MQTTv311,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        client.username_pw_set(user, password)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_socket_register_write = self._on_want_write
        client.on_socket_close = self._on_socket_close
        return client

    async def _connect(self) -> None:
        host, port = mqtt_address(self._home)
        self._lost.clear()
        self._connection += 1
        self._under_way.clear()
        self._held.clear()
        self._packer.forget_waiting()  # the broker sends again what an earlier connection did not acknowledge
        await asyncio.to_thread(self._client.connect, host, port, KEEP_ALIVE_S)
        found: Any = self._client.socket()
        if found is None:
            raise OSError(f"{host}:{port}: connection closed at once")
        # Nagle's algorithm would hold each acknowledgement back for tens of milliseconds.
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._loop.add_reader(found, self._read)
        self._client.loop_write()

    async def _tend(self) -> None:
        """Keep the connection alive until it is lost."""
        while not self._lost.is_set():
            try:
                async with asyncio.timeout(1):
                    await self._lost.wait()
            except TimeoutError:
                if self._client.loop_misc() != MQTTErrorCode.MQTT_ERR_SUCCESS:
                    return

    def _read(self) -> None:
        """Take what the socket has, several packets a turn."""
        for _ in range(READS_A_TURN):
            before = self._seen
            if self._client.loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._drop_socket()
                self._lost.set()
                return
            if self._seen == before:
                return

    def _drop_socket(self) -> None:
        found: Any = self._client.socket()
        self.subscribed.clear()
        if found is not None and found.fileno() >= 0:
            self._loop.remove_reader(found)
            self._loop.remove_writer(found)
            found.close()

    def _on_socket_close(self, _client: Client, _data: Any, closing: Any) -> None:
        """Forget a socket that the library closes: the next one of its number would never be read."""
        if closing.fileno() >= 0:
            self._loop.remove_reader(closing)

    def _on_want_write(self, _client: Client, _data: Any, _socket: Any) -> None:
        self._loop.call_soon_threadsafe(self._client.loop_write)

    def _on_connect(self, client: Client, _data: Any, flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            log.error("mqtt: the broker refuses us: %s; check %s", reason, NATS_PASSWORD)
            self._lost.set()
            return
        self._was_kept = bool(flags.session_present)
        log.info("mqtt: connected, session %s", "kept" if self._was_kept else "new")
        client.subscribe([(one, 1) for one in self._filters])

    def _on_subscribe(self, _client: Client, _data: Any, _mid: int, reasons: Any, _properties: Any) -> None:
        refused = [one for one, reason in zip(self._filters, reasons, strict=False) if reason.is_failure]
        if refused:
            log.error("mqtt: the broker refuses the subscription to %s", ", ".join(refused))
        elif self._was_kept:
            self._was_kept = False
            self._mending = self._loop.create_task(self._mend(self._connection))
        else:
            self.subscribed.set()

    async def _mend(self, connection: int) -> None:
        """See whether the broker still has what it says it kept; a crash may have cost it that (measured)."""
        while connection == self._connection and not self._lost.is_set():
            try:
                missing = await unkept(self._broker.jsm(), self._filters)
            except (nats.errors.Error, OSError):
                await asyncio.sleep(AGAIN_AFTER_S)
                continue
            if not missing:
                self.subscribed.set()
                return
            log.error("mqtt: the broker lost what it kept for %s; subscribed anew", ", ".join(missing))
            self._client.unsubscribe(missing)
            self._client.subscribe([(one, 1) for one in missing])
            return

    def _on_disconnect(self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        log.warning("mqtt: connection lost (%s)", reason)
        self._lost.set()

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self._seen += 1
        if message.qos:
            if message.mid in self._under_way:
                return  # sent again because RAW is slow; the first one is still on its way there
            self._under_way.add(message.mid)
        self._judge(message)

    def _judge(self, message: MQTTMessage) -> None:
        """Judge a message. One that we fail at costs itself only: the library would read it again for ever."""
        try:
            self._judge_now(message)
        except Exception as error:
            log.exception("mqtt: a message of %d bytes cannot be judged; the next one is read", len(message.payload))
            self._give_up(message, error)

    def _give_up(self, message: MQTTMessage, error: Exception) -> None:
        """Into quarantine what we failed at; what is no feed's is only counted."""
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        feed, device = self._places.get(topic, ("", ""))
        if not feed:
            self._drop(message, "failed")
            return
        now = self._now()
        entry = RawEntry(device, micros(now), bytes(message.payload))
        found = f"{type(error).__name__}: {error}"
        why = ("failed", found, "a message that can be judged")
        self._keep_apart(message, feed, entry, why, now, self._acknowledging(message))

    def _judge_now(self, message: MQTTMessage) -> None:
        """Pass a message on, hold it, or drop it with a reason that is counted."""
        topic = message.topic
        feed, device = self._places.get(topic) or self._place(topic)
        if not feed:
            self._drop(message, "topic")
            return
        feed, standing = self._known.standing((feed,), device)
        now = self._now()
        if standing == "unready":
            self._held.append(message)
        elif standing != "known":
            self._links.refused(feed, device, standing, "mqtt", "", now)
            self._counts.refused.labels("mqtt", standing).inc()
            if standing == "unknown" and self._unknown_devices.may_speak(
                feed, device, records_in(message.payload), now
            ):
                self._keep(message, feed, RawEntry(device, micros(now), bytes(message.payload)), now)
            else:
                self._drop(message, standing)
        else:
            self._pass_on(message, feed, device, now)

    def _pass_on(self, message: MQTTMessage, feed: str, device: str, now: datetime) -> None:
        self._links.heard(feed, device, "mqtt", "", now)
        self._keep(message, feed, RawEntry(device, micros(now), bytes(message.payload)), now)

    def _keep(self, message: MQTTMessage, feed: str, entry: RawEntry, now: datetime) -> None:
        """Into RAW, and acknowledged after that."""
        stored = self._acknowledging(message)
        try:
            self._packer.add(feed, entry, stored)
        except EntryTooLarge as error:
            log.error("%s", error)
            why = ("too_large", f"{len(entry.body)} bytes", f"at most {ENTRY_BYTES} bytes")
            if feed in self._alarming:  # a person looks at it, as at whatever cannot be read there
                said = Oversize(len(entry.body), ENTRY_BYTES, entry.body[:HEAD_BYTES])
                stored = stored and at_the_last_of(2, stored)  # a note that is lost would ring nobody
                self._packer.add(feed, RawEntry(entry.device_id, entry.received_at_us, said.pack()), stored)
            self._keep_apart(message, feed, entry, why, now, stored)

    def _keep_apart(
        self,
        message: MQTTMessage,
        feed: str,
        entry: RawEntry,
        why: tuple[str, str, str],
        now: datetime,
        stored: Stored | None,
    ) -> None:
        """A message that cannot go to RAW: whole into quarantine; of a flood only archived. `stored` is called then.

        `why` is the cause as it is counted, what was found and what was expected.
        """
        cause, found, expected = why
        if self._bad.has_room(message.topic, now):
            self._counts.dropped.labels(cause).inc()
            bad = BadEntry(entry.device_id, entry.body, found, expected, now, stored)
            self._bad.keep(feed, "mqtt", message.topic, bad)
            return
        self._archive.put(entry.body)
        self._bad.count(feed, "mqtt")
        self._counts.dropped.labels(cause).inc()
        if stored is not None:
            stored()

    def _place(self, topic: str) -> tuple[str, str]:
        """Feed and device of a topic seen for the first time; ('', '') when it is nobody's."""
        device = topic.rpartition("/")[2]
        feed = next((feed for one, feed in self._filters.items() if topic_matches_sub(one, topic)), "")
        if not device or len(device) > DEVICE_ID_CHARACTERS or not device.isprintable():
            feed, device = "", ""
        if len(self._places) >= TOPICS_KEPT:
            self._places.clear()
        self._places[topic] = (feed, device)
        return feed, device

    def _drop(self, message: MQTTMessage, cause: str) -> None:
        self._counts.dropped.labels(cause).inc()
        if message.qos:
            self._acknowledge(message.mid, self._connection)

    def _acknowledging(self, message: MQTTMessage) -> Stored | None:
        """What acknowledges a message; None where the device waits for no answer."""
        return partial(self._acknowledge, message.mid, self._connection) if message.qos else None

    def _acknowledge(self, mid: int, connection: int) -> None:
        if connection == self._connection:
            self._under_way.discard(mid)
            self._client.ack(mid, 1)


def at_the_last_of(times: int, act: Stored) -> Stored:
    """What is to be called so many times, and acts at the last."""
    left = times

    def called() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            act()

    return called


def session_id(password: str) -> str:
    """The client id of our sessions. Whoever connects with it takes one over, so no device may be able to guess it."""
    return f"cityrisk-{hmac.new(password.encode(), b'mqtt session of listen', hashlib.sha256).hexdigest()[:32]}"


def filters_of(contracts: Mapping[str, Contract], department: str = "") -> dict[str, str]:
    """MQTT topic filter → raw feed, of every contract over MQTT whose topics are the department's, or of all."""
    return {
        contract.server.location: contract.raw_feed
        for contract in contracts.values()
        if contract.is_stream
        and contract.server.dialect == "mqtt"
        and contract.server.location
        and department in ("", contract.server.location.partition("/")[0])
    }


def records_in(body: bytes | bytearray) -> Iterator[Mapping[str, Any]]:
    """The readings in a body, with what they wrap beside their own fields; none in one that cannot be read.

    Nothing is read before the first is asked for, and nothing of a body that is larger than a device has to tell.
    """
    if len(body) > LOOKED_AT_BYTES:
        return
    try:
        document = load_json(bytes(body))
    except json.JSONDecodeError:
        return
    records = [one for one in (document if isinstance(document, list) else [document]) if isinstance(one, dict)]
    yield from records
    yield from (inner for one in records for inner in one.values() if isinstance(inner, dict))


def _credentials(home: Home, department: str) -> tuple[str, str]:
    """User and password for an account of the broker: those in its URL, or ours."""
    parts = urlsplit(nats_url(home))
    if parts.username is not None:
        return parts.username, parts.password or ""
    return our_user(department), home.require(NATS_PASSWORD)

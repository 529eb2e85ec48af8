"""The broker's own stream behind its MQTT listener: made by us before the broker makes it, in a form that survives.

The broker would delete each message once every session has it. A crash between such deletions was seen to make the
whole stream unreadable at the next start ("corrupt state file", nats-server 2.15.1, once in some 400 kills), and a
session whose consumers went with it is answered as if nothing had happened. Kept by limits nothing is deleted singly;
what every session has acknowledged goes in one cut.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from nats.js.api import ConsumerInfo, DiscardPolicy, RetentionPolicy, StorageType, StreamConfig, StreamState
from nats.js.errors import BadRequestError, NotFoundError
from nats.js.manager import JetStreamManager

from core.settings import Home
from core.stream.broker import MQTT_STORE_BYTES

log = logging.getLogger(__name__)

STREAM = "$MQTT_msgs"
PREFIX = "$MQTT.msgs."
MAX_AGE_S = 168 * 3600.0
ROOM_AT_BYTES = 128 * 1024**2  # acknowledged messages go beyond this size: they are read again by nobody
ATTEMPTS = 5
_MEBIBYTE = 1024**2
# Retained messages (nobody of ours reads them), sessions, and what QoS 2 and subscribers have on the way.
SIDE_STORES = {
    "$MQTT_rmsgs": 16 * _MEBIBYTE,
    "$MQTT_sess": 64 * _MEBIBYTE,
    "$MQTT_qos2in": 64 * _MEBIBYTE,
    "$MQTT_out": 64 * _MEBIBYTE,
}


async def ensure_mqtt_store(manager: JetStreamManager, home: Home) -> bool:
    """Make the stream, or bring its limits to the settings; False when the broker's own one is in use and stays.

    A device that connected before us has made the broker make it; as long as no session wants anything of it there is
    nothing in it, and ours takes its place. Raises nats.errors.Error, SettingsError.
    """
    config = StreamConfig(
        name=STREAM,
        subjects=[f"{PREFIX}>"],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_bytes=home.number("CITYRISK_MQTT_MAX_BYTES", MQTT_STORE_BYTES),
        max_age=MAX_AGE_S,
        num_replicas=1,
    )
    for _ in range(ATTEMPTS):
        try:
            info = await manager.stream_info(STREAM)
            if info.config.retention == RetentionPolicy.LIMITS:
                await manager.update_stream(config)
                return True
            if info.state.messages or info.state.consumer_count:
                break
            await manager.delete_stream(STREAM)
        except NotFoundError:
            pass
        try:
            await manager.add_stream(config)
        except BadRequestError as error:  # the broker made it between our questions
            log.debug("%s: %s", STREAM, error)
            continue
        return True
    log.warning("%s is the broker's own and in use; it stays as it is", STREAM)
    return False


async def bound_mqtt_stores(manager: JetStreamManager) -> None:
    """Give limits to what else the broker's listener keeps: it makes these without any, and they share our store.

    A department that fills them loses retained messages and session records of its own making, nobody else's readings.
    """
    for name, most_bytes in SIDE_STORES.items():
        try:
            config = (await manager.stream_info(name)).config
        except NotFoundError:
            continue
        if config.max_bytes != most_bytes:
            config.max_bytes = most_bytes
            await manager.update_stream(config)


async def make_mqtt_room(manager: JetStreamManager) -> int:
    """Drop what every session has acknowledged once it is much; gives how many messages went."""
    try:
        info = await manager.stream_info(STREAM)
    except NotFoundError:
        return 0
    state = info.state
    if info.config.retention != RetentionPolicy.LIMITS or state.bytes < ROOM_AT_BYTES:
        return 0
    floors = [_floor(one, state) for one in await manager.consumers_info(STREAM)]
    keep_from = min(floors, default=0) + 1
    if keep_from <= state.first_seq:
        return 0
    await manager.purge_stream(STREAM, seq=keep_from)
    return keep_from - state.first_seq


def _floor(consumer: ConsumerInfo, state: StreamState) -> int:
    """Up to which message of the stream a session needs nothing any more, its own topics or not."""
    if not consumer.num_pending and not consumer.num_ack_pending:
        return state.last_seq
    return consumer.ack_floor.stream_seq if consumer.ack_floor else 0


async def left_behind(manager: JetStreamManager) -> dict[str, int]:
    """Topic filter → messages that wait in sessions of the city's own account, answered and read by nobody.

    Sessions stood there before each department had an account of its own.
    """
    try:
        sessions = await manager.consumers_info(STREAM)
    except NotFoundError:
        return {}
    found: dict[str, int] = {}
    for one in sessions:
        subject = one.config.filter_subject or f"{PREFIX}>"
        n_waiting = (one.num_pending or 0) + (one.num_ack_pending or 0)
        if subject.startswith(PREFIX) and n_waiting:
            topic = subject.removeprefix(PREFIX).replace(".", "/").replace("*", "+").replace(">", "#")
            found[topic] = found.get(topic, 0) + n_waiting
    return found


async def unkept(manager: JetStreamManager, filters: Iterable[str]) -> list[str]:
    """The topic filters for which the broker keeps nothing, whatever it said when they were subscribed."""
    try:
        known = {one.config.filter_subject for one in await manager.consumers_info(STREAM)}
    except NotFoundError:
        known = set()
    return [one for one in filters if f"{PREFIX}{_subject_of(one)}" not in known]


def _subject_of(topic_filter: str) -> str:
    """The broker's subject of a topic filter; dots in topics become `//`, and ours have none."""
    return topic_filter.replace("/", ".").replace("+", "*").replace("#", ">")

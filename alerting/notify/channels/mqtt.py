"""MQTT: the notice as JSON, QoS 1, to our broker or any other.

The address is `mqtt://user:password@host:port/topic/prefix`, `mqtts://` for TLS, with `?version=5` for a broker that
speaks it: then the idempotency key is a user property as well as in the body. The topic is the prefix and the target.
A connection lives for one message: a notice is rare, and a broken line is seen at once.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import orjson
from paho.mqtt.client import Client, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from alerting.notify.channels.form import NotSetUp, NotTaken, Receipt, Refused
from alerting.notify.channels.message import Message
from alerting.notify.channels.threads import Threads

_WILD = "+#\x00"


@dataclass(frozen=True, slots=True)
class MqttConnection:
    """A broker and where on it."""

    host: str
    port: int
    user: str
    password: str
    prefix: str
    is_tls: bool
    is_v5: bool

    @staticmethod
    def of(url: str) -> MqttConnection:
        """Read an address. Raises NotSetUp for one that cannot be used."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise NotSetUp(f"the MQTT address cannot be read: {error}") from error
        prefix = unquote(parts.path).strip("/")
        version = parse_qs(parts.query).get("version", ["3"])[-1]
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or not prefix or version not in ("3", "5"):
            raise NotSetUp("the MQTT address must read mqtt://user:password@host:port/topic/prefix[?version=5]")
        is_tls = parts.scheme == "mqtts"
        return MqttConnection(
            parts.hostname,
            port or (8883 if is_tls else 1883),
            unquote(parts.username or ""),
            unquote(parts.password or ""),
            prefix,
            is_tls,
            version == "5",
        )


class Mqtt:
    """Publishes and waits for the broker's acknowledgement."""

    def __init__(self, line: MqttConnection, width: int, timeout_s: float) -> None:
        self._line = line
        self._timeout_s = timeout_s / 3  # connecting, being let in, being acknowledged
        self._threads = Threads("mqtt", width)

    async def send(self, message: Message, now: datetime) -> Receipt:
        """Publish once. Raises NotTaken or Refused."""
        topic = self._topic(message.target)
        payload = orjson.dumps(_body(message))
        return await self._threads.run(self._publish, topic, payload, message.key)

    async def publish(self, payload: bytes, key: str) -> None:
        """Publish bytes once at the address's own topic. Raises NotTaken."""
        await self._threads.run(self._publish, self._line.prefix, payload, key)

    def shape(self, message: Message, now: datetime) -> Mapping[str, object]:
        """Topic and body."""
        return {"topic": self._topic(message.target), "body": _body(message)}

    async def aclose(self) -> None:
        """Start nothing more."""
        self._threads.close()

    def _topic(self, target: str) -> str:
        if any(sign in target for sign in _WILD):
            raise Refused(f"target {target!r} cannot be part of a topic")
        return f"{self._line.prefix}/{target.replace(':', '/')}"

    def _publish(self, topic: str, payload: bytes, key: str) -> Receipt:
        line = self._line
        client = Client(
            CallbackAPIVersion.VERSION2, protocol=MQTTv5 if line.is_v5 else MQTTv311, reconnect_on_failure=False
        )
        client.connect_timeout = self._timeout_s
        if line.user:
            client.username_pw_set(line.user, line.password)
        if line.is_tls:
            client.tls_set()
        answered, acknowledged = _Answer(), _Answer()
        client.on_connect = lambda _c, _u, _f, code, _p: answered.give(code)
        client.on_publish = lambda _c, _u, _m, code, _p: acknowledged.give(code)
        properties = None
        if line.is_v5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.UserProperty = [("delivery_id", key)]
        try:
            client.connect(line.host, line.port, keepalive=30)
            client.loop_start()
            answered.expect(self._timeout_s, "the broker does not answer", "the broker lets us not in")
            sent = client.publish(topic, payload, qos=1, properties=properties)
            if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                raise NotTaken(f"not sent: {sent.rc.name}")
            acknowledged.expect(self._timeout_s, "no acknowledgement", "the broker does not take it")
        except (OSError, ValueError) as error:
            raise NotTaken(f"not reached: {type(error).__name__} {error}".strip()) from error
        finally:
            client.disconnect()
            client.loop_stop()
        return Receipt("acknowledged", {"topic": topic})


class _Answer:
    """One answer that another thread gives."""

    def __init__(self) -> None:
        self._given = threading.Event()
        self._code: Any = None

    def give(self, code: Any) -> None:
        self._code = code
        self._given.set()

    def expect(self, within_s: float, missing: str, bad: str) -> None:
        if not self._given.wait(within_s):
            raise NotTaken(f"{missing} within {within_s:g} s")
        if self._code.is_failure:
            raise NotTaken(f"{bad}: {self._code}")


def _body(message: Message) -> Mapping[str, object]:
    return {"delivery_id": message.key, "delivery_kind": message.kind, "target": message.target, **message.body}

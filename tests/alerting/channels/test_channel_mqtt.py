"""Notices on a real broker: QoS 1, their key in the body, and a broker that was killed gets them later."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any
from urllib.parse import quote

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from way_out import START, City, until, working

from alerting.engine.episode import Change
from alerting.notify.channels.form import NotSetUp, Refused
from alerting.notify.channels.message import Message
from alerting.notify.channels.mqtt import Mqtt, MqttConnection
from broker_server import BrokerServer
from core.settings import NATS_PASSWORD
from core.stream.broker import OUR_USER


def address(broker: BrokerServer) -> str:
    password = quote(broker.home.environment[NATS_PASSWORD], safe="")
    return f"mqtt://{OUR_USER}:{password}@127.0.0.1:{broker.ports.mqtt}/city/notices"


class Partner:
    """A system that listens on the bus."""

    def __init__(self, broker: BrokerServer) -> None:
        self.got: list[tuple[str, int, dict[str, Any]]] = []
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="partner")
        self._client.username_pw_set(OUR_USER, broker.home.environment[NATS_PASSWORD])
        self._client.on_message = lambda _c, _u, m: self.got.append((m.topic, m.qos, json.loads(m.payload)))
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.connect("127.0.0.1", broker.ports.mqtt)
        self._client.loop_start()
        self._client.subscribe("city/notices/#", qos=1)
        assert self._subscribed.wait(10)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


async def test_a_notice_is_published_with_qos_1_after_the_broker_came_back(city: City, broker: BrokerServer) -> None:
    city.set(CITYRISK_ALERT_MQTT_URL=address(broker))
    city.happen(Change.OPENED, is_exercise=True)
    broker.kill()
    async with working(city):
        await until(lambda: city.only("mqtt").state == "failed")
        assert city.receipt("mqtt")["reason"].startswith("not reached: ConnectionRefusedError")
        await asyncio.to_thread(broker.start)
        partner = await asyncio.to_thread(Partner, broker)
        city.at = city.only("mqtt").next_at
        await until(lambda: city.only("mqtt").state == "sent")
        await until(lambda: partner.got)
        partner.close()
    ((topic, qos, body),) = partner.got
    assert (topic, qos) == ("city/notices/alerts", 1)
    assert body["delivery_id"] == city.only("mqtt").delivery_id
    assert body["is_exercise"] is True
    assert body["title_zh"].startswith("【演练】")


async def test_a_wrong_password_is_tried_again_and_said(city: City, broker: BrokerServer) -> None:
    city.set(CITYRISK_ALERT_MQTT_URL=f"mqtt://{OUR_USER}:wrong@127.0.0.1:{broker.ports.mqtt}/x")
    city.happen(Change.OPENED)
    async with working(city):
        await until(lambda: city.only("mqtt").state == "failed")
    assert city.receipt("mqtt")["reason"].startswith("the broker lets us not in")
    assert "wrong" not in city.only("mqtt").receipt


def test_a_target_cannot_be_a_wildcard() -> None:
    channel = Mqtt(MqttConnection.of("mqtt://h/x"), 1, 1.0)
    with pytest.raises(Refused, match="cannot be part of a topic"):
        channel.shape(Message("k", "mqtt", "a/#", "x", None, {}), START)


@pytest.mark.parametrize("url", ["mqtt://host", "http://host/x", "mqtt://host:port/x", "mqtt://host/x?version=4"])
def test_an_mqtt_address_that_cannot_be_used(url: str) -> None:
    with pytest.raises(NotSetUp, match="the MQTT address"):
        MqttConnection.of(url)

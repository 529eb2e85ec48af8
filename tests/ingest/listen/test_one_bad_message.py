"""A message that listen fails at, or a task of it that fails, costs itself and no door."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from nats.aio.client import Client
from paho.mqtt.client import MQTTMessage

from ingest.archive import Archive
from ingest.listen.bad import BadBook
from ingest.listen.counts import Counts
from ingest.listen.known import Known
from ingest.listen.links import LinkBook
from ingest.listen.mqtt import Bridge
from ingest.listen.serve import _every
from ingest.listen.strangers import Strangers
from ingest.settings import ARCHIVE_KEY, NATS_PASSWORD, Home
from ingest.stream.packer import Packer
from listening import now, open_contracts

TOPIC = b"urban/gas_reading/QY-1"


def failing(*_: Any) -> Any:
    raise KeyError("a fault of ours")


def test_a_message_that_cannot_be_judged_goes_to_quarantine(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home = replace(home, environment={**home.environment, NATS_PASSWORD: "c2FtcGxl"})
    contracts, engine = open_contracts("urban.gas_reading"), sa.create_engine("sqlite://")
    bad, counts, known = BadBook(), Counts(), Known(home, engine, contracts)
    monkeypatch.setattr(known, "standing", failing)

    async def whole() -> None:
        bridge = Bridge(
            home, contracts, Packer(Client()), known, LinkBook(), bad, Strangers(contracts), counts,
            Archive(home.archive, home.secret(ARCHIVE_KEY)), Client(), "urban", now,
        )  # fmt: skip
        for mid, topic in enumerate((TOPIC, b"urban/gas_reading/\xff", b"nobody/QY-1"), 1):
            message = MQTTMessage(mid, topic)
            message.qos, message.payload = 1, b"{}"
            bridge._on_message(bridge._client, None, message)
        assert bridge._under_way == {1}, "what is kept is acknowledged once it is written, the others at once"
        (sheet,) = bad.take(now())
        (kept,) = sheet.kept
        assert (sheet.raw_feed, kept.device_id, kept.data) == ("urban.gas_reading", "QY-1", b"{}")
        assert "KeyError" in kept.found
        assert kept.stored is not None
        kept.stored()
        assert not bridge._under_way

    asyncio.run(whole())
    assert counts.registry.get_sample_value("cityrisk_listen_mqtt_dropped_total", {"cause": "failed"}) == 2
    engine.dispose()


def test_upkeep_goes_on_after_any_fault(caplog: pytest.LogCaptureFixture) -> None:
    done = asyncio.Event()
    calls = []

    async def work() -> None:
        calls.append(1)
        if len(calls) == 1:
            failing()
        done.set()

    async def whole() -> None:
        task = asyncio.create_task(_every(0.01, "registers", work))
        async with asyncio.timeout(5):
            await done.wait()
        task.cancel()

    with caplog.at_level(logging.ERROR):
        asyncio.run(whole())
    assert "registers failed" in caplog.text

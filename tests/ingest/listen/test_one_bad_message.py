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

from core.settings import ARCHIVE_KEY, NATS_PASSWORD, Home
from core.store.archive import Archive
from core.stream.oversize import oversize_in
from core.stream.packer import ENTRY_BYTES, EntryTooLarge, Packer, Stored
from core.stream.raw import RawEntry
from ingest.devices.bad_frames import BadFrames
from ingest.devices.counts import Counts
from ingest.devices.known import KnownDevices
from ingest.devices.links import LinkTracker
from ingest.devices.mqtt import Bridge
from ingest.devices.serve import _every
from ingest.devices.unknown_devices import UnknownDevices
from listening import now, open_contracts
from waiting import PATIENCE_S

TOPIC = b"urban/gas_reading/QY-1"


def failing(*_: Any) -> Any:
    raise KeyError("a fault of ours")


async def test_a_message_that_cannot_be_judged_goes_to_quarantine(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home = replace(home, environment={**home.environment, NATS_PASSWORD: "c2FtcGxl"})
    contracts, engine = open_contracts("urban.gas_reading"), sa.create_engine("sqlite://")
    bad, counts, known = BadFrames(), Counts(), KnownDevices(home, engine, contracts)
    monkeypatch.setattr(known, "standing", failing)

    bridge = Bridge(
        home,
        contracts,
        Packer(Client()),
        known,
        LinkTracker(),
        bad,
        UnknownDevices(contracts),
        counts,
        Archive(home.archive, home.secret(ARCHIVE_KEY)),
        Client(),
        "urban",
        now,
    )
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
    assert counts.registry.get_sample_value("cityrisk_listen_mqtt_dropped_total", {"cause": "failed"}) == 2
    engine.dispose()


class HeldPacker(Packer):
    """A way into a RAW that is full: what is added waits there."""

    waiting: list[tuple[RawEntry, Stored | None]]

    def add(self, feed_id: str, entry: RawEntry, stored: Stored | None = None) -> None:
        if len(entry.body) > ENTRY_BYTES:
            raise EntryTooLarge(feed_id)
        self.waiting.append((entry, stored))


@pytest.mark.parametrize("order", ["note first", "quarantine first", "flood"])
async def test_a_message_too_large_is_acknowledged_when_its_note_is_stored_too(
    home: Home, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    """The note rings: with RAW full and a crash after the acknowledgement, nobody would hear of the message."""
    home = replace(home, environment={**home.environment, NATS_PASSWORD: "c2FtcGxl"})
    contracts = {feed: replace(one, alarm_columns=("st",)) for feed, one in open_contracts("urban.gas_reading").items()}
    bad, counts, engine = BadFrames(), Counts(), sa.create_engine("sqlite://")
    known, packer = KnownDevices(home, engine, contracts), HeldPacker(Client())
    packer.waiting = []
    monkeypatch.setattr(known, "standing", lambda feeds, _device: (feeds[0], "known"))
    monkeypatch.setattr(bad, "has_room", lambda *_: order != "flood")
    archive = Archive(home.archive, home.secret(ARCHIVE_KEY))

    bridge = Bridge(
        home,
        contracts,
        packer,
        known,
        LinkTracker(),
        bad,
        UnknownDevices(contracts),
        counts,
        archive,
        Client(),
        "urban",
        now,
    )
    message = MQTTMessage(1, TOPIC)
    message.qos, message.payload = 1, b"x" * (ENTRY_BYTES + 1)
    bridge._on_message(bridge._client, None, message)
    ((note, stored),) = packer.waiting
    assert oversize_in(note.body) is not None
    kept = [one.stored for sheet in bad.take(now()) for one in sheet.kept]
    assert len(kept) == (order != "flood")
    steps = [*kept, stored] if order == "quarantine first" else [stored, *kept]
    for step in steps:
        assert bridge._under_way == {1}
        assert step is not None
        step()
    assert not bridge._under_way
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
        async with asyncio.timeout(PATIENCE_S):
            await done.wait()
        task.cancel()

    with caplog.at_level(logging.ERROR):
        asyncio.run(whole())
    assert "registers failed" in caplog.text

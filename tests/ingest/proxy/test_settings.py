"""Settings with which the process `mqtt` cannot do its work end it with a word; so does what stops its sweeps."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import pytest

from core.running import read_running
from core.settings import Home, SettingsError
from ingest.devices.proxy.connections import Proxy
from ingest.devices.proxy.serve import limits_of, port_of_devices, serve
from listening import now
from own_ports import own_port
from waiting import PATIENCE_S

FREE = {"CITYRISK_MQTT_PORT": "0", "CITYRISK_METRICS_PORT": "0"}


def with_settings(home: Home, **settings: str) -> Home:
    return replace(home, environment={**home.environment, **settings})


@pytest.mark.parametrize(
    "settings",
    [
        {"CITYRISK_MQTT_PORT": "1884"},
        {"CITYRISK_MQTT_BROKER_PORT": "1883"},
        {"CITYRISK_MQTT_PORT": "2000", "CITYRISK_MQTT_BROKER_PORT": "2000"},
    ],
)
def test_devices_and_the_broker_cannot_have_one_port(home: Home, settings: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r"CITYRISK_MQTT_PORT and CITYRISK_MQTT_BROKER_PORT are both [12]"):
        port_of_devices(with_settings(home, **settings))


def test_two_ports_of_any_free_number_are_two(home: Home) -> None:
    assert port_of_devices(with_settings(home, CITYRISK_MQTT_PORT="0", CITYRISK_MQTT_BROKER_PORT="0")) == 0
    assert port_of_devices(Home(home.root, {})) == 1883


def test_a_port_that_is_taken_is_told_in_words(home: Home) -> None:
    port = own_port()
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(SettingsError, match=rf"{port}: another process .* CITYRISK_MQTT_PORT"),
    ):
        asyncio.run(serve(with_settings(home, CITYRISK_MQTT_PORT=str(port)), now, asyncio.Event()))


@pytest.mark.parametrize("number", ["0", "100", "109"])
def test_connections_that_leave_no_room_for_devices_are_refused(home: Home, number: str) -> None:
    with pytest.raises(SettingsError, match=f"CONNECTIONS is {number}, expected 110 or more: 100 of them are reserved"):
        limits_of(with_settings(home, CITYRISK_NATS_MAX_CONNECTIONS=number))


def test_all_connections_but_ours_are_for_devices(home: Home) -> None:
    assert limits_of(with_settings(home, CITYRISK_NATS_MAX_CONNECTIONS="110")).connections == 10


def test_the_process_ends_with_its_sweeps(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    async def failing(_: Proxy) -> None:
        await asyncio.sleep(0)
        raise RuntimeError("a fault of a sweep")

    monkeypatch.setattr(Proxy, "tend", failing)

    async def whole() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await serve(with_settings(home, **FREE), now, asyncio.Event())

    with pytest.raises(RuntimeError, match="a fault of a sweep"):
        asyncio.run(whole())


async def test_the_process_ends_well_when_it_is_asked_to(home: Home) -> None:
    stop = asyncio.Event()
    task = asyncio.create_task(serve(with_settings(home, **FREE), now, stop))
    async with asyncio.timeout(PATIENCE_S):
        while not read_running(home, "mqtt"):
            await asyncio.sleep(0.01)
        stop.set()
        await task

"""A port of 0 means a free one for every process, and who connects finds it again after a restart."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from city.live.mqtt import Publisher
from city.live.surroundings import surroundings_of
from cli.processes import processes_of
from core.running import write_running
from core.runtime.ports import LOOPBACK, give_up_taken, settled_port
from core.settings import Home
from waiting import PATIENCE_S

AT = datetime(2026, 11, 22, 4, tzinfo=UTC)
ZEROS = {f"CITYRISK_{name}_PORT": "0" for name in ("PAGES", "GRAPH", "DEPARTMENTS")}


@pytest.mark.case("engineer.13")
def test_pages_graph_and_departments_get_ports_that_stay(tmp_path: Path) -> None:
    home = Home(tmp_path, ZEROS)
    (tmp_path / "city").mkdir()
    (tmp_path / "city/build.json").write_text("{}", encoding="utf-8")
    chosen = {
        one.name: (one.command, one.page) for one in processes_of(home) if one.name in ("pages", "graph", "departments")
    }
    assert len(chosen) == 3
    for command, page in chosen.values():
        assert not page or not page.endswith(":0")
        assert not {"--server.port=0", "0"} & set(command)
    assert {one.name: (one.command, one.page) for one in processes_of(home) if one.name in chosen} == chosen


@pytest.mark.case("engineer.13")
def test_a_noted_port_that_somebody_else_took_is_given_up(tmp_path: Path) -> None:
    home = Home(tmp_path, ZEROS)
    kept, taken = (settled_port(home, name, f"CITYRISK_{name.upper()}_PORT", 1) for name in ("pages", "graph"))
    with socket.create_server((LOOPBACK, taken)):
        give_up_taken(home)
        assert settled_port(home, "pages", "CITYRISK_PAGES_PORT", 1) == kept
        assert settled_port(home, "graph", "CITYRISK_GRAPH_PORT", 1) != taken


@pytest.mark.case("engineer.13")
def test_the_note_of_a_process_that_is_gone_names_no_port(tmp_path: Path) -> None:
    home = Home(tmp_path, {})
    environment = {"CITYRISK_MQTT_PORT": "0"}
    note = write_running(home, "mqtt", {"mqtt": 12345}, AT)
    around = surroundings_of(tmp_path, environment)
    assert around.place("mqtt") == (LOOPBACK, 12345)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    note.write_text(note.read_text("utf-8").replace(f'"pid": {os.getpid()}', f'"pid": {gone.pid}'), "utf-8")
    with pytest.raises(RuntimeError, match="start the product"):
        around.place("mqtt")
    write_running(home, "mqtt", {"mqtt": 23456}, AT)
    assert around.place("mqtt") == (LOOPBACK, 23456)


@pytest.mark.case("engineer.13")
def test_a_device_goes_where_the_product_listens_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("city.live.mqtt.AGAIN_S", 0.01)

    async def restarted() -> None:
        came, ports = asyncio.Queue[int](), []

        def server(number: int) -> asyncio.Future[asyncio.Server]:
            async def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                writer.close()
                await came.put(number)

            return asyncio.ensure_future(asyncio.start_server(accept, LOOPBACK, 0))

        first, second = await server(1), await server(2)
        ports = [one.sockets[0].getsockname()[1] for one in (first, second)]
        where = [ports[0]]
        publisher: Publisher[str] = Publisher("urban", "x", "urban-gateway", lambda *_: None)
        device = asyncio.create_task(publisher.keep_open(lambda: (LOOPBACK, where[0])))
        async with asyncio.timeout(PATIENCE_S):
            assert await came.get() == 1
            where[0] = ports[1]
            while await came.get() != 2:
                pass
        device.cancel()
        await asyncio.gather(device, return_exceptions=True)
        first.close()
        second.close()

    asyncio.run(restarted())

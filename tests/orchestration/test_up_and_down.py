"""A whole home from its commands: everything starts and is well, says its figures, and leaves nothing behind."""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from benchmarks.chain.managed import page_ports
from benchmarks.chain.place import free_ports
from core.running import read_running
from core.settings import Home

pytestmark = pytest.mark.slow

PROCESSES = ["broker", "listen", "mqtt", "intake", "alerting", "pages", "graph"]
CITYRISK = Path(sys.executable).with_name("cityrisk")


def listened_at(pid: int) -> Iterator[str]:
    """Addresses at which a process and those that it started take connections and datagrams."""
    process = psutil.Process(pid)
    for one in (process, *process.children(recursive=True)):
        for door in one.net_connections("inet"):
            if door.status == psutil.CONN_LISTEN or (door.type == socket.SOCK_DGRAM and not door.raddr):
                yield door.laddr.ip


@pytest.mark.case("security.held.H10")
def test_a_new_home_comes_up_is_well_and_goes_down(home: Home) -> None:
    given = {**os.environ, "CITYRISK_HOME": str(home.root), "CITYRISK_CAP_PORT": "0", **free_ports(), **page_ports()}

    def shell(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [CITYRISK, *arguments], env=given, capture_output=True, text=True, check=False, timeout=240
        )

    assert shell("status").returncode == 1
    up = shell("up")
    try:
        assert up.returncode == 0, up.stderr
        assert [line.split()[0] for line in up.stdout.splitlines()] == PROCESSES
        status = shell("status", "--json")
        assert status.returncode == 0, status.stdout
        *states, beat = json.loads(status.stdout)
        assert (beat["process"], beat["state"], beat["health"]) == ("heartbeat", "not set", "not asked")
        assert [(one["process"], one["state"], one["health"]) for one in states] == [
            (name, "running", "well") for name in PROCESSES
        ]
        for name in ("listen", "mqtt", "intake", "alerting"):
            running = read_running(home, name)
            assert running is not None
            text = httpx.get(f"http://127.0.0.1:{running.ports['metrics']}/metrics").text
            assert f"# HELP cityrisk_{name}_" in text
        pids = [int(one["pid"]) for one in states]
        addresses = {address for pid in pids for address in listened_at(pid)}
        assert addresses
        assert all(ipaddress.ip_address(address).is_loopback for address in addresses), addresses
    finally:
        down = shell("down")
    assert (down.returncode, down.stdout) == (0, "stopped\n")
    assert not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids)
    assert shell("down").stdout == "nothing was running\n"

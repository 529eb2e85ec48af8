"""A private broker on free ports in a test's own home; it can be killed and started again on the same store."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from core.settings import Home
from core.stream.broker import BrokerPorts, broker_command, broker_environment, choose_ports
from own_ports import own_port
from waiting import PATIENCE_S

PORTS = ("CITYRISK_NATS_PORT", "CITYRISK_MQTT_PORT")
FREE_PORTS = {f"CITYRISK_{name}_PORT": "0" for name in ("METRICS", "JT808", "HJ212", "SL651", "GB26875", "PUSH")}


class BrokerServer:
    """A running nats-server; `home` is the given one with the ports in its environment, all others free ones."""

    def __init__(self, home: Home) -> None:
        chosen = {name: str(own_port()) for name in PORTS}
        chosen["CITYRISK_MQTT_BROKER_PORT"] = chosen["CITYRISK_MQTT_PORT"]  # devices come straight to it
        self.home = replace(home, environment={**FREE_PORTS, **home.environment, **chosen})
        self.ports: BrokerPorts = replace(choose_ports(self.home), monitor=own_port())
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, or start it again; returns once NATS and MQTT accept connections."""
        command = broker_command(self.home, self.ports)
        environment = broker_environment(self.home, os.environ)
        self.home.stream.mkdir(exist_ok=True)
        with (self.home.stream / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command], env=environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + PATIENCE_S
        while not (_is_open(self.ports.nats) and _is_open(self.ports.mqtt)):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("nats-server did not come up:\n" + self.log_text())
            time.sleep(0.02)

    def kill(self) -> None:
        """End it as a crash does (SIGKILL)."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def set(self, **settings: str) -> Home:
        """The home with more settings; they hold for processes started with it and for the broker's next start."""
        self.home = replace(self.home, environment={**self.home.environment, **settings})
        return self.home

    def stop(self) -> None:
        """End it as its manager does (SIGTERM)."""
        assert self.process is not None
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def log_text(self) -> str:
        """What the server said."""
        return (self.home.stream / "server.log").read_text("utf-8", "replace")


@contextmanager
def running_broker(home: Home) -> Iterator[BrokerServer]:
    """A broker until the block ends; its streams are not made yet (`ensure_streams`)."""
    server = BrokerServer(home)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0

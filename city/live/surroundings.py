"""Where the product listens, and the passwords that it gave the departments: from a home's files and an environment."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

HOST = "127.0.0.1"
PROTOCOL_PORTS = {"jt808": 7611, "hj212": 7612, "sl651": 7613, "gb26875": 7614}
MQTT_PORT = 1883
_PASSWORD = "CITYRISK_NATS_PASSWORD_"


@dataclass(frozen=True)
class Surroundings:
    """Addresses and MQTT passwords. `ports` has the protocols and mqtt, those of them that are served."""

    host: str
    ports: Mapping[str, int]
    passwords: Mapping[str, str]
    newest: Callable[[], Surroundings] | None = None  # how it is now: who starts again may listen elsewhere

    def place(self, channel: str) -> tuple[str, int]:
        """Host and port of a channel at this moment. Raises RuntimeError when nothing says so."""
        around = self.newest() if self.newest else self
        return around.host, around.port(channel)

    def port(self, channel: str) -> int:
        """Where a channel is served. Raises RuntimeError when nothing says so."""
        if channel not in self.ports:
            raise RuntimeError(f"port of {channel} is chosen at start and nothing has started yet; start the product")
        return self.ports[channel]

    def password(self, department: str) -> str:
        """What the devices of a department log in with over MQTT. Raises RuntimeError when it has none."""
        if department not in self.passwords:
            raise RuntimeError(f"department {department} has no MQTT password; the home must be given one first")
        return self.passwords[department]


def surroundings_of(home: Path, environment: Mapping[str, str]) -> Surroundings:
    """What a device of this home must know: the ports that a running process says, else those of the settings."""
    known = _secrets(home) | {name: value for name, value in environment.items() if value}
    listening, proxy = _ports(home, "listen"), _ports(home, "mqtt")
    settings = {"mqtt": ("CITYRISK_MQTT_PORT", proxy.get("mqtt"), MQTT_PORT)} | {
        protocol: (f"CITYRISK_{protocol.upper()}_PORT", listening.get(protocol), usual)
        for protocol, usual in PROTOCOL_PORTS.items()
    }
    ports = {
        channel: port
        for channel, (setting, running, usual) in settings.items()
        if (port := running or int(known.get(setting) or usual))
    }
    passwords = {
        name.removeprefix(_PASSWORD).lower(): value
        for name, value in known.items()
        if name.startswith(_PASSWORD) and value
    }
    host = known.get("CITYRISK_GATEWAY_HOST") or HOST
    return Surroundings(host, ports, passwords, lambda: surroundings_of(home, environment))


def _ports(home: Path, process: str) -> dict[str, int]:
    """What a process that still runs said; the note of one that is gone names ports of others by now."""
    try:
        note = json.loads((home / "run" / f"{process}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    if not psutil.pid_exists(note["pid"]):
        return {}
    return {str(name): int(port) for name, port in note["ports"].items()}


def _secrets(home: Path) -> dict[str, str]:
    path = home / "secrets.env"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}

"""Where the product listens, and the passwords that it gave the departments: from a home's files and an environment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
PROTOCOL_PORTS = {"jt808": 7611, "hj212": 7612, "sl651": 7613, "gb26875": 7614}
MQTT_PORT = 1883
_PASSWORD = "CITYRISK_NATS_PASSWORD_"


@dataclass(frozen=True)
class Surroundings:
    """Addresses and MQTT passwords. `ports` has the four protocols and mqtt."""

    host: str
    ports: Mapping[str, int]
    passwords: Mapping[str, str]


def surroundings_of(home: Path, environment: Mapping[str, str]) -> Surroundings:
    """What a device of this home must know. A process that runs says its ports; without one the usual ports stand.

    Raises RuntimeError for a port that is chosen at start while nothing has started.
    """
    known = _secrets(home) | {name: value for name, value in environment.items() if value}
    listening, broker = _ports(home, "listen"), _ports(home, "broker")
    ports = {
        protocol: _port(known, f"CITYRISK_{protocol.upper()}_PORT", listening.get(protocol), usual)
        for protocol, usual in PROTOCOL_PORTS.items()
    }
    ports["mqtt"] = _port(known, "CITYRISK_MQTT_PORT", broker.get("mqtt"), MQTT_PORT)
    passwords = {
        name.removeprefix(_PASSWORD).lower(): value for name, value in known.items() if name.startswith(_PASSWORD)
    }
    return Surroundings(known.get("CITYRISK_GATEWAY_HOST") or HOST, ports, passwords)


def _port(known: Mapping[str, str], setting: str, running: int | None, usual: int) -> int:
    chosen = int(known.get(setting) or usual)
    if chosen:
        return running or chosen
    if running is None:
        raise RuntimeError(f"{setting} is 0 and nothing has started yet that chose a port; start the product first")
    return running


def _ports(home: Path, process: str) -> dict[str, int]:
    try:
        note = json.loads((home / "run" / f"{process}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return {str(name): int(port) for name, port in note["ports"].items()}


def _secrets(home: Path) -> dict[str, str]:
    path = home / "secrets.env"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}

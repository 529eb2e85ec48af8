"""The long-running processes of a home under one manager (supervisor): start, stop, and how each of them is.

The manager restarts what dies and keeps logs; it is reached by a socket that only its owner may open. Secrets go
through the environment it was started with, never through its configuration.
"""

from __future__ import annotations

import configparser
import hashlib
import shlex
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from core.runtime.orphans import Orphan, end, orphans
from core.settings import Home

SOCKET_PATH_BYTES = 100  # a Unix socket's path may have 107; some room for the suffixes that the manager adds
POLL_S = 0.1
HEALTH_TIMEOUT_S = 2.0
STOP_WITHIN_S = 20


class ProcessError(RuntimeError):
    """The manager could not do what was asked; says which process, what its log ends with, and what to do."""


@dataclass(frozen=True, slots=True)
class Process:
    """One program of a home.

    `health` gives the address to ask, None while the process has not said its ports; a program without one is well as
    long as it runs.
    """

    name: str
    command: tuple[str, ...]
    health: Callable[[], str | None] | None
    priority: int = 100  # lower starts first and stops last
    environment: Mapping[str, str] | None = None
    page: str | None = None


@dataclass(frozen=True, slots=True)
class ProcessState:
    """How one process is: `state` as the manager sees it, `health` as the process itself answers."""

    name: str
    state: str  # running, starting, backoff, stopped, exited, fatal, unknown, orphaned
    health: str  # well, unwell, no answer, not asked
    pid: int | None
    since: datetime | None
    detail: str
    log: Path


def start(home: Home, processes: Sequence[Process], environment: Mapping[str, str], within_s: float) -> None:
    """Start the manager with these processes, or bring a running one in line; return when all of them are well.

    What a killed manager left running is stopped first, since a new one could not start it again.
    Raises ProcessError naming the first process that is not well in time, with the end of its log.
    """
    _write(home, processes)
    if is_up(home):
        _bring_in_line(home)
    else:
        end(_left(home), STOP_WITHIN_S)
        _launch(home, environment)
    deadline = time.monotonic() + within_s
    while True:
        unwell = [state for state in status(home, processes) if state.health != "well"]
        if not unwell:
            return
        gone = next((state for state in unwell if state.state == "fatal"), None)
        if gone or time.monotonic() > deadline:
            worst = gone or unwell[0]
            raise ProcessError(
                f"{worst.name} is {worst.state} ({worst.health}): {worst.detail}\n{_tail(worst.log)}\n"
                f"its log is {worst.log}; `cityrisk status` shows the others, `cityrisk down` stops them"
            )
        time.sleep(POLL_S)


def stop(home: Home) -> bool:
    """Stop all processes and the manager, or what a killed manager left; False when none was running."""
    if not is_up(home):
        left = _left(home)
        end(left, STOP_WITHIN_S)
        return bool(left)
    pid_file = home.run / "supervisord.pid"
    _call(home, "shutdown")
    deadline = time.monotonic() + 3 * STOP_WITHIN_S
    while pid_file.exists() or is_up(home):
        if time.monotonic() > deadline:
            raise ProcessError(f"the manager did not stop; see {home.run / 'supervisord.log'}")
        time.sleep(POLL_S)
    return True


def status(home: Home, processes: Sequence[Process]) -> list[ProcessState]:
    """Every process with its state and health, in the order they start."""
    known: dict[str, dict[str, Any]] = {}
    left: dict[str, Orphan] = {}
    if is_up(home):
        known = {info["name"]: info for info in _call(home, "getAllProcessInfo")}
    else:
        left = {orphan.name: orphan for orphan in reversed(_left(home))}
    return [
        _orphaned(home, process, left[process.name])
        if process.name in left
        else _state(home, process, known.get(process.name))
        for process in sorted(processes, key=lambda one: one.priority)
    ]


def _state(home: Home, process: Process, info: Mapping[str, Any] | None) -> ProcessState:
    log = _log(home, process.name)
    if info is None:
        return ProcessState(process.name, "stopped", "not asked", None, None, "the manager does not run it", log)
    is_running = info["statename"] == "RUNNING"
    health, detail = _ask(process) if is_running else ("no answer", str(info["spawnerr"] or info["description"]))
    since = datetime.fromtimestamp(info["start"], UTC) if info["start"] else None
    return ProcessState(process.name, info["statename"].lower(), health, info["pid"] or None, since, detail, log)


def _orphaned(home: Home, process: Process, orphan: Orphan) -> ProcessState:
    """It works, but nobody would start it again: that is not well."""
    since = datetime.fromtimestamp(orphan.process.info["create_time"], UTC)
    detail = "its manager was killed and nobody would start it again; `cityrisk up` puts it under a new one"
    return ProcessState(process.name, "orphaned", "unwell", orphan.process.pid, since, detail, _log(home, process.name))


def _left(home: Home) -> list[Orphan]:
    return orphans(f"unix://{_socket(home)}")


def _ask(process: Process) -> tuple[str, str]:
    if process.health is None:
        return "well", "runs"
    address = process.health()
    if address is None:
        return "no answer", "has not said its ports yet"
    place = urlsplit(address)
    connection = HTTPConnection(place.hostname or "", place.port, timeout=HEALTH_TIMEOUT_S)
    try:
        connection.request("GET", place.path)
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
    except (OSError, HTTPException) as error:
        return "no answer", f"{address}: {type(error).__name__} {error}".strip()
    finally:
        connection.close()
    return ("well" if 200 <= answer.status < 300 else "unwell"), " ".join(text.split())[:200]


def _write(home: Home, processes: Sequence[Process]) -> None:
    """The manager's configuration. `%` is its escape character, so it is doubled in everything of ours."""
    place = home.run
    place.mkdir(parents=True, exist_ok=True)
    socket = str(_socket(home)).replace("%", "%%")
    config = configparser.RawConfigParser()
    config["unix_http_server"] = {"file": socket, "chmod": "0600"}
    config["rpcinterface:supervisor"] = {
        "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
    }
    config["supervisord"] = {
        "logfile": _escaped(place / "supervisord.log"),
        "pidfile": _escaped(place / "supervisord.pid"),
        "childlogdir": _escaped(place),
        "minfds": "1024",
        "umask": "077",
    }
    from core.store.database import REVISION  # who only asks how processes are needs no database

    for process in processes:
        # With the store's revision, so that a start after an update puts new code in the place of old.
        environment = {
            "CITYRISK_HOME": str(home.root),
            "CITYRISK_STORE_REVISION": REVISION,
            **(process.environment or {}),
        }
        # By way of `env`: the manager's own form for an environment cannot hold every value.
        line = ("env", *(f"{name}={value}" for name, value in environment.items()), *process.command)
        config[f"program:{process.name}"] = {
            "command": " ".join(shlex.quote(word).replace("%", "%%") for word in line),
            "priority": str(process.priority),
            "autorestart": "true",
            "startsecs": "1",
            "startretries": "10",
            "stopwaitsecs": str(STOP_WITHIN_S),
            "stopasgroup": "true",
            "killasgroup": "true",
            "redirect_stderr": "true",
            "stdout_logfile": _escaped(_log(home, process.name)),
            "stdout_logfile_maxbytes": "10MB",
            "stdout_logfile_backups": "3",
        }
    with (place / "supervisord.conf").open("w", encoding="utf-8") as file:
        config.write(file)


def _launch(home: Home, environment: Mapping[str, str]) -> None:
    line = [sys.executable, "-m", "supervisor.supervisord", "-c", str(home.run / "supervisord.conf")]
    done = subprocess.run(line, env=dict(environment), capture_output=True, text=True, check=False)
    if done.returncode:
        raise ProcessError(f"the process manager did not start: {(done.stderr or done.stdout).strip()}")


def _bring_in_line(home: Home) -> None:
    """Start what is new or stopped, restart what has another command, stop what is no longer named."""
    added, changed, removed = _call(home, "reloadConfig")[0]
    for name in (*changed, *removed):
        _call(home, "stopProcessGroup", name)
        _call(home, "removeProcessGroup", name)
    for name in (*added, *changed):
        _call(home, "addProcessGroup", name)
    for info in _call(home, "getAllProcessInfo"):
        if info["statename"] in ("STOPPED", "EXITED", "FATAL"):
            _call(home, "startProcess", info["name"], False)


def is_up(home: Home) -> bool:
    """Whether the manager of this home answers."""
    if not _socket(home).exists():
        return False
    try:
        found = _call(home, "getState")
    except OSError:  # the socket of a manager that was killed
        return False
    return bool(found["statecode"] >= 0)


def _call(home: Home, method: str, *arguments: Any) -> Any:
    """Ask the manager; its own transport leaves connections open unless they are closed."""
    from supervisor.xmlrpc import SupervisorTransport

    transport = SupervisorTransport(None, None, serverurl=f"unix://{_socket(home)}")
    try:
        proxy = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
        return getattr(proxy.supervisor, method)(*arguments)
    finally:
        transport.close()


def _socket(home: Home) -> Path:
    """The manager's socket: in the home, or, where that path is too long for one, in the machine's temporary folder."""
    place = home.run / "supervisord.sock"
    if len(str(place).encode()) <= SOCKET_PATH_BYTES:
        return place
    short = hashlib.sha256(str(place).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"cityrisk-{short}.sock"


def _log(home: Home, name: str) -> Path:
    return home.run / f"{name}.log"


def _tail(log: Path, lines: int = 12) -> str:
    if not log.exists():
        return "(no log yet)"
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")

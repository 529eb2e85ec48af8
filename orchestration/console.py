"""Dagster for a home in one process tree: code server and daemon as children, its console read-only behind our door.

`dagster dev` would open a console that anybody on the machine, or any page in their browser, may change; here the
console has no port of its own. Schedules and sensors are started and stopped by `cityrisk schedules`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import dagster as dg
import uvicorn
import yaml
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.server import wait_for_grpc_server
from dagster_webserver.app import create_app_from_workspace_process_context

from access.webserver import web_server
from core.settings import Home
from orchestration.guarded_console import GuardedConsole

DEFINITIONS = "orchestration.definitions"
# Dagster's own telemetry is off, finished runs go after a month, and two runs at most work at a time: the machine is
# small, and the run lock lets only one of them build.
SETTINGS = """\
telemetry:
  enabled: false
concurrency:
  runs:
    max_concurrent_runs: 2
retention:
  schedule:
    purge_after_days: {skipped: 7, failure: 30, success: 30}
  sensor:
    purge_after_days: {skipped: 7, failure: 30, success: 30}
"""
START_WITHIN_S, STOP_WITHIN_S = 120, 15


def folder_of(home: Home) -> Path:
    """Where Dagster keeps its own things."""
    return home.root / "dagster"


def prepare(home: Home) -> None:
    """Write Dagster's settings when the home has none."""
    folder = folder_of(home)
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "dagster.yaml"
    if not settings.exists():
        settings.write_text(SETTINGS, encoding="utf-8")


def serve_console(home: Home, port: int, clock: Callable[[], datetime]) -> int:
    """Run daemon and console until a signal asks to stop; the exit code is 1 when a child died by itself."""
    prepare(home)
    own = {"CITYRISK_HOME": str(home.root), "DAGSTER_HOME": str(folder_of(home)), "DAGSTER_DISABLE_TELEMETRY": "1"}
    os.environ.update(own)  # Dagster's libraries read their folder from the environment, and code servers inherit it
    # The server gives a signal on to whoever had it before: then the children must be ended too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # One code server for both, where each would start its own. Its socket lies in a folder that only its owner may
    # open, for whoever reaches it may start runs.
    with (
        tempfile.TemporaryDirectory() as private,
        _code_server(Path(private) / "code.sock") as (code, workspace_file),
        _child([_beside("dagster-daemon"), "run", "-w", str(workspace_file)]) as daemon,
        dg.DagsterInstance.get() as instance,
        WorkspaceProcessContext(
            instance, WorkspaceFileTarget([str(workspace_file)]), version=dg.__version__, read_only=True
        ) as workspace,
    ):
        app = GuardedConsole(create_app_from_workspace_process_context(workspace), home, port, clock)
        server = web_server(app, home, port, lifespan="on")
        for child in (code, daemon):
            threading.Thread(target=_end_with, args=(child, server), daemon=True).start()
        server.run()
        return 0 if code.poll() is None and daemon.poll() is None else 1


@contextmanager
def _code_server(socket: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """The process that has our definitions and starts their runs, and the file by which others find it."""
    server = {"host": "localhost", "socket": str(socket), "location_name": DEFINITIONS}
    found_by = socket.with_name("workspace.yaml")
    found_by.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}), encoding="utf-8")
    line = [_beside("dagster"), "api", "grpc", "--socket", str(socket), "-m", DEFINITIONS]
    line += ["--location-name", DEFINITIONS, "--log-level", "warning"]
    with _child(line) as code:
        wait_for_grpc_server(code, DagsterGrpcClient(socket=str(socket)), line, timeout=START_WITHIN_S)
        yield code, found_by


def _beside(program: str) -> str:
    return str(Path(sys.executable).with_name(program))


@contextmanager
def _child(line: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is ended behind the block."""
    child = subprocess.Popen(line)
    try:
        yield child
    finally:
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(STOP_WITHIN_S)
        child.kill()


def _end_with(child: subprocess.Popen[bytes], server: uvicorn.Server) -> None:
    child.wait()
    server.should_exit = True

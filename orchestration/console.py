"""Dagster for a home in one process tree: its daemon as a child, its console read-only behind our door.

`dagster dev` would open a console that anybody on the machine, or any page in their browser, may change; here the
console has no port of its own. Schedules and sensors are started and stopped by `cityrisk schedules`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import dagster as dg
import uvicorn
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster_webserver.app import create_app_from_workspace_process_context

from access.webserver import web_server
from core.settings import Home
from orchestration.door import Door

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
STOP_WITHIN_S = 15


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
    """Run daemon and console until a signal asks to stop; the exit code is 1 when the daemon died by itself."""
    prepare(home)
    own = {"CITYRISK_HOME": str(home.root), "DAGSTER_HOME": str(folder_of(home)), "DAGSTER_DISABLE_TELEMETRY": "1"}
    os.environ.update(own)  # Dagster's libraries read their folder from the environment, and code servers inherit it
    line = [str(Path(sys.executable).with_name("dagster-daemon")), "run", "-m", DEFINITIONS]
    # The server gives a signal on to whoever had it before: then the daemon must be ended too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    daemon = subprocess.Popen(line)
    try:
        with (
            dg.DagsterInstance.get() as instance,
            WorkspaceProcessContext(
                instance,
                ModuleTarget(DEFINITIONS, attribute=None, working_directory=None, location_name=None),
                version=dg.__version__,
                read_only=True,
            ) as workspace,
        ):
            app = Door(create_app_from_workspace_process_context(workspace), home, port, clock)
            server = web_server(app, home, port, lifespan="on")
            threading.Thread(target=_end_with, args=(daemon, server), daemon=True).start()
            server.run()
        return 1 if daemon.poll() is not None else 0
    finally:
        daemon.terminate()
        with suppress(subprocess.TimeoutExpired):
            daemon.wait(STOP_WITHIN_S)
        daemon.kill()


def _end_with(daemon: subprocess.Popen[bytes], server: uvicorn.Server) -> None:
    daemon.wait()
    server.should_exit = True

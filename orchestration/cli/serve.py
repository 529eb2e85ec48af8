"""The long-running processes of a home, one a verb, each on loopback by default and in the foreground.

`cityrisk broker | listen | intake | alerting | pages | graph`; `cityrisk up` runs them all.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from ingest.contract import Contract
from ingest.settings import Home
from orchestration.cli.shell import all_contracts, app, current_home, failed, now, verb

# Dagster's own telemetry is off, finished runs go after a month, and two runs at most work at a time: the machine is
# small, and the run lock lets only one of them build.
DAGSTER_SETTINGS = """\
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

Serve = Callable[[Home, Mapping[str, Contract], Callable[[], datetime], asyncio.Event], Awaitable[None]]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]


@app.command("broker")
@verb
def broker_command() -> None:
    """Become the broker of this home: streams, and the MQTT door for devices."""
    from ingest.stream.broker import run_broker

    run_broker(current_home(), now(), os.environ)


@app.command("listen")
@verb
def listen_command() -> None:
    """Listen to devices (TCP, UDP, MQTT) and open the HTTP push door of feeds that have a token."""
    from ingest.listen.serve import serve

    _forever(serve)


@app.command("intake")
@verb
def intake_command() -> None:
    """Take what came in: conform it, hand it to alerting, land it."""
    from ingest.stream.intake import serve

    _forever(serve)


@app.command("alerting")
@verb
def alerting_command() -> None:
    """Compare readings with the rules, open and follow alerts, tell people."""
    from alerting.serve import serve

    _forever(serve)


@app.command("pages")
@verb
def pages_command(port: Port = 8501) -> None:
    """Serve the pages of this home."""
    from dashboards.serve import command

    line = command(current_home().root, port)
    os.execvp(line[0], line)


@app.command("graph")
@verb
def graph_command(port: Port = 3070) -> None:
    """Run Dagster with its schedules and sensors for this home, and its page."""
    line, environment = graph_process(current_home(), port)
    os.execve(line[0], line, environment)


def _forever(serve: Serve) -> None:
    """Run a process of this home until SIGTERM or SIGINT asks it to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")

    async def until_signal() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await serve(current_home(), all_contracts(), now, stop)

    asyncio.run(until_signal())


def graph_process(home: Home, port: int) -> tuple[list[str], dict[str, str]]:
    """The command line and the environment that run Dagster for a home; writes its settings when it has none."""
    import sys

    folder = home.root / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "dagster.yaml"
    if not settings.exists():
        settings.write_text(DAGSTER_SETTINGS, encoding="utf-8")
    program = Path(sys.executable).with_name("dagster")
    if not program.exists():
        failed("Dagster is not installed; install the extra `orchestrate`")
    line = [str(program), "dev", "-m", "orchestration.definitions", "-h", "127.0.0.1", "-p", str(port)]
    own = {"CITYRISK_HOME": str(home.root), "DAGSTER_HOME": str(folder), "DAGSTER_DISABLE_TELEMETRY": "1"}
    return line, {**os.environ, **own}

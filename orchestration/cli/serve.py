"""The long-running processes of a home, one a verb, each on loopback by default and in the foreground.

`cityrisk broker | listen | mqtt | intake | alerting | pages | graph`; `cityrisk up` runs them all.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Annotated

import typer

from core.contract import Contract
from core.settings import Home
from orchestration.cli.shell import all_contracts, app, current_home, failed, now, verb

Serve = Callable[[Home, Mapping[str, Contract], Callable[[], datetime], asyncio.Event], Awaitable[None]]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]


@app.command("broker")
@verb
def broker_command() -> None:
    """Become the broker of this home: streams, and the MQTT listener behind the process `mqtt`."""
    from ingest.stream.broker import run_broker

    run_broker(current_home(), now(), os.environ)


@app.command("listen")
@verb
def listen_command() -> None:
    """Listen to devices (TCP, UDP, MQTT) and open the HTTP push door of feeds that have a token."""
    from ingest.listen.serve import serve

    _forever(serve)


@app.command("mqtt")
@verb
def mqtt_command() -> None:
    """Take devices' MQTT connections on to the broker; a message too large costs itself and no connection."""
    from ingest.proxy.serve import serve

    _until_signal(lambda stop: serve(current_home(), now, stop))


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
    from orchestration.ports import free_port

    line = command(current_home().root, port or free_port())
    os.execvp(line[0], line)


@app.command("graph")
@verb
def graph_command(port: Port = 3070) -> None:
    """Run Dagster with its schedules and sensors for this home, and its page: read-only, behind a login."""
    try:
        from orchestration.console import serve_console
        from orchestration.ports import free_port
    except ModuleNotFoundError:
        failed("Dagster is not installed; install the extra `orchestrate`")
    raise typer.Exit(serve_console(current_home(), port or free_port(), now))


def _forever(serve: Serve) -> None:
    """Run a process of this home that knows its contracts."""
    _until_signal(lambda stop: serve(current_home(), all_contracts(), now, stop))


def _until_signal(run: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run a process until SIGTERM or SIGINT asks it to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")

    async def whole() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await run(stop)

    asyncio.run(whole())

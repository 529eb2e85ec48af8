"""The long-running processes of a home, one a verb, each on loopback by default and in the foreground.

`cityrisk broker | listen | mqtt | intake | alerting | pages | graph`; `cityrisk up` runs them all.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from cli.shell import all_contracts, current_home, failed, now, verb

if TYPE_CHECKING:
    from core.runtime.process import Serve

Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]


app = typer.Typer()


@app.command("broker")
@verb
def broker_command() -> None:
    """Become the broker of this home: streams, and the MQTT listener behind the process `mqtt`."""
    from core.stream.broker import run_broker

    run_broker(current_home(), now(), os.environ)


@app.command("listen")
@verb
def listen_command() -> None:
    """Listen to devices (TCP, UDP, MQTT) and open the HTTP push door of feeds that have a token."""
    from ingest.devices.serve import serve

    _forever(serve)


@app.command("mqtt")
@verb
def mqtt_command() -> None:
    """Take devices' MQTT connections on to the broker; a message too large costs itself and no connection."""
    from core.runtime.process import run_until_signal
    from ingest.devices.proxy.serve import serve

    run_until_signal(lambda stop: serve(current_home(), now, stop))


@app.command("intake")
@verb
def intake_command() -> None:
    """Take what came in: conform it, hand it to alerting, land it."""
    from ingest.intake.process import serve

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
    from core.loopback import free_port
    from dashboards.serve import command

    line = command(current_home().root, port or free_port())
    os.execvp(line[0], line)


@app.command("graph")
@verb
def graph_command(port: Port = 3070) -> None:
    """Run Dagster with its schedules and sensors for this home, and its page: read-only, behind a login."""
    try:
        from core.loopback import free_port
        from orchestration.console import serve_console
    except ModuleNotFoundError:
        failed("Dagster is not installed; install the extra `orchestrate`")
    raise typer.Exit(serve_console(current_home(), port or free_port(), now))


def _forever(serve: Serve) -> None:
    """Run a process of this home that knows its contracts."""
    from core.runtime.process import run_until_signal

    run_until_signal(lambda stop: serve(current_home(), all_contracts(), now, stop))

"""`cityrisk up | down | status`: all processes of a home together."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.shell import Json, all_contracts, current_home, failed, now, print_rows, verb
from core.settings import Home, open_home

if TYPE_CHECKING:
    from core.runtime.supervisor import Process

WITHIN_S = 180.0
DEPARTMENTS_PORT = 8766
# The devices play two hours and begin anew; an incident of a detector takes one.
DEVICES = ("--minutes", "120")


app = typer.Typer()


@app.command("up")
@verb
def up_command(
    within: Annotated[float, typer.Option(help="Seconds until every process must be well.")] = WITHIN_S,
) -> None:
    """Start every process of this home, or bring them in line with its settings, and print the addresses."""
    bring_up(current_home(), within)


@app.command("down")
@verb
def down_command() -> None:
    """Stop every process of this home."""
    from core.runtime.supervisor import ProcessError, stop

    try:
        was_up = stop(current_home())
    except ProcessError as error:
        failed(str(error))
    typer.echo("stopped" if was_up else "nothing was running")


@app.command("status")
@verb
def status_command(as_json: Json = False) -> None:
    """How every process of this home is, and its heartbeat outside; exit 1 when one is not well."""
    from alerting.heartbeat_standing import standing
    from core.runtime.supervisor import status

    home, at = current_home(), now()
    states, beat = status(home, processes_of(home)), standing(home, at)
    rows: list[dict[str, Any]] = [
        {
            "process": state.name,
            "state": state.state,
            "health": state.health,
            "pid": state.pid,
            "since": state.since,
            "detail": state.detail,
            **({"log": state.log} if as_json else {}),
        }
        for state in states
    ]
    is_beating = beat.state != "failing"
    health = ("well" if is_beating else "unwell") if beat.state in ("beating", "failing") else "not asked"
    rows.append(
        {
            "process": "heartbeat",
            "state": beat.state,
            "health": health,
            "pid": None,
            "since": None,
            "detail": beat.detail,
            **({"log": None} if as_json else {}),
        }
    )
    print_rows(rows, as_json)
    if not is_beating or any(state.health != "well" for state in states):
        raise typer.Exit(1)


def bring_up(home: Home, within_s: float = WITHIN_S) -> None:
    """Give the home what its stream needs, start its processes and print where its pages are."""
    from core.runtime.ports import give_up_taken
    from core.runtime.supervisor import ProcessError, is_up, start
    from orchestration.services import make_ready

    make_ready(home, all_contracts(), now())
    ready = open_home(os.environ, home.root)
    if not is_up(ready):
        give_up_taken(ready)
    processes = processes_of(ready)
    try:
        start(ready, processes, {**os.environ, "CITYRISK_HOME": str(ready.root)}, within_s)
    except ProcessError as error:
        failed(str(error))
    for process in processes:
        typer.echo(f"{process.name:9} {process.page or 'well'}")


def processes_of(home: Home) -> list[Process]:
    """What runs in a home; where a simulated city was built, its departments and devices as well."""
    from core.runtime.ports import settled_port
    from core.runtime.supervisor import Process
    from orchestration.services import services

    found = services(home)
    if (home.root / "city" / "build.json").is_file():
        port = settled_port(home, "departments", "CITYRISK_DEPARTMENTS_PORT", DEPARTMENTS_PORT)
        serve = (sys.executable, "-m", "city.serve", "--home", str(home.root), "--port", str(port))
        play = (sys.executable, "-m", "city.live", "--home", str(home.root), *DEVICES)
        found += [Process("departments", serve, None, 15), Process("devices", play, None, 70)]
    return found

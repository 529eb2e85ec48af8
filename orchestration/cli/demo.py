"""`cityrisk demo`: a whole simulated city, its departments, one batch, and the pages, from one command."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated

import typer

from ingest.settings import Home, open_home
from orchestration.cli.serve import graph_process
from orchestration.cli.shell import all_contracts, app, current_home, failed, now, ops_engine, verb, wrong_use

CITY_CODES = {"yichang": "420500", "zunyi": "520300"}
DEPARTMENTS_PORT = 8766
GRAPH_PORT = 3070


@app.command("demo")
@verb
def demo_command(
    city: Annotated[str, typer.Option(help="yichang or zunyi.")] = "yichang",
    days: Annotated[int, typer.Option(min=1, help="Days of history.")] = 30,
    seed: Annotated[int, typer.Option(help="Same seed, same city.")] = 7,
    scale: Annotated[float, typer.Option(min=0.001, help="Size of the city against its real size.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Stop after the batch.")] = False,
    port: Annotated[int, typer.Option(help="Port of the pages.")] = 8501,
) -> None:
    """Build the simulated city, run the whole batch, start everything and print the addresses."""
    from city.build import build_city
    from ingest.secrets import create_secrets

    if city not in CITY_CODES:
        wrong_use(f"--city {city!r}; expected one of {', '.join(CITY_CODES)}")
    home = current_home()
    _start_anew(home, {"city": city, "days": days, "seed": seed, "scale": scale})
    create_secrets(home.root)
    typer.echo(f"building {city}: {days} days, seed {seed}, scale {scale} …")
    build_city(home.root, city, days, seed, scale, now())
    with departments(home):
        _batch(open_home({**os.environ, "CITYRISK_CITY_CODE": CITY_CODES[city]}, home.root))
        if not once:
            _serve(home, port)


def _start_anew(home: Home, wanted: Mapping[str, object]) -> None:
    """Empty a home that holds another simulated city; leave one alone that holds the same. Never touch a real home."""
    marker = home.root / "city" / "build.json"
    if not marker.exists():
        if (home.root / "ops.db").exists():
            failed(f"{home.root} holds data that no demo made; give the demo a CITYRISK_HOME of its own")
        return
    held = json.loads(marker.read_text(encoding="utf-8"))
    if all(held[name] == value for name, value in wanted.items()):
        return
    typer.echo(f"{home.root} held {held['city']} (seed {held['seed']}, {held['days']} days); starting anew")
    for entry in home.root.iterdir():
        if entry.name not in ("secrets.env", "run.lock"):
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


@contextmanager
def departments(home: Home) -> Iterator[int]:
    """The simulated city's HTTP departments in a thread of this process; gives their port."""
    import uvicorn

    from city.build import CityBuild
    from city.http_service import make_app

    port = _free_port(DEPARTMENTS_PORT)
    built = CityBuild.load(home.root)
    built.write_env(port)
    config = uvicorn.Config(make_app(built), host="127.0.0.1", port=port, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield port
    finally:
        server.should_exit = True
        thread.join(timeout=10)


def _batch(home: Home) -> None:
    """One batch with its figures on the screen; ends with code 1 when it fails."""
    from orchestration.batch import Batch, BatchError, new_run_id, run_batch

    typer.echo("departments are open; fetch → land → check → build → audit → publish …")
    batch = Batch(
        home, ops_engine(home), all_contracts(), new_run_id(now()), now, home.environment["CITYRISK_CITY_CODE"]
    )
    try:
        result = run_batch(batch)
    except BatchError as error:
        failed(str(error))
    landed = sum(o.rows_landed for o in result.outcomes)
    refused = sum(o.rows_quarantined for o in result.outcomes)
    typer.echo(f"{landed:,} rows landed, {refused:,} in quarantine")
    typer.echo("checks: " + ", ".join(f"{count} {name}" for name, count in result.verdicts.items()))
    for outcome in result.outcomes:
        if outcome.result in ("unreachable", "failed"):
            typer.echo(f"{outcome.feed_id}: {outcome.result}: {outcome.detail}", err=True)
    typer.echo(f"published {result.generation.name}" if result.generation else "nothing new to publish")


def _serve(home: Home, port: int) -> None:
    """Run the pages and the graph until the pages end or the user stops them."""
    from dashboards.serve import command

    port, graph_port = _free_port(port), _free_port(GRAPH_PORT)
    graph_line, graph_environment = graph_process(home, graph_port)
    log = (home.root / "dagster" / "dagster.log").open("ab")
    graph = subprocess.Popen(graph_line, env=graph_environment, stdout=log, stderr=log)
    pages = subprocess.Popen(command(home.root, port))
    typer.echo(f"pages  http://127.0.0.1:{port}")
    typer.echo(f"graph  http://127.0.0.1:{graph_port}   (Dagster; ready in a moment)")
    typer.echo("stop with Ctrl-C")
    try:
        pages.wait()
    except KeyboardInterrupt:
        pages.terminate()
        pages.wait(timeout=10)
    finally:
        graph.terminate()
        graph.wait(timeout=20)
        log.close()


def _free_port(wanted: int) -> int:
    """The wanted loopback port, or another free one when it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

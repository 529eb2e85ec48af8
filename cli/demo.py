"""`cityrisk demo`: a whole simulated city, its departments, one batch, and the pages, from one command."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated

import sqlalchemy as sa
import typer

from cli.processes import DEPARTMENTS_PORT, bring_up
from cli.shell import all_contracts, current_home, failed, now, ops_engine, verb, wrong_use
from core.settings import Home, open_home

CITY_CODES = {"yichang": "420500", "zunyi": "520300"}
METRICS_PORT, CAP_PORT = 9410, 9420
DEMO_PORTS = {
    "CITYRISK_NATS_PORT": 4222,
    "CITYRISK_MQTT_PORT": 1883,
    "CITYRISK_MQTT_BROKER_PORT": 1884,
    "CITYRISK_JT808_PORT": 7611,
    "CITYRISK_HJ212_PORT": 7612,
    "CITYRISK_SL651_PORT": 7613,
    "CITYRISK_GB26875_PORT": 7614,
    "CITYRISK_CAP_PORT": CAP_PORT,
    "CITYRISK_GRAPH_PORT": 3070,
    "CITYRISK_DEPARTMENTS_PORT": DEPARTMENTS_PORT,
}
# Nobody is told of a simulated danger: channels say what they would have sent; the CAP feed stays on this machine.
DEMO_CHANNELS = {"CITYRISK_CHANNELS_DRY_RUN": "1", "CITYRISK_CAP_SENDER": "cityrisk-demo"}
READINGS_WITHIN_S = 120
GRAPH_BUILDS_S = 600.0  # the graph may be at a build of its own


app = typer.Typer()


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
    from core.runtime.supervisor import stop
    from core.secrets import create_secrets
    from orchestration.services import mqtt_departments

    if city not in CITY_CODES:
        wrong_use(f"--city {city!r}; expected one of {', '.join(CITY_CODES)}")
    home = current_home()
    stop(home)  # an earlier demo of this home may still run
    _start_anew(home, {"city": city, "days": days, "seed": seed, "scale": scale})
    create_secrets(home.root, departments=mqtt_departments(all_contracts()))
    typer.echo(f"building {city}: {days} days, seed {seed}, scale {scale} …")
    build_city(home.root, city, days, seed, scale, now())
    os.environ["CITYRISK_CITY_CODE"] = CITY_CODES[city]
    with departments(home):
        _batch(open_home(os.environ, home.root))
    if not once:
        _let_people_in(home, CITY_CODES[city])
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


def _batch(home: Home, wait_s: float = 0.0) -> None:
    """One batch with its figures on the screen; ends with code 1 when it fails."""
    from core.runtime.run_lock import HomeBusyError
    from ingest.pull import FAILURES
    from orchestration.batch import Batch, BatchError, new_run_id, run_batch

    typer.echo("departments are open; fetch → land → check → build → audit → publish …")
    batch = Batch(
        home, ops_engine(home), all_contracts(), new_run_id(now()), now, home.environment["CITYRISK_CITY_CODE"]
    )
    try:
        result = run_batch(batch, wait_s=wait_s)
    except (BatchError, HomeBusyError) as error:
        failed(str(error))
    landed = sum(o.rows_landed for o in result.outcomes)
    refused = sum(o.rows_quarantined for o in result.outcomes)
    typer.echo(f"{landed:,} rows fetched and landed, {refused:,} in quarantine")
    typer.echo("checks: " + ", ".join(f"{count} {name}" for name, count in result.verdicts.items()))
    for outcome in result.outcomes:
        if outcome.result in FAILURES:
            typer.echo(f"{outcome.feed_id}: {outcome.result}: {outcome.detail}", err=True)
    typer.echo(f"published {result.generation.name}" if result.generation else "nothing new to publish")


def _serve(home: Home, port: int) -> None:
    """Run every process, the city's departments and devices among them, until the user stops them."""
    from core.runtime.attend import attend
    from core.runtime.supervisor import stop
    from ingest.parse.apart import end_child

    # Another demo may run beside this one: every port that is taken gives way to a free one.
    ports = {name: _free_port(wanted) for name, wanted in DEMO_PORTS.items()}
    os.environ |= {name: str(chosen) for name, chosen in ports.items()} | {"CITYRISK_PAGES_PORT": str(_free_port(port))}
    if _free_port(METRICS_PORT) != METRICS_PORT:
        os.environ["CITYRISK_METRICS_PORT"] = "0"  # each process takes a free one and says so
    for name, value in DEMO_CHANNELS.items():
        os.environ.setdefault(name, value)
    try:
        bring_up(open_home(os.environ, home.root))
        typer.echo("devices speak; alerts come within minutes, the first of their readings into the warehouse now")
        _await_readings(home)
        _batch(open_home(os.environ, home.root), GRAPH_BUILDS_S)
        typer.echo("the graph builds again every ten minutes; stop with Ctrl-C")
        end_child()  # what it holds is cleared up by this program, not by the one that waits
        attend(home.root)
    except KeyboardInterrupt:
        stop(home)


def _await_readings(home: Home) -> None:
    """Until most streams have landed something, or a while."""
    from core.store import tables

    n_streams = sum(contract.is_stream for contract in all_contracts().values())
    progress, engine = tables.stream_progress, ops_engine(home)
    query = sa.select(sa.func.count(), sa.func.sum(progress.c.rows_landed)).where(progress.c.rows_landed > 0)
    deadline = time.monotonic() + READINGS_WITHIN_S
    n_speaking = n_rows = 0
    while n_speaking * 2 <= n_streams and time.monotonic() < deadline:
        time.sleep(1)
        with engine.connect() as connection:
            n_speaking, n_rows = (int(figure or 0) for figure in connection.execute(query).one())
    engine.dispose()
    typer.echo(f"{n_rows:,} rows of devices landed")


def _let_people_in(home: Home, city_code: str) -> None:
    """One person for each role, with passwords of this start; no other copy of them is kept."""
    from access import users

    county_code = f"{city_code[:4]}02"  # the first district of either city
    passwords = users.add_demo_users(home, city_code, county_code, now())
    typer.echo("who may log in to the pages; the passwords are shown this once:")
    for name, password in passwords.items():
        typer.echo(f"  {name:8} {password}")


def _free_port(wanted: int) -> int:
    """The wanted loopback port, or another free one when it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

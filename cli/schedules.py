"""`cityrisk schedules list | start | stop`: the one way to switch them, for few roles and audited."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Literal, get_args

import sqlalchemy as sa
import typer

from cli.alerts import action
from cli.shell import current_home, failed, now, ops_engine, os_user, wrong_use
from core.settings import Home

Kind = Literal["schedule", "sensor"]
app = typer.Typer()


@app.command("list")
@action
def list_schedules() -> None:
    """Every schedule and sensor with its state."""
    for kind in get_args(Kind):
        for line in _dagster(current_home(), kind, "list").splitlines():
            if line.startswith(kind.capitalize()):  # its own notes stand between
                typer.echo(line)


@app.command("start")
@action
def start_schedule(name: str, kind: str = "schedule") -> None:
    """Let a schedule (or, with --kind sensor, a sensor) work."""
    _switch(name, kind, "start")


@app.command("stop")
@action
def stop_schedule(name: str, kind: str = "schedule") -> None:
    """Stop a schedule or sensor; `cityrisk doctor` tells of it until it is started again."""
    _switch(name, kind, "stop")


def _switch(name: str, kind: str, verb: str) -> None:
    from access.rights import require_role
    from access.shell_user import acting
    from core.store import tables

    if kind not in get_args(Kind):
        wrong_use(f"--kind {kind!r}; expected one of {', '.join(get_args(Kind))}")
    home = current_home()
    reader = acting(home, os_user())
    require_role(reader, frozenset({"administrator", "data_engineer"}), f"{verb} schedules")
    _dagster(home, kind, verb, name)
    with ops_engine(home).begin() as connection:
        values = {"actor": reader.name, "action": f"{verb} {kind}", "target": name, "reason": "", "at": now()}
        connection.execute(sa.insert(tables.operator_action).values(values))
    typer.echo(f"{name}: {'started' if verb == 'start' else 'stopped'}")


def _dagster(home: Home, *words: str) -> str:
    folder = home.root / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    line = [str(Path(sys.executable).with_name("dagster")), *words, "-m", "orchestration.definitions"]
    own = {"CITYRISK_HOME": str(home.root), "DAGSTER_HOME": str(folder), "DAGSTER_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(line, env={**os.environ, **own}, capture_output=True, text=True, check=False)
    if done.returncode:
        failed(f"Dagster refused: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
    return done.stdout

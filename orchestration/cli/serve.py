"""`cityrisk listen | pages | graph`: the long-running processes of a home, one a verb, each on loopback by default."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ingest.settings import Home
from orchestration.cli.shell import all_contracts, app, current_home, failed, now, ops_engine, verb

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

Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]
Host = Annotated[str, typer.Option(help="Address to listen on.")]


@app.command("listen")
@verb
def listen_command(port: Port = 8790, host: Host = "127.0.0.1") -> None:
    """Open the HTTP push door: POST /push/<feed_id> with the feed's own token."""
    import uvicorn

    from ingest.listen.push import push_app
    from ingest.listen.receipt import deliver_into
    from ingest.pull import open_intake
    from orchestration.batch import new_run_id

    home, contracts = current_home(), all_contracts()
    if not any(name.startswith("CITYRISK_PUSH_TOKEN_") for name in home.environment):
        failed("no feed is open: set CITYRISK_PUSH_TOKEN_<DEPARTMENT>_<FEED> for each department that pushes")
    intake = open_intake(home, ops_engine(home), new_run_id(now()), now)
    uvicorn.run(push_app(home, contracts, deliver_into(intake, contracts), now), host=host, port=port)


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

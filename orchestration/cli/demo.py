"""`cityrisk demo`: a whole simulated city, its departments, one batch, and the pages, from one command."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated

import typer

from ingest.settings import Home, open_home
from orchestration.cli.shell import all_contracts, app, current_home, failed, now, ops_engine, verb

CITY_CODES = {"yichang": "420500", "zunyi": "520300"}


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
    from orchestration.batch import Batch, BatchFailed, new_run_id, run_batch

    if city not in CITY_CODES:
        raise typer.BadParameter(f"{city!r}; expected one of {', '.join(CITY_CODES)}", param_hint="--city")
    home = current_home()
    create_secrets(home.root)
    as_of = now().replace(minute=0, second=0, microsecond=0)
    _say(f"building {city}: {days} days, seed {seed}, scale {scale} …")
    built = build_city(home.root, city, days=days, seed=seed, scale=scale, as_of=as_of)
    _remember(home, CITY_CODES[city])
    with departments(home) as environment:
        home = open_home({**os.environ, **environment}, home.root)
        _say("departments are open; running the batch: fetch → land → check → build → audit → publish …")
        batch = Batch(home, ops_engine(home), all_contracts(), new_run_id(now()), now, CITY_CODES[city])
        try:
            result = run_batch(batch)
        except BatchFailed as error:
            failed(str(error))
        landed = sum(o.rows_landed for o in result.outcomes)
        refused = sum(o.rows_quarantined for o in result.outcomes)
        _say(f"{landed:,} rows landed, {refused:,} in quarantine; checks {result.verdicts}")
        _say(f"published {result.generation}" if result.generation else "nothing new to publish")
        del built
        if not once:
            _serve_pages(home, port)

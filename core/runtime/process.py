"""One process of a home from its start to the signal that ends it: its log, its contracts, and that it runs alone."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from core.catalogue import load_contracts
from core.contract import Contract
from core.errors import ExplainedError
from core.settings import Home, SettingsError, open_home
from core.system import systems_root

log = logging.getLogger(__name__)

Serve = Callable[[Home, Mapping[str, Contract], Callable[[], datetime], asyncio.Event], Awaitable[None]]


def run_process(serve: Serve) -> None:
    """Run the process of the home that the environment names, with its contracts, until SIGTERM or SIGINT."""
    contracts = load_contracts(systems_root(os.environ))
    run_until_signal(lambda stop: serve(open_home(os.environ), contracts, lambda: datetime.now(UTC), stop))


def run_until_signal(run: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run until SIGTERM or SIGINT sets the event that `run` is given."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")

    async def until_signal() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await run(stop)

    try:
        asyncio.run(until_signal())
    except ExplainedError as error:  # its text is for people, a trace of calls would bury it
        log.error("%s", error)
        raise SystemExit(1) from error


@contextmanager
def running_alone(home: Home, process: str) -> Iterator[None]:
    """Be the only process of this name in a home: two would publish or fold the same stream twice.

    Raises SettingsError when another one runs. A kill releases the lock.
    """
    home.run.mkdir(parents=True, exist_ok=True)
    with (home.run / f"{process}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SettingsError(f"{home.root}: another {process} process is running; stop it first") from error
        yield

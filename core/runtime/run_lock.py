"""One batch at a time in a home: a lock that a kill releases."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from core.settings import Home

LOCK_POLL_S = 0.5


class HomeBusyError(RuntimeError):
    """Another batch is running in this home; says which process."""


@contextmanager
def only_run(home: Home, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the home's run lock: one batch at a time.

    Raises HomeBusyError when another one still holds it after `wait_s` seconds.
    """
    home.root.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait_s
    with (home.root / "run.lock").open("a+") as lock:
        while not _locked(lock):
            if time.monotonic() >= deadline:
                lock.seek(0)
                raise HomeBusyError(f"another batch is running in {home.root} (pid {lock.read().strip() or '?'})")
            time.sleep(LOCK_POLL_S)
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

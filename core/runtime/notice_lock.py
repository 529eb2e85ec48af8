"""Whether a channel worker of a home is alive: it holds a shared lock for as long as it lives; a kill releases it."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from core.settings import Home

DRY_RUN = "CITYRISK_CHANNELS_DRY_RUN"  # anything but 0, false or no: no channel of this home sends anything
_LOCK = "telling.lock"


@contextmanager
def live_worker(home: Home) -> Iterator[None]:
    """Be one of those who tell, for the length of a block."""
    home.run.mkdir(parents=True, exist_ok=True)
    with (home.run / _LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def has_live_worker(home: Home) -> bool:
    """Whether a channel worker of this home is alive."""
    path = home.run / _LOCK
    if not path.exists():
        return False
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def is_dry_run(home: Home) -> bool:
    """Whether this home only writes down what it would have sent."""
    return home.environment.get(DRY_RUN, "").lower() not in ("", "0", "false", "no")

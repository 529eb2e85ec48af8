"""A page's eyes: the list that Alerts live draws, read through `access` as often as the page reads it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from access.alerts_view import AlertFilter, board
from access.live import ops_reader
from access.rights import CITY_WIDE
from core.settings import Home

REFRESH_S = 1.0


@contextmanager
def looking(home: Home) -> Iterator[dict[str, float]]:
    """Alert → the instant (Unix time) at which the newest first list had it, for the length of a block."""
    found, done = dict[str, float](), threading.Event()
    wanted = AlertFilter(newest_first=True)

    def look() -> None:
        while not done.wait(REFRESH_S):
            with ops_reader(home) as live:
                if live is None:
                    continue
                rows = board(live, CITY_WIDE, wanted).rows
            at = time.time()
            for row in rows:
                found.setdefault(row.alert_id, at)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()

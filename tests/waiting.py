"""Wait for something that happens in another process, with a deadline and no blind sleep longer than a blink."""

from __future__ import annotations

import time
from collections.abc import Callable

# For what must happen: whoever waits goes on at once when it does, so only a test that fails takes so long. Much, for
# the machine may be crowded; what is promised within some seconds is measured by a benchmark, where nobody else works.
PATIENCE_S = 60.0


def until(condition: Callable[[], object], within_s: float = PATIENCE_S, what: str = "it") -> None:
    """Return as soon as `condition` holds. Raises AssertionError when it does not within `within_s` seconds."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {within_s:g} s"
        time.sleep(0.02)

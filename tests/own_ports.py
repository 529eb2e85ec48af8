"""Port numbers for servers that must be told one: no other test has them, and the system gives them to nobody."""

from __future__ import annotations

import itertools
import os
import socket

# Below what Linux gives to outgoing connections and to whoever asks for any port: a number from there, let go of to be
# taken again by a server, may be somebody else's by then.
FIRST, EACH, WORKERS = 12_000, 100, 200
_numbers = itertools.count(FIRST + os.getpid() % WORKERS * EACH)


def own_port() -> int:
    """A port of loopback on which nobody listens."""
    return next(filter(_is_free, _numbers))


def _is_free(number: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            return False
    return True

"""The HTTP server of the CAP feeds, up while the channel workers run; on loopback unless CITYRISK_CAP_HOST is set.

A second process of the same home finds the port taken and leaves serving to the first: both would serve the same
files.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime

from alerting.cap.feed import feed_app
from core.running import write_running
from core.runtime.http import DoorServer
from core.settings import Home

CAP_PORT = 9420
log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def serve_feeds(home: Home, is_public: Mapping[str, bool], now: datetime) -> AsyncIterator[int | None]:
    """Serve the feeds that `is_public` names; gives the port (0 in CITYRISK_CAP_PORT chooses a free one), or None."""
    listener = _listener(home) if is_public else None
    if listener is None:
        yield None
        return
    port = int(listener.getsockname()[1])
    write_running(home, "cap", {"http": port}, now)
    server = DoorServer(feed_app(home, is_public, lambda: datetime.now(UTC)))
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield port
    finally:
        server.should_exit = True
        await serving


def _listener(home: Home) -> socket.socket | None:
    host = home.environment.get("CITYRISK_CAP_HOST") or "127.0.0.1"
    port = home.number("CITYRISK_CAP_PORT", CAP_PORT)
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        log.warning("the CAP feed is not served: %s:%s: %s; set CITYRISK_CAP_PORT", host, port, error)
        return None

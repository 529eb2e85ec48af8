"""The web server of pages and consoles: uvicorn, with the limits on connections that every server of ours has.

A browser keeps a socket for each open page and half a dozen connections while it loads one, so people are given more
than programs are.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal

import uvicorn
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from access.web import is_behind_proxy, source_of
from core.runtime.http import KEEP_ALIVE_S, BoundedConnection
from core.settings import Home

MOST_CONNECTIONS = 512
MOST_OF_SOURCE = 128
STOP_WITHIN_S = 5
_LARGEST_MESSAGE_BYTES = 1 << 20  # what a browser may send over a socket at once


class BrowserConnection(BoundedConnection):
    """One connection of a browser."""

    most_connections = MOST_CONNECTIONS
    most_of_address = MOST_OF_SOURCE


class ProxyConnection(BoundedConnection):
    """One connection of a proxy of ours: everybody comes from its address, and `SharedPlaces` tells them apart."""

    most_connections = MOST_CONNECTIONS
    most_of_address = MOST_CONNECTIONS


class SharedPlaces:
    """Behind a proxy, lets no source have more requests and sockets open at once than it could without one."""

    def __init__(self, app: ASGIApp, home: Home) -> None:
        self._app = app
        self._home = home
        self._open: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it when its source has its share already."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        at = HTTPConnection(scope)
        source = source_of(self._home, at.client.host if at.client else None, at.headers)
        if self._open[source] >= MOST_OF_SOURCE:
            await _refuse(scope, receive, send)
            return
        self._open[source] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._open[source] -= 1
            if not self._open[source]:
                del self._open[source]


def web_server(app: ASGIApp, home: Home, port: int, lifespan: Literal["on", "off"]) -> uvicorn.Server:
    """A server on loopback that is not started yet: `run` serves until a signal asks to stop."""
    behind_proxy = is_behind_proxy(home)
    return uvicorn.Server(
        uvicorn.Config(
            SharedPlaces(app, home) if behind_proxy else app,
            host="127.0.0.1",
            port=port,
            lifespan=lifespan,
            http=ProxyConnection if behind_proxy else BrowserConnection,
            timeout_keep_alive=KEEP_ALIVE_S,
            h11_max_incomplete_event_size=32 * 1024,
            # A page that does not answer a ping of its socket for as long is gone.
            ws="websockets-sansio",
            ws_ping_interval=30,
            ws_ping_timeout=30,
            ws_max_size=_LARGEST_MESSAGE_BYTES,
            ws_per_message_deflate=False,
            # Who asks behind a proxy, and by which scheme, is ours to say (`access.web`): not every peer is a proxy.
            proxy_headers=False,
            server_header=False,
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=STOP_WITHIN_S,
        )
    )


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1013})
    else:
        await PlainTextResponse("too many connections of this address; close some pages\n", 429)(scope, receive, send)

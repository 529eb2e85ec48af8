"""Pages that idle and slow clients cannot hold, whether a proxy stands before them or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus

from access import webserver
from access.webserver import BrowserConnection, web_server
from core.settings import Home
from waiting import PATIENCE_S

pytestmark = pytest.mark.case("security.H3")


async def _stay(socket: WebSocket) -> None:
    await socket.accept()
    with suppress(WebSocketDisconnect):
        while True:
            await socket.receive_text()


@asynccontextmanager
async def opened(home: Home) -> AsyncIterator[int]:
    """A server of pages on a free port."""
    pages = Starlette(routes=[Route("/", lambda _: PlainTextResponse("a page")), WebSocketRoute("/stream", _stay)])
    server = web_server(pages, home, 0, "off")
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield int(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        await serving


async def asked(port: int, seen_as: str = "127.0.0.1") -> tuple[int, str]:
    """Status and text of the page."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://127.0.0.1:{port}/", headers={"X-Forwarded-For": seen_as})
        return answer.status_code, answer.text


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "])
async def test_who_does_not_ask_is_shut_out(home: Home, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(BrowserConnection, "head_within_s", 0.2)

    async with opened(home) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        with suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


async def test_one_address_cannot_take_every_place(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BrowserConnection, "most_connections", 8)
    monkeypatch.setattr(BrowserConnection, "most_of_address", 4)

    async with opened(home) as port, AsyncExitStack() as kept:
        url = f"ws://127.0.0.1:{port}/stream"
        for _ in range(2):  # open pages count as much as connections that say nothing
            await kept.enter_async_context(connect(url, local_addr=("127.0.0.2", 0), proxy=None))
        silent = [await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0)) for _ in range(20)]
        assert await asked(port) == (200, "a page")
        with pytest.raises((OSError, InvalidHandshake)):
            await connect(url, local_addr=("127.0.0.2", 0), proxy=None)
        for _, writer in silent:
            writer.close()


async def test_behind_a_proxy_each_source_has_its_share(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webserver, "MOST_OF_SOURCE", 2)
    behind = Home(home.root, {**home.environment, "CITYRISK_BEHIND_PROXY": "1"})

    async with opened(behind) as port:
        stream = f"ws://127.0.0.1:{port}/stream"
        greedy = {"X-Forwarded-For": "10.0.0.1"}
        async with (
            connect(stream, additional_headers=greedy, proxy=None),
            connect(stream, additional_headers=greedy, proxy=None),
        ):
            with pytest.raises(InvalidStatus):
                await connect(stream, additional_headers=greedy, proxy=None)
            assert (await asked(port, "10.0.0.1"))[0] == 429
            assert await asked(port, "10.0.0.2") == (200, "a page")
        async with asyncio.timeout(PATIENCE_S):
            while (await asked(port, "10.0.0.1"))[0] == 429:  # until the server has seen both sockets go
                await asyncio.sleep(0.01)

"""HTTP doors that idle and slow clients cannot hold, and tokens that cannot be guessed at leisure."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from core.runtime import http
from core.runtime.http import BoundedConnection, DoorServer, Guesses
from waiting import PATIENCE_S

NOW = datetime(2026, 11, 30, tzinfo=UTC)


@asynccontextmanager
async def open_door() -> AsyncIterator[int]:
    server = DoorServer(Starlette(routes=[Route("/", lambda _: PlainTextResponse("well"))]))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield int(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        await serving


async def asked(port: int) -> str:
    async with httpx.AsyncClient() as client:
        return (await client.get(f"http://127.0.0.1:{port}/")).text


@pytest.mark.case("security.H3")
@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "])
async def test_a_client_that_does_not_ask_is_shut_out(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(BoundedConnection, "head_within_s", 0.2)

    async with open_door() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


@pytest.mark.case("security.H3")
async def test_a_body_that_goes_on_after_its_answer_holds_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedConnection, "head_within_s", 0.2)

    async with open_door() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
        assert b"405" in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"x")  # ends the server's own wait for a next request
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), 5)
        writer.close()


@pytest.mark.case("security.H3")
async def test_idle_connections_leave_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedConnection, "most_connections", 6)
    monkeypatch.setattr(BoundedConnection, "most_of_address", 4)

    async with open_door() as port:
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(12)]
        closed = 0
        for reader, _ in idle:
            try:
                await asyncio.wait_for(reader.read(1), 0.05)
                closed += 1
            except TimeoutError:
                continue
            except ConnectionError:
                closed += 1
        assert closed == 8, "four of one address stay, the others are closed at once"
        for _, writer in idle:
            writer.close()
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    assert await asked(port) == "well"
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.01)


@pytest.mark.case("security.L4")
def test_guesses_are_limited_and_forgotten() -> None:
    guesses = Guesses()
    for number in range(http.GUESSES):
        assert not guesses.is_blocked("10.0.0.1", NOW)
        guesses.note("10.0.0.1", NOW + timedelta(seconds=number))
    assert guesses.is_blocked("10.0.0.1", NOW + timedelta(seconds=20))
    assert not guesses.is_blocked("10.0.0.2", NOW)
    assert not guesses.is_blocked("10.0.0.1", NOW + timedelta(minutes=2))

"""Nobody passes to Dagster's console without a login of ours, and nobody changes anything there."""

from __future__ import annotations

import warnings
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from access import users
from core.settings import Home
from orchestration.guarded_console import GuardedConsole

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the client asks for the next httpx, which nothing else here does
    from starlette.testclient import TestClient

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
PASSWORD = "a long enough one"
URL = "http://127.0.0.1:3070"
QUESTION, MUTATION = "query Q { version }", 'mutation { stopRunningSchedule(id: "x") { __typename } }'

pytestmark = pytest.mark.case("security.C1")


async def _look(request: Request) -> PlainTextResponse:
    return PlainTextResponse("console " + (await request.body()).decode())


async def _listen(socket: WebSocket) -> None:
    await socket.accept()
    with suppress(WebSocketDisconnect):
        while True:
            await socket.send_text(await socket.receive_text())
    await socket.close()


@pytest.fixture
def client(home: Home) -> TestClient:
    """A browser without a login before a console that would do anything."""
    for name, role in (("wang", "data_engineer"), ("duty", "duty_officer")):
        users.add_user(home, name, PASSWORD, role, NOW)
    routes = [WebSocketRoute("/graphql", _listen), Route("/{path:path}", _look, methods=["GET", "POST", "PUT"])]
    door = GuardedConsole(Starlette(routes=routes), home, 3070, lambda: NOW)
    return TestClient(door, base_url=URL, follow_redirects=False)


def log_in(client: TestClient, name: str = "wang", password: str = PASSWORD) -> int:
    return client.post("/login", data={"name": name, "password": password}, headers={"Origin": URL}).status_code


def test_without_a_login_there_is_a_form_and_nothing_else(client: TestClient) -> None:
    assert client.get("/runs").headers["location"] == "/login"
    assert client.post("/graphql", json={"query": QUESTION}).status_code == 401
    assert client.get("/health").text == "ok\n"
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("ws://127.0.0.1:3070/graphql"):
        pass
    assert log_in(client, password="wrong") == 401
    assert log_in(client, name="duty") == 403
    assert client.get("/runs").headers["location"] == "/login"


def test_a_data_engineer_looks_and_changes_nothing(client: TestClient) -> None:
    assert log_in(client) == 303
    cookie = next(iter(client.cookies.jar))
    assert (cookie.has_nonstandard_attr("HttpOnly"), cookie.get_nonstandard_attr("SameSite")) == (True, "strict")
    assert client.get("/runs").text == "console "
    assert QUESTION in client.post("/graphql", json={"query": QUESTION}).text
    for body in ({"query": MUTATION}, [{"query": QUESTION}, {"query": MUTATION}], {"query": QUESTION + MUTATION}):
        answer = client.post("/graphql", json=body)
        assert answer.status_code == 403, body
    assert client.get("/graphql", params={"query": MUTATION}).status_code == 405
    assert client.post("/report_asset_materialization/a", json={"query": QUESTION}).status_code == 405
    assert client.put("/graphql", json={"query": QUESTION}).status_code == 405
    with client.websocket_connect("ws://127.0.0.1:3070/graphql") as socket:
        socket.send_json({"payload": {"query": "subscription { events }"}})
        assert "events" in socket.receive_text()
        socket.send_json({"payload": {"query": MUTATION}})
        with pytest.raises(WebSocketDisconnect):
            socket.receive_text()


def test_other_hosts_and_origins_are_refused(client: TestClient) -> None:
    assert log_in(client) == 303
    assert client.get("/runs", headers={"Host": "evil.example:3070"}).status_code == 421
    foreign = {"Origin": "http://evil.example"}
    assert client.post("/graphql", json={"query": QUESTION}, headers=foreign).status_code == 403
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("ws://127.0.0.1:3070/graphql", headers=foreign):
        pass

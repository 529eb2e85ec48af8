"""The door before the pages: who logs in keeps a cookie that no script reads, and nothing else is sent to pages."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnected

from access import users
from core.settings import Home
from dashboards.guarded_pages import GuardedPages

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the client asks for the next httpx, which nothing else here does
    from starlette.testclient import TestClient

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
PASSWORD = "a long enough one"
URL = "http://127.0.0.1:8501"
OWN = {"Origin": URL}


async def _page(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"page {request.url.path}")


@pytest.fixture
def client(home: Home) -> TestClient:
    """A browser before pages that would take anything."""
    users.add_user(home, "zhang", PASSWORD, "duty_officer", NOW)
    pages = Starlette(routes=[Route("/{path:path}", _page, methods=["GET", "POST", "PUT", "DELETE"])])
    return TestClient(GuardedPages(pages, home, 8501, lambda: NOW), base_url=URL, follow_redirects=False)


def logged_in(client: TestClient, back: str = "/alerts", headers: dict[str, str] = OWN) -> tuple[int, str, str]:
    """Status, where to, and the cookie of a login."""
    form = {"name": "zhang", "password": PASSWORD, "back": back}
    answer = client.post("/login", data=form, headers=headers)
    return answer.status_code, answer.headers.get("location", ""), answer.headers.get("set-cookie", "")


@pytest.mark.case("security.M9")
@pytest.mark.parametrize(
    ("headers", "is_secure"),
    [
        (OWN, False),
        ({**OWN, "X-Forwarded-Proto": "https"}, True),
        ({"Origin": "https://127.0.0.1:8501"}, True),  # a proxy that says nothing
    ],
)
def test_the_cookie_is_for_the_server_alone(client: TestClient, headers: dict[str, str], is_secure: bool) -> None:
    status, _, cookie = logged_in(client, headers=headers)
    assert status == 303
    said = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/", "max-age=43200"} <= said
    assert ("secure" in said) == is_secure


@pytest.mark.case("security.M9")
@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
@pytest.mark.parametrize("path", ["/login", "/logout"])
def test_a_page_elsewhere_logs_nobody_in_or_out(client: TestClient, path: str, headers: dict[str, str]) -> None:
    answer = client.post(path, data={"name": "zhang", "password": PASSWORD}, headers=headers)
    assert (answer.status_code, answer.headers.get("set-cookie")) == (403, None)


def test_nothing_but_a_login_is_sent_to_pages(client: TestClient) -> None:
    assert client.get("/alerts").text == "page /alerts"
    for method, path in (("POST", "/alerts"), ("PUT", "/_stcore/upload_file/x"), ("DELETE", "/login")):
        answer = client.request(method, path, headers=OWN)
        assert (answer.status_code, answer.headers["connection"]) == (405, "close"), method
    assert client.post("/login", data={"name": "x" * 10_000}, headers=OWN).status_code == 413
    assert client.get("/login", headers={"Host": "evil.example"}).status_code == 421
    assert client.get("/alerts").headers["x-frame-options"] == "SAMEORIGIN"


@pytest.mark.parametrize(
    ("back", "leads_to"),
    [
        ("/alerts?lang=en&alert=a1", "/alerts?alert=a1"),
        ("/map", "/map"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example/", "/"),
        ("/\t/evil.example/", "/"),
        ("", "/"),
    ],
)
def test_a_login_leads_back_to_a_page_of_ours(client: TestClient, back: str, leads_to: str) -> None:
    assert logged_in(client, back)[1] == leads_to


def test_the_form_remembers_where_somebody_came_from(client: TestClient) -> None:
    came = f'{URL}/alerts?alert="><script>alert(1)</script>'
    form = client.get("/login?lang=en", headers={"Referer": came}).text
    assert "<script" not in form
    assert 'value="/alerts?alert=&quot;&gt;&lt;script&gt;' in form
    refused = client.post(
        "/login", data={"name": "zhang", "password": "wrong", "back": "/map", "lang": "en"}, headers=OWN
    )
    assert refused.status_code == 401
    assert "Wrong name or password" in refused.text
    assert 'value="/map"' in refused.text


def test_leaving_takes_the_session_and_the_cookie(home: Home, client: TestClient) -> None:
    logged_in(client)
    token = client.cookies["cityrisk_8501"]
    assert users.user_of(home, token, NOW) is not None
    left = client.post("/logout", headers={**OWN, "Referer": f"{URL}/map?lang=en"})
    assert (left.status_code, left.headers["location"]) == (303, "/map?lang=en")
    assert "max-age=0" in left.headers["set-cookie"].lower()
    assert users.user_of(home, token, NOW) is None


async def test_a_browser_that_goes_while_its_socket_opens_leaves_no_trace(home: Home) -> None:
    async def gone(scope: Scope, receive: Receive, send: Send) -> None:
        raise WebSocketDisconnected(scope["type"])

    async def never() -> Message:
        raise AssertionError("nothing is read")

    async def sent(message: Message) -> None:
        raise AssertionError(f"nothing is sent: {message}")

    headers = [(b"host", b"127.0.0.1:8501"), (b"origin", b"http://127.0.0.1:8501")]
    scope = {"type": "websocket", "path": "/_stcore/stream", "headers": headers, "query_string": b""}
    await GuardedPages(gone, home, 8501, lambda: NOW)(scope, never, sent)

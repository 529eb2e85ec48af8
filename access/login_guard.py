"""What a web server for people checks before it answers: host names, origins, logging in and out.

Who logged in is remembered by a cookie that no script can read and that no page elsewhere makes a browser send. Not
here: who somebody is (`access.users`), how many may connect (`access.webserver`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Receive, Send

from access import people, users
from access.web import allowed_hosts, host_of, is_own_origin, source_of
from core.settings import Home

FORM_WITHIN_S = 10.0
_LARGEST_FORM_BYTES = 8 << 10


@dataclass(frozen=True)
class LoginGuard:
    """The login of one web server: the home whose people may pass, and the cookie by which it knows them."""

    home: Home
    cookie: str
    clock: Callable[[], datetime]

    def refusal(self, at: HTTPConnection) -> Response | None:
        """The answer to a foreign host name, or to a deed of a page elsewhere; None lets the request go on."""
        if host_of(at.headers.get("host", "")) not in allowed_hosts(self.home):
            return PlainTextResponse("this host name is not served here; it is not in CITYRISK_HOSTS\n", 421)
        if at.scope.get("method") not in ("GET", "HEAD") and not is_own_origin(at.headers):
            return PlainTextResponse("a request from another origin is refused\n", 403)
        return None

    def source(self, at: HTTPConnection) -> str:
        """The address that asks."""
        return source_of(self.home, at.client.host if at.client else None, at.headers)

    async def log_in(self, at: HTTPConnection, form: dict[str, str]) -> tuple[str, people.User]:
        """A new session for the `name` and `password` of a form. Raises LoginRefused."""
        name, password = form.get("name", ""), form.get("password", "")
        return await run_in_threadpool(users.log_in, self.home, name, password, self.clock(), self.source(at))

    async def log_out(self, token: str) -> None:
        """End a session."""
        await run_in_threadpool(users.log_out, self.home, token, self.clock())

    async def user(self, at: HTTPConnection) -> people.User | None:
        """Whose cookie the request brings."""
        token = self.token(at)
        return await run_in_threadpool(users.user_of, self.home, token, self.clock()) if token else None

    def token(self, at: HTTPConnection) -> str:
        """What the cookie holds, '' without one."""
        return at.cookies.get(self.cookie, "")

    def remember(self, answer: Response, at: HTTPConnection, token: str, length: timedelta | None = None) -> None:
        """Give the browser a session to keep: until it is closed, or for so long; an empty token takes it away."""
        age_s = None if length is None else int(length.total_seconds())
        answer.set_cookie(
            self.cookie,
            token,
            max_age=age_s if token else 0,
            path="/",
            httponly=True,
            samesite="strict",
            secure=is_over_tls(at),
        )


def is_over_tls(at: HTTPConnection) -> bool:
    """Whether the browser speaks TLS, to us or to a proxy before us: the proxy says so, or the browser's own origin."""
    said = (at.headers.get("x-forwarded-proto"), urlsplit(at.headers.get("origin", "")).scheme, at.url.scheme)
    return any(scheme in ("https", "wss") for scheme in said)


async def read_form(receive: Receive) -> dict[str, str] | None:
    """The fields of a short form; None for one that is too large or takes too long."""
    try:
        async with asyncio.timeout(FORM_WITHIN_S):
            body = await read_body(receive, _LARGEST_FORM_BYTES)
    except TimeoutError:
        return None
    fields = parse_qs((body or b"").decode("ascii", "replace"))
    return None if body is None else {name: values[0] for name, values in fields.items()}


async def read_body(receive: Receive, largest_bytes: int) -> bytes | None:
    """The whole body, None for one that is too large."""
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if len(body) > largest_bytes:
            return None
        if not message.get("more_body"):
            return body


def guarded(send: Send, framed_by: str) -> Send:
    """Every answer says which pages may frame it (DENY or SAMEORIGIN), and that its type is what it says."""

    async def guarded_send(message: Message) -> None:
        if message["type"] == "http.response.start":
            extra = [(b"x-frame-options", framed_by.encode()), (b"x-content-type-options", b"nosniff")]
            message = {**message, "headers": [*message.get("headers", []), *extra]}
        await send(message)

    return guarded_send

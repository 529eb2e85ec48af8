"""The login before Dagster's console: a login of ours, Host and Origin checked, and nothing changed through the web.

It wraps the console as an ASGI application in the same process, so that no port leads around it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from access import users
from access.login_guard import LoginGuard, guarded, read_body, read_form
from core.settings import Home

ROLES = frozenset({"administrator", "data_engineer"})
LARGEST_BODY_BYTES = 1 << 20  # of a question to the console; the longest of its own have some 20 kB
_FORM = """<!doctype html><html lang="zh"><meta charset="utf-8"><title>登录 · Log in</title>
<style>body{{font-family:sans-serif;max-width:20rem;margin:15vh auto}}
input,button{{width:100%;margin:.3rem 0;padding:.5rem;box-sizing:border-box}}</style>
<h1>调度台 · Console</h1><p>{said}</p><form method="post" action="/login">
<label>用户名 · Name<input name="name" autocomplete="username" required></label>
<label>密码 · Password<input name="password" type="password" autocomplete="current-password" required></label>
<button>登录 · Log in</button></form></html>"""
_WRONG = "用户名或密码不对，或无权进入 · Wrong name or password, or not your page"


class GuardedConsole:
    """Lets only people of `ROLES` pass to the console behind it, and only to look."""

    def __init__(self, console: ASGIApp, home: Home, port: int, clock: Callable[[], datetime]) -> None:
        self._console = console
        self._guard = LoginGuard(home, f"cityrisk_console_{port}", clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or refuse one request; a websocket that is refused is closed before it opens."""
        if scope["type"] == "lifespan":
            await self._console(scope, receive, send)
            return
        send = guarded(send, "DENY")
        answer = await self._before_login(scope, receive)
        if answer is None and not await self._may_look(HTTPConnection(scope)):
            answer = _to_login(scope)
        if answer is None and scope.get("method") == "POST":
            body = await read_body(receive, LARGEST_BODY_BYTES)
            answer = _unwanted(body)
            receive = _again(body)
        if answer is None and scope["type"] == "websocket":
            receive = _only_questions(receive)
        if answer is None:
            await self._console(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await answer(scope, receive, send)

    async def _before_login(self, scope: Scope, receive: Receive) -> Response | None:
        """What is answered to anybody; None lets the request go on to the question who asks."""
        at = HTTPConnection(scope)
        refusal = self._guard.refusal(at)
        if refusal is not None:
            return refusal
        method = scope.get("method", "websocket")
        if method not in ("GET", "HEAD", "POST", "websocket"):
            return PlainTextResponse("only looking is allowed here\n", 405)
        # Dagster answers questions in an address too: an image of another page could ask there.
        if method != "POST" and method != "websocket" and at.url.path.rstrip("/") == "/graphql":
            return PlainTextResponse("questions are asked by POST\n", 405)
        # Dagster takes reports of assets by POST too, and asks nobody whether it is read-only.
        if method == "POST" and at.url.path.rstrip("/") not in ("/graphql", "/login"):
            return PlainTextResponse("only looking is allowed here\n", 405)
        if at.url.path == "/health":
            return PlainTextResponse("ok\n")
        if at.url.path != "/login":
            return None
        return HTMLResponse(_FORM.format(said="")) if method == "GET" else await self._log_in(at, receive)

    async def _log_in(self, at: HTTPConnection, receive: Receive) -> Response:
        form = await read_form(receive)
        try:
            token, user = await self._guard.log_in(at, form or {})
        except users.LoginRefused:
            return HTMLResponse(_FORM.format(said=_WRONG), 401)
        if user.role not in ROLES:
            await self._guard.log_out(token)
            return HTMLResponse(_FORM.format(said=_WRONG), 403)
        answer = RedirectResponse("/", 303)
        self._guard.remember(answer, at, token)
        return answer

    async def _may_look(self, at: HTTPConnection) -> bool:
        user = await self._guard.user(at)
        return user is not None and user.role in ROLES


def _to_login(scope: Scope) -> Response:
    if scope.get("method") == "GET":
        return RedirectResponse("/login", 303)
    return PlainTextResponse("log in first\n", 401)


def _unwanted(body: bytes | None) -> Response | None:
    """A refusal for anything but questions. The console is read-only itself; this is the second wall."""
    if body is None:
        return PlainTextResponse(f"more than {LARGEST_BODY_BYTES} bytes\n", 413)
    try:
        asked = json.loads(body)
        is_question = all(_is_question(one["query"]) for one in (asked if isinstance(asked, list) else [asked]))
    except (ValueError, KeyError, TypeError):
        return PlainTextResponse("expected a GraphQL question in JSON\n", 400)
    if is_question:
        return None
    return PlainTextResponse("nothing is changed through the web; `cityrisk schedules` starts and stops them\n", 403)


def _is_question(query: str) -> bool:
    try:
        document = parse(query)
    except GraphQLError:
        return False
    operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    return all(one.operation is not OperationType.MUTATION for one in operations)


def _again(body: bytes | None) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body or b"", "more_body": False}

    return receive


def _only_questions(receive: Receive) -> Receive:
    """Subscriptions of an open page pass, a mutation in them ends the connection."""

    async def checked() -> Message:
        message = await receive()
        text = message.get("text")
        if text:
            try:
                query = (json.loads(text).get("payload") or {}).get("query")
            except (ValueError, AttributeError):
                query = "not JSON"
            if query is not None and not _is_question(str(query)):
                return {"type": "websocket.disconnect", "code": 1008}
        return message

    return checked

"""The login before the pages: Host and Origin checked, people logged in and out, and nothing else sent to Streamlit.

Anybody may look; who may act is asked where they act.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from html import escape
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnected

from access import users
from access.login_guard import LoginGuard, guarded, read_form
from access.serving import Home
from dashboards import look
from dashboards.language import DEFAULT, LANGUAGES, Language, Words, words_of

LOG_IN, LOG_OUT = "/login", "/logout"
_ALONE = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"


def cookie_name(port: int) -> str:
    """The cookie of these pages: those of several homes on one machine differ only in their port."""
    return f"cityrisk_{port}"


class GuardedPages:
    """Streamlit behind a login of ours."""

    def __init__(self, pages: ASGIApp, home: Home, port: int, clock: Callable[[], datetime]) -> None:
        self._pages = pages
        self._guard = LoginGuard(home, cookie_name(port), clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or refuse one request; a websocket that is refused is closed before it opens."""
        if scope["type"] == "lifespan":
            await self._pages(scope, receive, send)
            return
        send = guarded(send, "SAMEORIGIN")  # charts are frames of the page itself
        at = HTTPConnection(scope)
        answer = self._guard.refusal(at) or await self._own(at, receive)
        if answer is None:
            with suppress(WebSocketDisconnected):  # a browser that goes while its socket opens is no fault of the pages
                await self._pages(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await answer(scope, receive, send)

    async def _own(self, at: HTTPConnection, receive: Receive) -> Response | None:
        """The answer of the login itself; None for what is asked of the pages."""
        method, path = at.scope.get("method", "websocket"), at.url.path
        if method in ("GET", "HEAD"):
            words = words_of(_language(at.query_params.get("lang")))
            return _form(words, _back_to(at.headers.get("referer", ""))) if path == LOG_IN else None
        if method == "websocket":
            return None
        if method != "POST" or path not in (LOG_IN, LOG_OUT):
            # The body of a refused request is not waited for.
            return PlainTextResponse("pages only show; nothing is sent to them\n", 405, {"connection": "close"})
        form = await read_form(receive)
        if form is None:
            return PlainTextResponse("a login is short and sent at once\n", 413, {"connection": "close"})
        return await (self._log_in(at, form) if path == LOG_IN else self._log_out(at))

    async def _log_in(self, at: HTTPConnection, form: dict[str, str]) -> Response:
        back = _local(form.get("back", ""))
        try:
            token, _ = await self._guard.log_in(at, form)
        except users.LoginRefused:
            return _form(words_of(_language(form.get("lang"))), back, is_refused=True)
        # Pages speak the language of who came, not the one in which they were looked at before.
        answer = RedirectResponse(_without_language(back), 303)
        self._guard.remember(answer, at, token, users.session_length(self._guard.home))
        return answer

    async def _log_out(self, at: HTTPConnection) -> Response:
        await self._guard.log_out(self._guard.token(at))
        answer = RedirectResponse(_back_to(at.headers.get("referer", "")), 303)
        self._guard.remember(answer, at, "")
        return answer


def _form(words: Words, back: str, is_refused: bool = False) -> Response:
    """The page on which people log in, before its first and after a refused attempt."""
    said = look.banner("bad", words("login.wrong")) if is_refused else ""
    body = f"""<!doctype html><html lang="{words.language}"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>{escape(words("login.open"))}</title>
{look.STYLE}{look.LOGIN_STYLE}
<main class="cr"><h1>{escape(words("app.name"))}</h1>{said}
<form method="post" action="{LOG_IN}"><input type="hidden" name="lang" value="{words.language}">
<input type="hidden" name="back" value="{escape(back)}">
<label>{escape(words("login.name"))}<input name="name" autocomplete="username" required autofocus></label>
<label>{escape(words("login.password"))}<input name="password" type="password" autocomplete="current-password"
required></label><button>{escape(words("login.enter"))}</button></form>
<a href="{escape(back)}">{escape(words("login.back"))}</a></main></html>"""
    return HTMLResponse(
        body, 401 if is_refused else 200, {"content-security-policy": _ALONE, "cache-control": "no-store"}
    )


def _language(asked: str | None) -> Language:
    return next((one for one in LANGUAGES if one == asked), DEFAULT)


def _back_to(referer: str) -> str:
    """The page from which somebody came to log in; the first page when it was none of ours."""
    from_page = urlsplit(referer)
    is_own = from_page.path not in (LOG_IN, LOG_OUT)
    return _local(f"{from_page.path}?{from_page.query}" if from_page.query else from_page.path) if is_own else "/"


def _local(address: str) -> str:
    """An address within these pages, never one that a browser takes for another site."""
    is_local = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if is_local else "/"


def _without_language(address: str) -> str:
    split = urlsplit(address)
    return split._replace(query=urlencode([pair for pair in parse_qsl(split.query) if pair[0] != "lang"])).geturl()

"""Who is logged in to these pages: a session of the ops store, remembered by the browser tab and by a cookie.

The cookie holds a random token and nothing of the person; a session that ended in the store is over whatever the
browser still keeps. Not here: passwords, roles and locks (`access.users`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

import streamlit as st

from access import users, web
from access.serving import Home
from dashboards.language import LANGUAGES, Words

User = users.User
_TOKEN, _COOKIE = "session_token", "session_cookie"
# Streamlit reads cookies but sets none. Pages of several homes on one machine differ only in their port.
_KEEP = """export default function ({ data }) {
  const age = data.token ? data.age_s : 0;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${data.name}=${data.token}; path=/; max-age=${age}; SameSite=Strict${secure}`;
}"""


@cache
def _keeper() -> Any:
    return st.components.v2.component("cityrisk_cookie", html="<span></span>", js=_KEEP)


def current(home: Home, now: datetime) -> User | None:
    """Who is logged in, by this tab or by the browser's cookie; None for everybody else."""
    token = st.session_state.get(_TOKEN)
    if token is None:
        token = st.context.cookies.get(_cookie_name()) or ""
        st.session_state[_TOKEN] = token
    if not token:
        return None
    user = users.user_of(home, token, now)
    if user is not None and "lang" not in st.session_state and "lang" not in st.query_params:
        _speak(user)
    return user


def is_served_here(home: Home) -> bool:
    """Whether the browser asks under a host name of ours; a page elsewhere may point its own name at this machine.

    Streamlit itself refuses sockets of another origin than their Host. What it answers to any Host is its own program
    text; everything of the city comes through a page, and a page asks here first.
    """
    headers = {name.lower(): value for name, value in st.context.headers.items()}
    return web.host_of(headers.get("host", "")) in web.allowed_hosts(home)


def control(home: Home, words: Words, user: User | None) -> None:
    """The corner of the page where people log in and out."""
    label = words("login.open") if user is None else user.display_name
    # A box of its own for each state, so that it closes when somebody came or went.
    box = "login_out" if user is None else "login_in"
    with st.container(key="login_box"), st.popover(label, width="stretch", key=box):
        if user is None:
            with st.form("login_form", border=False):
                st.text_input(words("login.name"), key="login_name", autocomplete="username")
                st.text_input(words("login.password"), type="password", key="login_password",
                              autocomplete="current-password")  # fmt: skip
                st.form_submit_button(words("login.enter"), on_click=_log_in, args=(home,), type="primary")
            if st.session_state.pop("login_refused", False):
                st.error(words("login.wrong"))
        else:
            st.caption(f"{user.name} · {words(f'role.{user.role}')}")
            st.button(words("login.leave"), on_click=_log_out, args=(home,), key="log_out")
    kept = st.session_state.get(_COOKIE)
    if kept is not None:
        data = {"name": _cookie_name(), "token": kept, "age_s": int(users.session_length(home).total_seconds())}
        _keeper()(key="cookie_keeper", data=data, height=1)


def _log_in(home: Home) -> None:
    name, password = st.session_state["login_name"], st.session_state["login_password"]
    st.session_state["login_password"] = ""
    try:
        source = web.source_of(home, st.context.ip_address, {k.lower(): v for k, v in st.context.headers.items()})
        token, user = users.log_in(home, name, password, _now(), source)
    except users.LoginRefused:
        st.session_state["login_refused"] = True
        return
    st.session_state[_TOKEN] = st.session_state[_COOKIE] = token
    _speak(user)


def _log_out(home: Home) -> None:
    users.log_out(home, st.session_state.get(_TOKEN, ""), _now())
    st.session_state[_TOKEN] = st.session_state[_COOKIE] = ""


def _speak(user: User) -> None:
    """Pages speak the person's language from now on; the switch still works."""
    if user.language in LANGUAGES:
        st.session_state["lang"] = user.language
        st.query_params["lang"] = user.language


def _cookie_name() -> str:
    return f"cityrisk_{st.get_option('server.port')}"


def _now() -> datetime:
    return datetime.now(UTC)

"""Who is logged in to these pages: a session of the ops store, brought by the browser's cookie.

The cookie holds a random token and nothing of the person; a session that ended in the store is over whatever the
browser still keeps.
"""

from __future__ import annotations

from datetime import datetime
from html import escape

import streamlit as st

from access import people, users
from access.serving import Home
from dashboards import look
from dashboards.guarded_pages import LOG_IN, LOG_OUT, cookie_name
from dashboards.language import LANGUAGES, Words

User = people.User


def current(home: Home, now: datetime) -> User | None:
    """Who is logged in by the cookie that came when this page was opened; None for everybody else."""
    token = _kept_token()
    user = users.user_of(home, token, now) if token else None
    if user is not None and "lang" not in st.session_state and "lang" not in st.query_params:
        _speak(user)
    return user


def control(words: Words, user: User | None) -> None:
    """The corner of the page where people log in and out: plain links and forms, which need no script."""
    with st.container(key="login_box"):
        if user is None:
            address = f"{LOG_IN}?lang={words.language}"
            st.html(f'<div class="cr"><a class="door" href="{address}">{escape(words("login.open"))}</a></div>')
            return
        with st.popover(look.label(user.display_name), width="stretch"):
            st.caption(f"{look.code(user.name)} · {words(f'role.{user.role}')}")
            leave = f'<button class="door">{escape(words("login.leave"))}</button>'
            st.html(f'<div class="cr"><form method="post" action="{LOG_OUT}">{leave}</form></div>')


def _kept_token() -> str | None:
    return st.context.cookies.get(cookie_name(st.get_option("server.port")))


def _speak(user: User) -> None:
    """Pages speak the person's language from now on; the switch still works."""
    if user.language in LANGUAGES:
        st.session_state["lang"] = user.language
        st.query_params["lang"] = user.language

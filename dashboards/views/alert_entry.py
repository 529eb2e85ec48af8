"""Enter by hand what somebody phoned in, or start an exercise: it becomes an alert like any other, with its person."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import timedelta
from html import escape

import streamlit as st

from access import alert_words
from access import alerts_view as alerts
from access.alerts import DESK_ROLES
from dashboards import commands
from dashboards.frame import Scene, may_not


def draw(scene: Scene, counties: Mapping[str, tuple[str, str | None]]) -> None:
    """The form, folded away until it is needed."""
    words = scene.words
    commands.show_said(scene, "entry")
    with st.expander(words("entry.title"), key="entry_box"):
        if barred := may_not(scene, DESK_ROLES):
            st.html(f'<div class="cr"><p class="quiet">{escape(barred)}</p></div>')
            return
        own = [code for code in counties if scene.user is not None and scene.user.reader.may_see(code)]
        # One id a form, so that two clicks enter one event.
        st.session_state.setdefault("entry_id", secrets.token_hex(8))
        st.toggle(words("entry.exercise"), key="entry_exercise", help=words("entry.exercise_help"))
        first, second, third = st.columns(3)
        first.selectbox(
            words("alerts.colour"),
            alerts.COLOURS,
            index=1,
            format_func=lambda one: words(f"warning.{one}"),
            key="entry_colour",
        )
        kinds = alert_words.event_kinds(scene.home)
        second.selectbox(
            words("entry.kind"), list(kinds), format_func=lambda one: _kind(scene, one, kinds[one]), key="entry_kind"
        )
        third.selectbox(
            words("alerts.area"),
            own,
            format_func=lambda code: words.pick(*counties[code]),
            key="entry_area",
        )
        st.text_input(words("entry.name"), key="entry_name", max_chars=80)
        st.text_area(words("entry.text"), key="entry_text", height=72, max_chars=1000)
        fourth, fifth, sixth = st.columns(3)
        fourth.time_input(words("entry.happened"), value=None, key="entry_happened", step=timedelta(minutes=5))
        fifth.number_input(words("entry.lon"), value=None, format="%.5f", key="entry_lon")
        sixth.number_input(words("entry.lat"), value=None, format="%.5f", key="entry_lat")
        st.button(words("entry.enter"), key="entry_enter", type="primary", on_click=commands.enter, args=(scene,))


def _kind(scene: Scene, kind: tuple[str, str], name: tuple[str, str]) -> str:
    return f"{scene.words(f'domain.{kind[0]}')} · {scene.words.pick(*name)}"

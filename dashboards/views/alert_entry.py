"""Enter by hand what somebody phoned in, or start an exercise: it becomes an alert like any other, with its person."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from html import escape

import streamlit as st

from access import alerts_view as alerts
from dashboards import deeds
from dashboards.parts import BEIJING, Scene


def draw(scene: Scene, counties: Mapping[str, tuple[str, str | None]]) -> None:
    """The form, folded away until it is needed."""
    words = scene.words
    deeds.show_said(scene, "entry")
    with st.expander(words("entry.title"), key="entry_box"):
        if scene.user is None:
            st.html(f'<div class="cr"><p class="quiet">{escape(words("login.needed"))}</p></div>')
            return
        # One id a form, so that two clicks enter one event.
        st.session_state.setdefault("entry_id", secrets.token_hex(8))
        is_exercise = st.toggle(words("entry.exercise"), key="entry_exercise", help=words("entry.exercise_help"))
        first, second, third = st.columns(3)
        colour = first.selectbox(
            words("alerts.colour"), alerts.COLOURS, index=1, format_func=lambda one: words(f"colour.{one}"),
            key="entry_colour",
        )  # fmt: skip
        kinds = alerts.event_kinds(scene.home)
        kind = second.selectbox(
            words("entry.kind"), list(kinds), format_func=lambda one: _kind(scene, one, kinds[one]), key="entry_kind"
        )
        area = third.selectbox(
            words("alerts.area"), list(counties), format_func=lambda code: words.pick(*counties[code]),
            key="entry_area",
        )  # fmt: skip
        st.text_input(words("entry.name"), key="entry_name", max_chars=80)
        st.text_area(words("entry.text"), key="entry_text", height=72, max_chars=1000)
        fourth, fifth, sixth = st.columns(3)
        happened = fourth.time_input(
            words("entry.happened"), value=None, key="entry_happened", step=timedelta(minutes=5)
        )
        lon = fifth.number_input(words("entry.lon"), value=None, format="%.5f", key="entry_lon")
        lat = sixth.number_input(words("entry.lat"), value=None, format="%.5f", key="entry_lat")
        entry = deeds.Entry(
            st.session_state["entry_id"], colour, kind or ("all", "any"), area or "", lon, lat, is_exercise,
            None if happened is None else _at(scene, happened.hour, happened.minute),
        )  # fmt: skip
        st.button(words("entry.enter"), key="entry_enter", type="primary", on_click=deeds.enter, args=(scene, entry))


def _kind(scene: Scene, kind: tuple[str, str], name: tuple[str, str]) -> str:
    return f"{scene.words(f'domain.{kind[0]}')} · {scene.words.pick(*name)}"


def _at(scene: Scene, hour: int, minute: int) -> datetime:
    """The last time that the Beijing clock showed this."""
    local = scene.now.astimezone(BEIJING)
    at = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return at if at <= local else at - timedelta(days=1)

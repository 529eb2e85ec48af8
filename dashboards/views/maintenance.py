"""Announced work: what is announced, a form to announce more, and the same form beside an alert."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import streamlit as st

from access import live
from access import maintenance as announced
from access.alerts import SILENCE_ROLES
from access.alerts_view import AlertDetail
from dashboards import commands, look
from dashboards.frame import Scene, clock, may_not

PLACE, ALERT_PLACE = "maintenance", "alert"


def draw(scene: Scene) -> None:
    """All windows that are on or to come; a form for any target, and the way to take one back."""
    words = scene.words
    with live.ops_reader(scene.home) as ops:
        rows = announced.windows(ops, scene.now) if ops is not None else []
    st.html(f'<div class="cr"><h2>{escape(words("maintenance.title"))}</h2>{_table(scene, rows)}</div>')
    commands.show_said(scene, PLACE)
    with st.expander(words("maintenance.announce"), key="maintenance_box"):
        if barred := may_not(scene, SILENCE_ROLES):
            st.html(f'<div class="cr"><p class="quiet">{escape(barred)}</p></div>')
            return
        first, second = st.columns([1, 2])
        first.selectbox(
            words("maintenance.kind"),
            announced.TARGET_KINDS,
            format_func=lambda one: words(f"target.{one}"),
            key=f"{PLACE}_work_kind",
        )
        second.text_input(
            words("maintenance.target"), key=f"{PLACE}_work_target", placeholder=words("maintenance.hint")
        )
        _rest(scene, PLACE, PLACE)
        if rows:
            _take_back(scene, rows)


def of_alert(scene: Scene, alert: AlertDetail) -> None:
    """The form for the device or the object of an alert: what alarms may be what somebody is working on."""
    if alert.origin == "person":  # no reading is behind it
        return
    words = scene.words
    form = f"alert_{alert.alert_id}"
    kind = alert.object_type if alert.object_type in ("area", "feed") else "object"
    choices = [f"{kind}:{alert.object_id}"]
    if alert.device_id:
        choices.insert(0, f"device:{alert.device_id}")
    with st.expander(words("maintenance.announce"), key=f"{form}_work_box"):  # a key keeps it open
        st.radio(
            words("maintenance.target"),
            choices,
            format_func=lambda one: _choice(scene, one, look.code),
            key=f"{form}_work_kind",
        )
        _rest(scene, ALERT_PLACE, form)


def _rest(scene: Scene, place: str, form: str) -> None:
    words = scene.words
    st.html(f'<div class="cr"><p class="quiet">{escape(words("maintenance.note"))}</p></div>')
    st.segmented_control(
        words("silence.length"),
        list(commands.LENGTHS),
        default=commands.DEFAULT_LENGTH,
        format_func=lambda one: words(f"length.{one}"),
        key=f"{form}_work_length",
    )
    st.text_input(words("maintenance.reason"), key=f"{form}_work_reason")
    with st.container(horizontal=True, gap="small"):
        for key, act in (("look", commands.look_at_maintenance), ("begin", commands.announce_maintenance)):
            st.button(words(f"maintenance.{key}"), key=f"{form}_work_{key}", on_click=act, args=(scene, place, form))


def _take_back(scene: Scene, rows: list[announced.MaintenanceWindow]) -> None:
    words = scene.words
    said = {row.window_id: f"{_target(scene, row)} · {row.reason}" for row in rows}
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    left.selectbox(
        words("maintenance.title"), list(said), format_func=lambda one: said.get(one, one), key=f"{PLACE}_work_window"
    )
    right.button(
        words("maintenance.end"), key=f"{PLACE}_work_end", on_click=commands.cancel_maintenance, args=(scene, PLACE)
    )


def _table(scene: Scene, rows: list[announced.MaintenanceWindow]) -> str:
    words = scene.words
    if not rows:
        return f'<p class="quiet">{escape(words("maintenance.none"))}</p>'
    heads = [
        (words("maintenance.target"), ""),
        (words("maintenance.from"), "keep"),
        (words("maintenance.to"), "keep"),
        (words("maintenance.reason"), "wide"),
        (words("maintenance.by"), ""),
    ]
    cells = [
        [
            escape(_target(scene, row)),
            clock(row.starts_at),
            clock(row.ends_at),
            escape(row.reason),
            escape(row.actor),
        ]
        for row in rows
    ]
    return look.table(heads, cells)


def _target(scene: Scene, row: announced.MaintenanceWindow) -> str:
    return _choice(scene, f"{row.target_kind}:{row.target}")


def _choice(scene: Scene, choice: str, form: Callable[[str], str] = str) -> str:
    kind, _, target = choice.partition(":")
    return f"{scene.words(f'target.{kind}')} {form(target)}"

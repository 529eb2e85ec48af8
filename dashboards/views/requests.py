"""What waits for a second person, what it covers, and the way to approve or refuse it; what became of the last ones."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from html import escape
from typing import Any

import streamlit as st

from access import live
from access import requests as asked
from dashboards import commands, look
from dashboards.frame import Scene, clock, may_not, present

PLACE = "request"


REFRESH_S = 5.0


def draw(scene: Scene) -> None:
    """The table of those that wait and of the last answers; the form for whoever may be the second name."""
    waiting, _ = _read(scene, scene.now)
    _list(scene, [one.request_id for one in waiting])
    commands.show_said(scene, PLACE)
    if waiting and not may_not(scene, asked.DECIDING_ROLES):
        _form(scene, waiting)


@st.fragment(run_every=REFRESH_S)
def _list(scene: Scene, drawn: list[str]) -> None:
    waiting, answered = _read(scene, present())
    if [one.request_id for one in waiting] != drawn:  # the form must follow
        st.rerun()
    if waiting or answered:
        head = f"<h2>{escape(scene.words('request.title'))} ({len(waiting)})</h2>"
        st.html(f'<div class="cr requests">{head}{_table(scene, [*waiting, *answered])}{_shadow(scene, waiting)}</div>')


def _read(scene: Scene, now: datetime) -> tuple[list[asked.Request], list[asked.Request]]:
    if scene.user is None:  # a list of what will be quiet is for people who are known
        return [], []
    reader = scene.user.reader
    with live.ops_reader(scene.home) as ops:
        if ops is None:
            return [], []
        return asked.waiting(ops, reader, now), asked.answered(ops, reader, now)


def _shadow(scene: Scene, rows: list[asked.Request]) -> str:
    """What proposed rules opened beside those in force."""
    words, cells = scene.words, []
    with live.ops_reader(scene.home) as ops:
        for one in rows if ops is not None else []:
            for rule in asked.shadow_of(ops, one) if ops is not None else []:
                apart = f"{len(rule.only_now)} / {len(rule.only_shadow)}"
                cells.append([escape(rule.rule_id), str(rule.n_now), str(rule.n_shadow), apart])
    if not cells:
        return ""
    heads = [(words(f"shadow.{one}"), "wide" if one == "rule" else "") for one in ("rule", "now", "shadow", "apart")]
    return f'<p class="quiet">{escape(words("shadow.note"))}</p>{look.table(heads, cells)}'


def _form(scene: Scene, waiting: list[asked.Request]) -> None:
    words = scene.words
    said = {one.request_id: f"{_subject(scene, one)} · {one.actor}" for one in waiting}
    left, middle, right = st.columns([3, 1, 1], vertical_alignment="bottom")
    left.selectbox(
        words("request.title"), list(said), format_func=lambda one: said.get(one, one), key=f"{PLACE}_chosen"
    )
    left.text_input(words("request.comment"), key=f"{PLACE}_comment")
    for place, is_yes, key in ((middle, True, "approve"), (right, False, "reject")):
        place.button(
            words(f"request.{key}"), key=f"{PLACE}_{key}", on_click=commands.answer_request, args=(scene, PLACE, is_yes)
        )


def _table(scene: Scene, rows: list[asked.Request]) -> str:
    words = scene.words
    heads = [
        (words("request.what"), "wide"),
        (words("request.covers"), "wide"),
        (words("request.by"), ""),
        (words("request.reason"), "wide"),
        (words("request.until"), "keep"),
        (words("request.state"), ""),
    ]
    cells = [
        [
            escape(_subject(scene, one)),
            escape(words.pick(*one.covers)),
            escape(one.actor),
            escape(one.reason),
            clock(one.expires_at),
            _state(scene, one),
        ]
        for one in rows
    ]
    return look.table(heads, cells)


def _state(scene: Scene, one: asked.Request) -> str:
    said = escape(scene.words(f"request_state.{one.state}"))
    by = f"{escape(one.decided_by or '')} {escape(one.answer or '')}".strip()
    return f"{said}<small>{by}</small>" if by else said


def _subject(scene: Scene, one: asked.Request) -> str:
    subject: Mapping[str, Any] = one.subject
    if "labels" in subject:
        what = " ".join(f"{label}={value}" for label, value in sorted(subject["labels"].items()))
    elif "target" in subject:
        kind = subject["target_kind"]
        what = f"{scene.words(f'target.{kind}')} {subject['target']}"
    else:
        what = str(subject.get("name") or subject.get("alert_id") or subject.get("generation") or "")
    return f"{scene.words(f'request_kind.{one.kind.value}')} {what}"

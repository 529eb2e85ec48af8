"""The strip above every page: what somebody must deal with now, the worst and the overdue first, and the bell.

It asks the alert store every two seconds and not the published generation, so that a red alert stands on every page
within seconds. Alerts live has its own, fuller list.
"""

from __future__ import annotations

from html import escape
from urllib.parse import urlencode

import streamlit as st

from access import alerts_view as alerts
from access import live
from dashboards import live_client, look
from dashboards.frame import Scene, clock, follow_generations, present

REFRESH_S = 2.0
ASKED = "alert"  # in the address of Alerts live: the alert that a link of another page chose


@st.fragment(run_every=REFRESH_S)
def draw(scene: Scene) -> None:
    """The strip, redrawn by itself."""
    follow_generations(scene.home)
    words, now = scene.words, present()
    with live.ops_reader(scene.home) as ops:
        if ops is None:  # a home that never ran; its pages say so
            return
        worst = alerts.worst_open(ops, scene.reader, now)
        reds = alerts.unanswered_reds(ops, scene.reader)
    st.html(f'<div class="cr strip">{_state(scene, worst)}{"".join(_line(scene, row) for row in worst.rows)}</div>')
    live_client.beat(words, now, live_client.calls(words, reds))


def link(scene: Scene, alert_id: str) -> str:
    """The address of an alert on Alerts live, escaped for an attribute."""
    return escape(f"alerts?{urlencode({'lang': scene.words.language, ASKED: alert_id})}")


def _state(scene: Scene, worst: alerts.WorstOpen) -> str:
    """Numbers by colour; that alerting itself is silent stands before them."""
    words, said = scene.words, []
    if worst.heartbeat.is_silent(present()):
        moved_at = worst.heartbeat.moved_at
        text = words("strip.never") if moved_at is None else words("strip.silent", at=clock(moved_at))
        said.append(f'<b class="bad" role="alert">{escape(text)}</b>')
    there = [(colour, worst.counts[colour]) for colour in alerts.COLOURS if colour in worst.counts]
    said += [look.risk_mark(colour, f"{words(f'colour_short.{colour}')} {n:,}") for colour, n in there]
    if not worst.counts:
        said.append(f"<span>{escape(words('strip.none'))}</span>")
    if worst.n_overdue:
        said.append(f'<b class="overdue">{escape(words("strip.overdue", n=f"{worst.n_overdue:,}"))}</b>')
    if worst.n_unanswered:
        text = words("strip.unanswered", n=f"{worst.n_unanswered:,}")
        said.append(f'<b class="overdue">{look.state_mark(alerts.UNANSWERED, text)}</b>')
    aside = (("suppressed", worst.n_suppressed), ("exercises", worst.n_exercises))
    said += [f"<span>{escape(words(f'strip.{key}', n=f'{n:,}'))}</span>" for key, n in aside if n]
    all_of_them = f'<a href="alerts?lang={words.language}" target="_self">{escape(words("strip.all"))}</a>'
    return f'<div class="state">{"".join(said)}{all_of_them}</div>'


def _line(scene: Scene, row: alerts.ListedAlert) -> str:
    words = scene.words
    state = look.state_mark(row.state, words(f"state.{row.state}"))
    due = f" {live_client.until(row.due_at)}" if row.due_at is not None else ""
    return (
        f'<a class="one" href="{link(scene, row.alert_id)}" target="_self">'
        f"{look.risk_mark(row.colour, words(f'colour_short.{row.colour}'))}"
        f"<b>{escape(row.object_name_zh)}</b><span>{scene.name(row.matters_zh, row.matters_en)}</span>"
        f"<small>{state} · {live_client.since(row.opened_at or row.starts_at)}{due}</small></a>"
    )

"""The system's alerts that somebody must deal with, as they stand at this moment."""

from __future__ import annotations

from html import escape

import streamlit as st

from access import alerts_view, live
from dashboards import live_strip, look
from dashboards.frame import clock, present
from dashboards.parts import Part, View
from dashboards.views import alert_detail

REFRESH_S = 5.0
SHOWN = 8
TEXTS = {
    "title": ("未处置的预警", "Open alerts"),
    "none": ("本系统没有未处置的预警。", "No alert of this system is open."),
    "no_rules": ("本系统没有预警规则，不会自动报警。", "This system has no alert rules: nothing rings by itself."),
    "no_store": (
        "找不到运行记录库：不知道有没有预警。",
        "The run store is not there: whether anything rings is not known.",
    ),
    "silent": (
        "预警进程没有运行：下面的预警可能不是现在的情况。",
        "Alerting is not running: the alerts below may not be what is now.",
    ),
    "more": (
        "共 {n} 条，最重的 {shown} 条在此；其余见“实时预警”。",
        "{n} in all, the worst {shown} here; the rest is on Alerts live.",
    ),
    "level": ("级别", "Level"),
    "what": ("对象与事由", "What"),
    "value": ("数值", "Value"),
    "since": ("开始", "Since"),
    "unit": ("处置单位", "Unit in charge"),
}


def draw(view: View) -> None:
    """The list, redrawn by itself."""
    view.title()
    _list(view)


@st.fragment(run_every=REFRESH_S)
def _list(view: View) -> None:
    scene = view.scene
    wanted = alerts_view.AlertFilter(system=view.system)
    with live.ops_reader(scene.home) as ops:
        if ops is None:
            view.html(look.banner("warn", view.say("no_store")))
            return
        found = alerts_view.board(ops, scene.reader, wanted, limit=SHOWN)
    if found.heartbeat.is_silent(present()) and view.system.rule_ids:
        view.html(look.banner("warn", view.say("silent")))
    if not found.rows:
        view.quiet(view.say("none" if view.system.rule_ids else "no_rules"))
        return
    heads = view.heads(level="keep", what="wide", value="n", since="keep", unit="")
    view.html(look.table(heads, [_cells(view, row) for row in found.rows]))
    if found.n_matching > len(found.rows):
        view.quiet(view.say("more", n=f"{found.n_matching:,}", shown=len(found.rows)))


def _cells(view: View, row: alerts_view.ListedAlert) -> list[str]:
    scene, words = view.scene, view.scene.words
    level = look.risk_mark(row.colour, words(f"colour_short.{row.colour}"))
    state = look.state_mark(row.state, words(f"state.{row.state}"))
    what = (
        f'<a href="{live_strip.link(scene, row.alert_id)}" target="_self">{escape(row.object_name_zh)}</a>'
        f"<small>{scene.name(row.matters_zh, row.matters_en)}</small>{alert_detail.marks(scene, row)}"
    )
    value = "–"
    if row.value is not None:
        limit = "" if row.threshold is None else f"<small>/ {alert_detail.number(row.threshold)}</small>"
        value = f"<b>{alert_detail.number(row.value)}</b> {escape(alert_detail.unit_of(scene, row))}{limit}"
    unit = f"{scene.name(row.disposing_unit_zh, row.disposing_unit_en)}<small>{escape(row.contact)}</small>"
    return [f"{level}<small>{state}</small>", what, value, clock(row.opened_at or row.starts_at), unit]


PART = Part(draw, TEXTS)

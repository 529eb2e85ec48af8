"""The objects with the highest residual risk, and the facts of the one that is chosen."""

from __future__ import annotations

from html import escape
from urllib.parse import urlencode

import streamlit as st

from access import map as risk
from access import system_page
from dashboards import look, object_facts
from dashboards.parts import Part, View

SHOWN = 8
OBJECT = "object"  # in the address: the object that a link chose
TEXTS = {
    "title": ("最危险的对象", "Worst objects"),
    "none": (
        "还没有对象：登记簿里没有，或还没有发布。",
        "No objects yet: the register has none, or none is published.",
    ),
    "unrated": ("这些对象没有风险分值：{why}", "These objects have no score: {why}"),
    "no_reason": ("原因未发布", "no reason is published"),
    "name": ("名称", "Name"),
    "area": ("区县", "County"),
    "score": ("分值", "Score"),
    "gone": ("没有这个对象，或不在可见范围内。", "There is no such object, or it is outside what you may see."),
}


def draw(view: View) -> None:
    """The table, then the chosen object."""
    view.title()
    found = system_page.object_page(view.mart, view.scene.reader, view.system, limit=SHOWN)
    if not found.rows:
        view.quiet(view.say("none"))
        return
    rated = [row for row in found.rows if row.score is not None]
    if rated:
        heads = [("", "keep"), (view.say("name"), ""), (view.say("area"), "keep"), (view.say("score"), "n")]
        view.html(look.table(heads, [_cells(view, row) for row in rated]))
    else:  # a list in no order would look like a ranking
        why = view.scene.words.pick(found.rows[0].reason_zh, found.rows[0].reason_en) or view.say("no_reason")
        view.quiet(view.say("unrated", why=why))
    _chosen(view)


def _cells(view: View, row: system_page.ObjectRow) -> list[str]:
    scene = view.scene
    why = f"<small>{scene.name(row.hazard_zh, row.hazard_en)}</small>" if row.hazard_zh else ""
    return [
        look.risk_mark(row.residual_colour, scene.words(f"colour_short.{row.residual_colour or 'none'}")),
        link(view, row.object_id, row.name_zh) + why,
        scene.name(row.area_name_zh, row.area_name_en) or "–",
        "–" if row.score is None else f"{row.score:.1f}",
    ]


def link(view: View, object_id: str, name: str) -> str:
    """A name that chooses its object."""
    address = f"?{urlencode({'lang': view.scene.words.language, OBJECT: object_id})}"
    return f'<a href="{escape(address)}" target="_self">{escape(name)}</a>'


def _chosen(view: View) -> None:
    asked = st.query_params.get(OBJECT)
    if asked and asked != st.session_state.get(view.key("asked")):  # a click on the map may choose another one later
        st.session_state[view.key("asked")] = st.session_state[view.key("picked")] = asked
    picked = st.session_state.get(view.key("picked"))
    if not picked:
        return
    facts = risk.object_facts(view.mart, view.scene.reader, picked)
    if facts is None:
        view.quiet(view.say("gone"))
        return
    view.html(f"<h2>{escape(facts['name_zh'])}</h2>{look.facts(object_facts.pairs(view.scene, facts))}")


PART = Part(draw, TEXTS, width=0.4, is_for=lambda system: bool(system.object_types))

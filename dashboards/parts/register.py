"""All objects of the system with search, colours and pages, the worst first."""

from __future__ import annotations

from html import escape

import streamlit as st

from access import system_page
from access.map import COLOURS
from dashboards import look
from dashboards.frame import clock
from dashboards.parts import Part, View
from dashboards.parts.worst import link

TEXTS = {
    "title": ("登记簿", "Register"),
    "search": ("名称或编号", "Name or id"),
    "colours": ("剩余风险", "Residual risk"),
    "none": ("没有符合条件的对象。", "No object matches."),
    "empty": (
        "还没有对象：登记簿里没有，或还没有发布。",
        "No objects yet: the register has none, or none is published.",
    ),
    "page": ("第几页（共 {n} 个对象）", "Page ({n} objects)"),
    "colour": ("剩余风险", "Risk"),
    "name": ("名称", "Name"),
    "area": ("区县", "County"),
    "score": ("分值", "Score"),
    "why": ("主要原因", "Main reason"),
    "devices": ("在线设备", "Devices online"),
    "observed": ("最新观测", "Newest reading"),
    "never": ("从未", "never"),
}


def draw(view: View) -> None:
    """Filters, one page of rows, and which page."""
    view.title()
    left, right = st.columns([1, 2], vertical_alignment="bottom")
    text = left.text_input(view.say("search"), key=view.key("register_text"))
    words, everything = view.scene.words, [*COLOURS, "none"]
    colours = right.pills(
        view.say("colours"),
        everything,
        selection_mode="multi",
        default=everything,
        format_func=lambda one: words(f"colour_short.{one}"),
        key=view.key("register_colours"),
    )
    chosen = None if set(colours) == set(everything) else colours
    page = page_shown(view, "register")
    found = system_page.object_page(view.mart, view.scene.reader, view.system, text, chosen, page)
    if not found.n_matching:
        view.quiet(view.say("none" if text.strip() or chosen is not None else "empty"))
        return
    heads = view.heads(colour="keep", name="", area="keep", score="n", why="wide")
    if view.system.has_devices:
        heads += view.heads(devices="n", observed="keep")
    view.html(look.table(heads, [_cells(view, row) for row in found.rows]))
    choose_page(view, "register", found.n_matching)


def _cells(view: View, row: system_page.ObjectRow) -> list[str]:
    scene = view.scene
    why = (row.hazard_zh, row.hazard_en) if row.score is not None else (row.reason_zh, row.reason_en)
    cells = [
        look.risk_mark(row.residual_colour, scene.words(f"colour_short.{row.residual_colour or 'none'}")),
        f"{link(view, row.object_id, row.name_zh)}<small>{escape(row.object_id)}</small>",
        scene.name(row.area_name_zh, row.area_name_en) or "–",
        "–" if row.score is None else f"{row.score:.1f}",
        scene.name(*why) or "–",
    ]
    if view.system.has_devices:
        state = "online" if row.devices_online == row.devices else "silent"
        cells.append(look.state_mark(state, f"{row.devices_online} / {row.devices}") if row.devices else "–")
        cells.append(clock(row.last_observed_at) if row.last_observed_at else view.say("never") if row.devices else "–")
    return cells


def page_shown(view: View, of: str) -> int:
    """Which page of a list is open."""
    return int(st.session_state.get(view.key(f"{of}_page"), 0))


def choose_page(view: View, of: str, n_matching: int) -> None:
    """Another page of a list; a list that became shorter goes back to its first."""
    n_pages, key = -(-n_matching // system_page.ROWS_A_PAGE), view.key(f"{of}_page")
    if page_shown(view, of) >= n_pages:
        st.session_state[key] = 0
        st.rerun()
    if n_pages > 1:
        st.selectbox(
            view.say("page", n=f"{n_matching:,}"),
            range(n_pages),
            format_func=lambda one: f"{one + 1} / {n_pages}",
            key=key,
            width=240,
        )


PART = Part(draw, TEXTS, is_for=lambda system: bool(system.object_types))

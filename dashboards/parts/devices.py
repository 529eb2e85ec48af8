"""Every device of the system: whether it reports, since when not, where it stands."""

from __future__ import annotations

from html import escape

import streamlit as st

from access import system_page
from dashboards import look
from dashboards.frame import age_words, clock
from dashboards.parts import Part, View
from dashboards.parts.register import choose_page, page_shown

TEXTS = {
    "title": ("设备", "Devices"),
    "as_of": ("状态以发布时为准", "as they stood when published"),
    "search": ("设备或对象的名称、编号", "Name or id of device or object"),
    "states": ("状态", "Status"),
    "online": ("在线", "Online"),
    "silent": ("失联", "Silent"),
    "faulty": ("故障", "Faulty"),
    "none": ("没有符合条件的设备。", "No device matches."),
    "empty": (
        "还没有设备：登记簿里没有，或还没有发布。",
        "No devices yet: the register has none, or none is published.",
    ),
    "page": ("第几页（共 {n} 台设备）", "Page ({n} devices)"),
    "device": ("设备", "Device"),
    "place": ("所在对象", "Stands at"),
    "metrics": ("测量", "Measures"),
    "observed": ("最新观测", "Newest reading"),
    "never": ("从未有读数", "never"),
    "ago": ("{age} 前", "{age} ago"),
}


def draw(view: View) -> None:
    """Filters, one page of rows, and which page."""
    view.title(note=view.say("as_of"))
    left, right = st.columns([1, 2], vertical_alignment="bottom")
    text = left.text_input(view.say("search"), key=view.key("device_text"))
    everything = list(system_page.DEVICE_STATES)
    states = right.pills(
        view.say("states"),
        everything,
        selection_mode="multi",
        default=everything,
        format_func=view.say,
        key=view.key("device_states"),
    )
    chosen = None if set(states) == set(everything) else states
    page = page_shown(view, "device")
    found = system_page.device_page(view.mart, view.scene.reader, view.system, text, chosen, page)
    if not found.n_matching:
        view.quiet(view.say("none" if text.strip() or chosen is not None else "empty"))
        return
    heads = view.heads(states="keep", device="", place="", metrics="wide", observed="keep")
    view.html(look.table(heads, [_cells(view, row) for row in found.rows]))
    choose_page(view, "device", found.n_matching)


def _cells(view: View, row: system_page.DeviceRow) -> list[str]:
    scene = view.scene
    named = [view.system.metric(metric) for metric in row.metrics]
    metrics = [
        scene.words.pick(metric.name_zh, metric.name_en) if metric else name
        for name, metric in zip(row.metrics, named, strict=True)
    ]
    observed = view.say("never")
    if row.last_observed_at is not None:
        age = view.say("ago", age=age_words(scene.words, scene.now - row.last_observed_at))
        observed = f"{clock(row.last_observed_at)}<small>{escape(age)}</small>"
    separator = "、" if scene.words.language == "zh" else ", "
    return [
        look.state_mark(row.status, view.say(row.status)),
        f"{escape(row.name_zh or row.device_id)}<small>{escape(row.device_id)}</small>",
        escape(row.object_name_zh or "–"),
        escape(separator.join(metrics) or "–"),
        observed,
    ]


PART = Part(draw, TEXTS, is_for=lambda system: system.has_devices)

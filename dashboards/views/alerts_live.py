"""Alerts live: what is wrong now, worst first, redrawn every second; who does what about it, by name.

Only the list and the chosen alert are redrawn, not the page: what somebody types stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape

import polars as pl
import streamlit as st

from access import alert_words, channels, live
from access import alerts_view as alerts
from access import map as risk
from dashboards import address, charts, live_client, live_strip, look
from dashboards.frame import BEIJING, Scene, clock, present, title_line
from dashboards.views import alert_detail, alert_entry, requests

REFRESH_S = 1.0
MAP_REFRESH_S = 5.0
_ORDERS, _KINDS, _STATES = ("worst", "newest"), ("both", "real", "exercise"), alerts.STATES[:8]
# Filters that hold several values: name in the address, all there are, those that the page opens with.
_HELD = (("colours", alerts.COLOURS, alerts.COLOURS), ("states", _STATES, alerts.LISTED))
_CLICK = "function (event) { if (event.data && event.data.pick) return event.data.pick + '|' + Date.now(); }"


def draw(scene: Scene) -> None:
    """The page. It needs no published generation: alerts are there before the first one."""
    words = scene.words
    title_line(scene, words("nav.alerts"), [words("alerts.subtitle"), words("edition.zone")])
    counties = alert_words.places(scene.home)
    address.text(live_strip.ASKED, "alert_chosen")
    _heart(scene)
    wanted = _filters(scene, counties)
    left, right = st.columns([2, 1])
    with left:
        _board(scene, wanted, st.session_state.get("alert_chosen"))
        requests.draw(scene)
        alert_entry.draw(scene, counties)
    with right:
        chosen = st.session_state.get("alert_chosen")
        address.follow(live_strip.ASKED, chosen)
        if chosen:
            with st.container(key="alert_chosen_box"):
                alert_detail.draw(scene, chosen)
        else:
            st.html(f'<div class="cr"><p class="quiet">{escape(words("alerts.choose_hint"))}</p></div>')
        _map(scene, wanted, tuple(counties.items()))
        if chosen:
            alert_detail.story(scene, chosen)


def _filters(scene: Scene, counties: Mapping[str, tuple[str, str | None]]) -> alerts.AlertFilter:
    words = scene.words
    first, second, third, fourth = st.columns([1.3, 2.6, 1.1, 0.8], vertical_alignment="bottom")
    for name, many, opens_with in _HELD:
        address.several(name, f"alert_{name}", many, opens_with)
    address.one("order", "alert_order", _ORDERS, _ORDERS[0])
    address.one("domain", "alert_domain", alert_words.ALERTED_DOMAINS)
    address.one("area", "alert_area", counties)
    address.one("exercise", "alert_exercise", _KINDS, _KINDS[0])
    colours = first.pills(
        words("alerts.colour"),
        alerts.COLOURS,
        selection_mode="multi",
        format_func=lambda one: words(f"colour_short.{one}"),
        key="alert_colours",
    )
    states = second.pills(
        words("alerts.state"),
        _STATES,
        selection_mode="multi",
        format_func=lambda one: words(f"state.{one}"),
        key="alert_states",
    )
    order = third.segmented_control(
        words("alerts.order"),
        _ORDERS,
        format_func=lambda one: words(f"order.{one}"),
        key="alert_order",
    )
    more = fourth.popover(words("alerts.more"), width="stretch")
    domain = more.selectbox(
        words("alerts.domain"),
        [None, *alert_words.ALERTED_DOMAINS],
        format_func=lambda one: words(f"domain.{one}") if one else words("alerts.every"),
        key="alert_domain",
    )
    area = more.selectbox(
        words("alerts.area"),
        [None, *counties],
        format_func=lambda code: words.pick(*counties[code]) if code else words("alerts.every"),
        key="alert_area",
    )
    kind = more.selectbox(
        words("alerts.exercises"),
        _KINDS,
        format_func=lambda one: words(f"exercise.{one}"),
        key="alert_exercise",
    )
    for (name, many, opens_with), chosen_now in zip(_HELD, (colours, states), strict=True):
        address.follow(name, [one for one in many if one in chosen_now], opens_with)
    for name, chosen_one in (("order", order), ("domain", domain), ("area", area), ("exercise", kind)):
        address.follow(name, chosen_one, {"order": _ORDERS[0], "exercise": _KINDS[0]}.get(name))
    is_exercise = {"real": False, "exercise": True}.get(kind)
    return alerts.AlertFilter(tuple(states), tuple(colours), domain, area, is_exercise, order == "newest")


@st.fragment(run_every=REFRESH_S)
def _board(scene: Scene, wanted: alerts.AlertFilter, chosen: str | None) -> None:
    if st.session_state.get("alert_chosen") != chosen:  # a click came before this redraw: the page must follow
        st.rerun()
    now = present()
    with live.ops_reader(scene.home) as ops:
        if ops is None:
            st.html(f'<div class="cr">{look.banner("warn", scene.words("alerts.no_store"))}</div>')
            return
        found = alerts.board(ops, scene.reader, wanted, st.session_state.get("alert_page", 0))
        reds = alerts.unanswered_reds(ops, scene.reader)
    live_client.beat(scene.words, now, live_client.calls(scene.words, reds), choose)
    st.html(f'<div class="cr">{_tiles(scene, found)}</div>')
    _list(scene, found, chosen)
    _pages(scene, found.n_matching)


def choose(alert_id: str) -> None:
    """Look at an alert; on the next drawing its facts stand beside the list."""
    st.session_state["alert_chosen"] = alert_id


@st.fragment(run_every=REFRESH_S)
def _heart(scene: Scene) -> None:
    """Whether alerting works: a list that nobody writes any more must not look like a quiet city."""
    words = scene.words
    with live.ops_reader(scene.home) as ops:
        if ops is None:  # the list says so
            return
        heartbeat, stuck = alerts.heartbeat(ops), channels.undelivered(ops, present())
    if heartbeat.moved_at is None:
        inside = look.banner("bad", words("alerts.never"))
    elif heartbeat.is_silent(present()):
        at = heartbeat.moved_at.astimezone(BEIJING).strftime("%m-%d %H:%M:%S")
        text = escape(words("alerts.silent", at=at))
        inside = f'<div class="banner bad" role="alert">{text} {live_client.since(heartbeat.moved_at)}</div>'
    else:
        inside = f'<span class="quiet">{look.state_mark("fresh", words("alerts.heard"))}</span>'
    st.html(f'<div class="cr heart">{inside}{_stuck(scene, stuck)}</div>')


def _stuck(scene: Scene, stuck: Sequence[tuple[str, int, datetime]]) -> str:
    """What did not reach those who should know: somebody must call them."""
    if not stuck:
        return ""
    words, names = scene.words, channels.names(scene.home)
    said = []
    for channel, n, oldest_at in stuck:
        name = words.pick(*names.get(channel, (channel, channel)))
        said.append(words("alerts.stuck_channel", name=name, n=n, at=clock(oldest_at)))
    return look.banner("warn", words("alerts.stuck", said=words("alert.and").join(said)))


def _tiles(scene: Scene, found: alerts.Board) -> str:
    """What somebody must deal with by colour, of it what nobody answered; what waits; exercises apart."""
    words, counts = scene.words, found.counts
    pairs = []
    for colour in alerts.COLOURS:
        n_living = sum(counts.get((colour, state), 0) for state in ("open", "acknowledged", "dispatched"))
        n_open = counts.get((colour, "open"), 0)
        label = f"{escape(words(f'colour_short.{colour}'))} · {escape(words('alerts.unanswered', n=n_open))}"
        pairs.append((look.risk_mark(colour, f"{n_living:,}"), label))
    for state in (alerts.UNANSWERED, "resolved", "suppressed", "pending"):
        n_all = sum(counts.get((colour, state), 0) for colour in alerts.COLOURS)
        pairs.append((look.state_mark(state, f"{n_all:,}"), escape(words(f"state.{state}"))))
    if found.n_exercises:
        pairs.append((f"{found.n_exercises:,}", escape(words("mark.exercise"))))
    return look.tiles(pairs)


def _list(scene: Scene, found: alerts.Board, chosen: str | None) -> None:
    words = scene.words
    if not found.rows:
        st.html(f'<div class="cr"><p class="quiet">{escape(words("alerts.none"))}</p></div>')
        return
    heads = [
        (words("alerts.level"), "keep"),
        (words("alerts.what"), "wide"),
        (words("alerts.value"), "n"),
        (words("alerts.basis"), ""),
        (words("alerts.clock"), ""),
        (words("alerts.unit"), ""),
    ]
    rows = [(row.alert_id, row.colour, row.alert_id == chosen, _cells(scene, row)) for row in found.rows]
    st.html(f'<div class="cr">{look.board(heads, rows)}</div>')


def _cells(scene: Scene, row: alerts.ListedAlert) -> list[str]:
    words = scene.words
    level = look.risk_mark(row.colour, words(f"colour_short.{row.colour}"))
    state = look.state_mark(row.state, words(f"state.{row.state}"))
    pick = f'<button type="button" class="pick">{escape(row.object_name_zh)}</button>'
    what = f"{pick}<small>{scene.name(row.matters_zh, row.matters_en)}</small>{alert_detail.marks(scene, row)}"
    basis = alert_detail.basis_of(scene, row)
    unit = f"{scene.name(row.disposing_unit_zh, row.disposing_unit_en)}<small>{escape(row.contact)}</small>"
    return [f"{level}<br><small>{state}</small>", what, _value(scene, row), basis, _clocks(scene, row), unit]


def _value(scene: Scene, row: alerts.ListedAlert) -> str:
    if row.value is None:
        return "–"
    limit = "" if row.threshold is None else f"<small>/ {alert_detail.number(row.threshold)}</small>"
    return f"<b>{alert_detail.number(row.value)}</b> {escape(alert_detail.unit_of(scene, row))}{limit}"


def _clocks(scene: Scene, row: alerts.ListedAlert) -> str:
    words = scene.words
    began = row.opened_at or row.starts_at
    lines = [f"{clock(began)}<small>{alert_detail.lasting(scene, row)}</small>"]
    if row.due_at is not None and row.state in alerts.WORKED_ON:
        due = words(f"due.{row.state}")
        lines.append(f"<small>{due} {live_client.until(row.due_at)}</small>")
    return "".join(lines)


def _pages(scene: Scene, n_matching: int) -> None:
    n_pages = -(-n_matching // alerts.ROWS_A_PAGE)
    if n_pages <= 1:
        st.session_state["alert_page"] = 0
        return
    shown = range(n_pages)
    st.session_state["alert_page"] = min(st.session_state.get("alert_page", 0), n_pages - 1)
    st.selectbox(
        scene.words("alerts.page", n=f"{n_matching:,}"),
        shown,
        format_func=lambda one: f"{one + 1} / {n_pages}",
        key="alert_page",
        width=220,
    )


@st.fragment(run_every=MAP_REFRESH_S)
def _map(scene: Scene, wanted: alerts.AlertFilter, counties: tuple[tuple[str, tuple[str, str | None]], ...]) -> None:
    """Where the listed alerts are, each colour in its own shape; the chosen one in a ring."""
    words = scene.words
    with live.ops_reader(scene.home) as ops:
        page = st.session_state.get("alert_page", 0)
        rows = alerts.board(ops, scene.reader, wanted, page).rows if ops is not None else []
    placed = [row for row in rows if row.lon is not None and row.lat is not None]
    names = dict(counties)
    codes = [wanted.area_code] if wanted.area_code else sorted(names or {row.area_code[:6] for row in placed})
    outlines = risk.county_polygons(tuple(codes))
    if not outlines["features"]:
        return
    named = [
        {"area_code": code, "name": words.pick(*names[code]) if code in names else code, "colour": None}
        for code in codes
    ]
    chosen = st.session_state.get("alert_chosen")
    name = f"alerts-{wanted.area_code or 'all'}-{len(codes)}"
    options = charts.risk_map(name, named, _points(placed), chosen, risk.aspect_scale(outlines), words)
    result = charts.show(options, f"alert_map_{words.language}", "340px", outlines=(name, outlines), on_click=_CLICK)
    st.html(f'<div class="cr quiet">△ {escape(words("map.note"))}</div>')
    clicked = result.get("chart_event") if result else None
    if isinstance(clicked, str) and clicked != st.session_state.get("alert_map_clicked"):
        st.session_state["alert_map_clicked"] = clicked
        choose(clicked.rpartition("|")[0])
        st.rerun()


def _points(rows: list[alerts.ListedAlert]) -> pl.DataFrame:
    columns = {
        "object_id": "alert_id",
        "name_zh": "object_name_zh",
        "colour": "colour",
        "lon": "lon",
        "lat": "lat",
    }
    kinds = {name: pl.Float64 if name in ("lon", "lat") else pl.String for name in columns}
    return pl.DataFrame([{name: getattr(row, of) for name, of in columns.items()} for row in rows], schema=kinds)

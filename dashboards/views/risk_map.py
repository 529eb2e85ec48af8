"""Risk map: counties by index colour, objects by residual colour or that of a worse alert; nothing from the web."""

from __future__ import annotations

from html import escape
from typing import Any

import polars as pl
import streamlit as st

from access import city, serving
from access import map as risk
from dashboards import address, charts, look, object_facts
from dashboards.frame import Scene, edition_words, title_line, warn_when_stale

_LISTED, _FOUND, _WORST = 200, 50, 8
# More objects than a map can show apart: the first look is then at those that somebody must act on.
_CROWDED, _FIRST_SHOWN = 1000, ["red", "orange"]
# The component keeps its last answer, so each click carries its moment: the same object may be clicked twice.
_CLICK = "function (event) { if (event.data && event.data.pick) return event.data.pick + '|' + Date.now(); }"


def draw(scene: Scene, mart: serving.Mart) -> None:
    """The page."""
    words = scene.words
    title_line(scene, words("nav.map"), edition_words(scene, city.edition(mart)))
    warn_when_stale(scene, mart)
    top = city.top_area(mart, scene.reader)
    if top is None:
        st.html(f'<div class="cr">{look.banner("warn", words("banner.no_index"))}</div>')
        return
    wanted, counties = _filters(scene, mart, top)
    alerted = object_facts.alerted(scene)
    page = risk.objects(mart, scene.reader, wanted, alerted=alerted)
    left, right = st.columns([2.1, 1])
    with left:
        _draw_map(scene, counties, page.frame, wanted.area_code)
    with right:
        _legend(scene, page, risk.colour_counts(mart, scene.reader, wanted, alerted))
        _facts(scene, mart, page.frame)
        _listing(scene, page.frame)


def _filters(scene: Scene, mart: serving.Mart, top: city.Area) -> tuple[risk.ObjectFilter, pl.DataFrame]:
    words = scene.words
    first, second, third = st.columns([1.7, 1, 1.5])
    address.one("domain", "map_domain", city.DOMAINS, "all")
    domain = first.segmented_control(
        words("map.domain"),
        city.DOMAINS,
        format_func=lambda one: words(f"domain.{one}"),
        key="map_domain",
    )
    counties = city.area_ranking(mart, scene.reader, domain or "all", top.area_code)
    names = {
        row["area_code"]: words.pick(row["name_zh"], row["name_en"])
        for row in counties.sort("area_code").iter_rows(named=True)
    }
    address.one("area", "map_area", names)
    area = second.selectbox(
        words("map.area"),
        [None, *names],
        format_func=lambda code: names[code] if code else words("map.all_areas"),
        key="map_area",
    )
    everything = [*risk.COLOURS, "none"]
    is_crowded = sum(risk.colour_counts(mart, scene.reader, risk.ObjectFilter()).values()) > _CROWDED
    first_shown = _FIRST_SHOWN if is_crowded else everything
    address.several("colours", "map_colours", everything, first_shown)
    colours = third.pills(
        words("map.colours"),
        everything,
        selection_mode="multi",
        format_func=lambda one: words(f"colour_short.{one}"),
        key="map_colours",
    )
    address.follow("domain", domain, "all")
    address.follow("area", area)
    address.follow("colours", [one for one in everything if one in colours], first_shown)
    wanted = risk.ObjectFilter(
        domain=None if domain in (None, "all") else domain,
        area_code=area,
        colours=tuple(None if one == "none" else one for one in colours),
    )
    return wanted, counties


def _draw_map(scene: Scene, counties: pl.DataFrame, objects: pl.DataFrame, area_code: str | None) -> None:
    words = scene.words
    if area_code is not None:  # one county fills the picture
        counties = counties.filter(pl.col("area_code") == area_code)
    named = [
        {**row, "name": words.pick(row["name_zh"], row["name_en"])}
        for row in counties.sort("area_code").iter_rows(named=True)
    ]
    outlines = risk.county_polygons(tuple(row["area_code"] for row in named))
    scale = risk.aspect_scale(outlines)
    # One chart for each ground, so that what is shown of one stays as it was moved and zoomed while things are chosen.
    name = f"counties-{area_code or 'all'}"
    options = charts.risk_map(name, named, objects, st.session_state.get("map_picked"), scale, words)
    key = f"map_{words.language}_{area_code or 'all'}"
    result = charts.show(options, key, "580px", outlines=(name, outlines), on_click=_CLICK)
    clicked = result.get("chart_event") if result else None
    if isinstance(clicked, str) and clicked != st.session_state.get("map_clicked"):
        st.session_state["map_clicked"] = clicked
        st.session_state["map_picked"] = clicked.rpartition("|")[0]
        st.rerun()
    st.html(f'<div class="cr quiet">△ {escape(words("map.note"))} · {escape(words("map.counties"))}</div>')


def _legend(scene: Scene, page: risk.ObjectPage, counts: Any) -> None:
    words = scene.words
    marks = "".join(
        f"<span>{look.risk_mark(colour, object_facts.grade(words, colour))} {counts.get(colour, 0)}</span>"
        for colour in (*risk.COLOURS, None)
    )
    n_shown = page.frame.height
    if page.n_matching == 0:
        said = words("map.none")
    elif n_shown < page.n_matching:
        said = words("map.cut", shown=f"{n_shown:,}", total=f"{page.n_matching:,}")
    else:
        said = words("map.shown", shown=f"{n_shown:,}", total=f"{page.n_matching:,}")
    st.html(f'<div class="cr"><div class="legend">{marks}</div><p class="quiet">{escape(said)}</p></div>')


def _facts(scene: Scene, mart: serving.Mart, objects: pl.DataFrame) -> None:
    words = scene.words
    found = st.text_input(words("map.find"), key="map_find", placeholder=words("map.find_hint")).strip()
    matches = risk.find(mart, scene.reader, found, _FOUND) if found else objects.head(_LISTED)
    names = dict(matches.select("object_id", "name_zh").iter_rows())
    if found:
        said = words("map.found", n=len(names)) if names else words("map.found_none")
        st.html(f'<div class="cr"><p class="quiet">{escape(said)}</p></div>')
    address.text("object", "map_picked")
    picked = st.session_state.get("map_picked")
    if found and picked not in names and len(names) == 1:
        picked = st.session_state["map_picked"] = next(iter(names))
    facts = risk.object_facts(mart, scene.reader, picked) if picked else None
    if facts is not None and picked not in names:
        names = {picked: facts["name_zh"], **names}
    st.session_state["map_choice"] = picked if facts is not None else None
    address.follow("object", st.session_state["map_choice"])
    st.selectbox(
        words("map.choose"),
        list(names),
        index=None,
        placeholder=words("map.choose_hint"),
        format_func=lambda key: names.get(key) or key,
        key="map_choice",
        on_change=_choose,
    )
    if facts is None:
        st.html(f'<div class="cr"><p class="quiet">{escape(words("map.pick"))}</p></div>')
        return
    st.html(f'<div class="cr"><h2>{escape(facts["name_zh"])}</h2>{look.facts(object_facts.pairs(scene, facts))}</div>')


def _listing(scene: Scene, objects: pl.DataFrame) -> None:
    words = scene.words
    rows = [
        [
            look.risk_mark(row["colour"], words(f"colour_short.{row['colour'] or 'none'}")),
            f"{escape(row['name_zh'] or row['object_id'])}<small>{object_facts.kind(scene, row)}"
            f" · {scene.name(row['area_name_zh'], row['area_name_en']) or '–'}</small>",
            "–" if row["score"] is None else f"{row['score']:.1f}",
        ]
        for row in objects.head(_WORST).iter_rows(named=True)
    ]
    heads = [(words("map.residual"), "keep"), (words("map.name"), ""), (words("map.score"), "n")]
    if rows:
        st.html(f'<div class="cr"><h2>{words("map.objects")}</h2>{look.table(heads, rows)}</div>')


def _choose() -> None:
    st.session_state["map_picked"] = st.session_state["map_choice"]

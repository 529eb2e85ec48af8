"""Where the system's objects are, by residual colour or that of a worse alert, on counties by the index of its domain.

A system without objects of its own shows its devices. A click chooses an object, whose facts stand in the part `worst`.
"""

from __future__ import annotations

import polars as pl
import streamlit as st

from access import city, system_page
from access import map as risk
from dashboards import charts, look, object_facts
from dashboards.frame import Scene
from dashboards.parts import Part, View

# The component keeps its last answer, so each click carries its moment: the same object may be clicked twice.
CLICK = "function (event) { if (event.data && event.data.pick) return event.data.pick + '|' + Date.now(); }"
_COLUMNS = {
    "object_id": pl.String,
    "name_zh": pl.String,
    "colour": pl.String,
    "lon": pl.Float64,
    "lat": pl.Float64,
}
TEXTS = {
    "title": ("地图", "Map"),
    "no_area": ("已发布的数据里没有区划，画不出地图。", "The published data have no areas, so there is no map."),
    "nothing": ("没有带坐标的对象。", "No object has a place."),
    "shown": ("{shown} 个对象在图上，共 {total} 个", "{shown} of {total} objects on the map"),
    "cut": ("只画最危险的 {shown} 个，共 {total} 个", "Only the worst {shown} of {total} are drawn"),
    "devices": (
        "本系统没有自己的对象：图上是 {shown} 台设备",
        "The system has no objects of its own: {shown} devices are drawn",
    ),
    "ground": ("区县底色 = 本领域的指数颜色", "Counties are coloured by the index of the domain"),
}


def draw(view: View) -> None:
    """The map with its legend."""
    view.title()
    scene, mart, system = view.scene, view.mart, view.system
    top = city.top_area(mart, scene.reader)
    if top is None:
        view.quiet(view.say("no_area"))
        return
    objects, said = _points(view)
    ranking = city.area_ranking(mart, scene.reader, system.domain, top.area_code)
    counties = [
        {**row, "name": scene.words.pick(row["name_zh"], row["name_en"])}
        for row in ranking.sort("area_code").iter_rows(named=True)
    ]
    outlines = risk.county_polygons(tuple(county["area_code"] for county in counties))
    picked = st.session_state.get(view.key("picked"))
    options = charts.risk_map(
        f"counties-{len(counties)}", counties, objects, picked, risk.aspect_scale(outlines), scene.words
    )
    result = charts.show(
        options,
        f"{view.key('map')}_{scene.words.language}",
        "430px",
        outlines=(f"counties-{len(counties)}", outlines),
        on_click=CLICK,
    )
    clicked = result.get("chart_event") if result else None
    if isinstance(clicked, str) and clicked != st.session_state.get(view.key("clicked")):
        st.session_state[view.key("clicked")] = clicked
        st.session_state[view.key("picked")] = clicked.rpartition("|")[0]
        st.rerun()
    view.quiet(f"{said} · {view.say('ground')} · △ {scene.words('map.note')}")


def _points(view: View) -> tuple[pl.DataFrame, str]:
    """What is drawn, and in words how much of all it is."""
    scene, mart, system = view.scene, view.mart, view.system
    if not system.object_types:
        places = system_page.device_places(mart, scene.reader, system, risk.MAX_OBJECTS)
        rows = [(one.device_id, one.name_zh, None, one.lon, one.lat) for one in places]
        return pl.DataFrame(rows, schema=_COLUMNS, orient="row"), view.say("devices", shown=f"{len(rows):,}")
    wanted = risk.ObjectFilter(system.domain, subdomain=system.subdomain, object_types=system.object_types)
    alerted = object_facts.alerted(scene)
    page = risk.objects(mart, scene.reader, wanted, alerted=alerted)
    if not page.n_matching:
        return page.frame, view.say("nothing")
    counts = risk.colour_counts(mart, scene.reader, wanted, alerted)
    legend = "".join(
        f"<span>{_mark(scene, colour)} {counts.get(colour, 0):,}</span>" for colour in (*risk.COLOURS, None)
    )
    view.html(f'<div class="legend">{legend}</div>')
    shown, total = f"{page.frame.height:,}", f"{sum(system_page.object_counts(mart, scene.reader, system).values()):,}"
    return page.frame, view.say("cut" if page.frame.height < page.n_matching else "shown", shown=shown, total=total)


def _mark(scene: Scene, colour: str | None) -> str:
    return look.risk_mark(colour, scene.words(f"colour_short.{colour or 'none'}"))


PART = Part(draw, TEXTS, width=0.6, is_for=lambda system: bool(system.object_types) or system.has_devices)

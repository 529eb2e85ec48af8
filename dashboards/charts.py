"""Options for ECharts: plain dictionaries, drawn in the browser by the packaged library, with nothing from the web."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import polars as pl

from access.alerts_view import COLOURS
from access.why_changed import Difference, Step
from dashboards import look
from dashboards.language import Words

_TEXT = {"color": look.MUTED, "fontFamily": look.FONT, "fontSize": 12}
_TOOLTIP = {
    "backgroundColor": "#0b111a",
    "borderColor": look.LINE,
    "textStyle": {"color": look.INK, "fontFamily": look.FONT, "fontSize": 12},
}


# The chart component runs what stands between two of its marks (`--x_x--0_0--`) as a script, in whatever text of the
# options it finds them. Without its middle a mark is none, and a blank makes no new one with what stands around it.
_OF_MARK, _OF_NONE = "x_x--0_0", "x_x 0_0"


def show(
    options: Mapping[str, Any],
    key: str,
    height: str,
    outlines: tuple[str, Mapping[str, Any]] | None = None,
    on_click: str | None = None,
) -> Any:
    """Draw a chart whose texts are texts, whatever a department calls its things; gives what the component answers.

    `outlines`: a map's name and its GeoJSON. `on_click`: a script of ours, which answers with `chart_event`.
    """
    from streamlit_echarts import Map, st_echarts  # registers itself at import: only within a running Streamlit

    events = {"click": on_click} if on_click else {}
    of_map = Map(outlines[0], dict(outlines[1])) if outlines else None
    # Of a map only what is drawn on it is replaced: the ground stays where somebody moved and zoomed it to.
    replaced = ["series"] if of_map else None
    return st_echarts(
        _without_scripts(dict(options)), height=height, events=events, map=of_map, key=key, replace_merge=replaced
    )


def _without_scripts(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace(_OF_MARK, _OF_NONE)
    if isinstance(value, Mapping):
        return {_without_scripts(name): _without_scripts(inside) for name, inside in value.items()}
    return [_without_scripts(inside) for inside in value] if isinstance(value, list | tuple) else value


def waterfall(found: Difference, largest: Sequence[Step], words: Words) -> dict[str, Any]:
    """From the index of one day to that of the other: a column for each of the largest steps, and one for the rest."""
    steps = [step.points for step in largest]
    rest = found.value_to - found.value_from - sum(steps)
    names = [f"{found.from_day:%m-%d}", *(str(n) for n in range(1, len(steps) + 1))]
    moves = [*steps, rest] if len(found.steps) > len(largest) else steps
    names += [words("today.rest")] * (len(moves) - len(steps)) + [f"{found.to_day:%m-%d}"]
    levels = [found.value_from]
    for points in moves:
        levels.append(levels[-1] + points)
    foot = [0.0, *(min(pair) for pair in pairwise(levels)), 0.0]
    columns = [
        {"value": round(found.value_from, 4), "itemStyle": {"color": look.MUTED}},
        *({"value": round(abs(p), 4), "itemStyle": {"color": look.WORSE if p > 0 else look.BETTER}} for p in moves),
        {"value": round(found.value_to, 4), "itemStyle": {"color": look.MUTED}},
    ]
    signs = [f"{found.value_from:.1f}", *(f"{p:+.2f}" for p in moves), f"{found.value_to:.1f}"]
    for column, sign in zip(columns, signs, strict=True):
        column["label"] = {"show": True, "position": "top", "formatter": sign, **_TEXT}
    low, high = min(levels), max(levels)
    room = max(high - low, 0.1)
    return {
        "aria": {"enabled": True, "label": {"description": words("today.changed")}},
        "grid": {"left": 40, "right": 8, "top": 22, "bottom": 22},
        "xAxis": {"type": "category", "data": names, "axisLabel": _TEXT, "axisTick": {"show": False}},
        "yAxis": {
            "type": "value",
            "min": round(max(0.0, low - room / 2), 1),
            "max": round(high + room / 4, 1),
            "axisLabel": _TEXT,
            "splitLine": {"lineStyle": {"color": look.LINE}},
        },
        "series": [
            {"type": "bar", "stack": "index", "silent": True, "itemStyle": {"color": "transparent"}, "data": foot},
            {"type": "bar", "stack": "index", "data": columns, "barMaxWidth": 46},
        ],
        "animation": False,
    }


def trend(frame: pl.DataFrame, domains: Sequence[str], words: Words) -> dict[str, Any]:
    """Lines of the index by day, one a domain; the whole city is the thick one."""
    known: list[date] = sorted(set(frame["as_of_date"].to_list()))
    # A day without an index is a gap in the line, not a shorter axis.
    days = [known[0] + timedelta(days=n) for n in range((known[-1] - known[0]).days + 1)] if known else []
    series = []
    for domain in domains:
        values = dict(frame.filter(pl.col("domain") == domain).select("as_of_date", "index_value").iter_rows())
        colour, dash = look.DOMAIN_LINE[domain]
        series.append(
            {
                "name": words(f"domain.{domain}"),
                "type": "line",
                "data": [None if day not in values else round(values[day], 1) for day in days],
                "symbol": "none",
                "lineStyle": {"width": 3.2 if domain == "all" else 1.6, "type": dash, "color": colour},
                "itemStyle": {"color": colour},
                "emphasis": {"focus": "series"},
                "z": 5 if domain == "all" else 2,
            }
        )
    return {
        "animation": False,
        "textStyle": _TEXT,
        "grid": {"left": 38, "right": 14, "top": 34, "bottom": 26},
        "legend": {
            "type": "scroll",
            "top": 0,
            "left": 0,
            "textStyle": _TEXT,
            "itemWidth": 26,
            "itemGap": 12,
            "itemStyle": {"opacity": 0},  # the line alone, without a dot
            "pageIconColor": look.MUTED,
            "pageTextStyle": _TEXT,
        },
        "tooltip": {"trigger": "axis", **_TOOLTIP},
        "xAxis": {
            "type": "category",
            "boundaryGap": False,
            "data": [f"{day:%m-%d}" for day in days],
            "axisLine": {"lineStyle": {"color": look.LINE}},
            "axisLabel": _TEXT,
        },
        "yAxis": {
            "type": "value",
            "scale": True,
            "axisLabel": _TEXT,
            "splitLine": {"lineStyle": {"color": "#1f2c3d"}},
        },
        "series": series,
    }


@dataclass(frozen=True)
class Line:
    """One line of a chart: a value for each label of the axis, None where nothing was measured."""

    name: str
    values: Sequence[float | None]
    colour: str
    dash: str = "solid"
    width: float = 1.6


_POINTS = 3  # so few values make no line that anybody would see


@dataclass(frozen=True)
class Mark:
    """A level across the chart, with its word."""

    name: str
    value: float
    colour: str


def lines(labels: Sequence[str], drawn: Sequence[Line], marks: Sequence[Mark] = ()) -> dict[str, Any]:
    """Lines over an axis of labels; gaps stay gaps. Marks outside of what was measured are not drawn."""
    series: list[dict[str, Any]] = [
        {
            "name": line.name,
            "type": "line",
            "data": list(line.values),
            "showSymbol": sum(value is not None for value in line.values) <= _POINTS,
            "connectNulls": False,
            "lineStyle": {"width": line.width, "type": line.dash, "color": line.colour},
            "itemStyle": {"color": line.colour},
        }
        for line in drawn
    ]
    if marks and series:
        series[0]["markLine"] = {
            "silent": True,
            "symbol": "none",
            "data": [
                {
                    "yAxis": mark.value,
                    "lineStyle": {"color": mark.colour, "type": "dotted", "width": 1.5},
                    "label": {**_TEXT, "formatter": mark.name, "color": mark.colour, "position": "insideEndTop"},
                }
                for mark in marks
            ],
        }
    return {
        "animation": False,
        "textStyle": _TEXT,
        "grid": {"left": 50, "right": 14, "top": 34, "bottom": 26},
        "legend": {
            "type": "scroll",
            "top": 0,
            "left": 0,
            "textStyle": _TEXT,
            "itemWidth": 26,
            "itemGap": 12,
            "itemStyle": {"opacity": 0},
            "pageIconColor": look.MUTED,
            "pageTextStyle": _TEXT,
        },
        "tooltip": {"trigger": "axis", **_TOOLTIP},
        "xAxis": {
            "type": "category",
            "boundaryGap": False,
            "data": list(labels),
            "axisLine": {"lineStyle": {"color": look.LINE}},
            "axisLabel": _TEXT,
        },
        "yAxis": {"type": "value", "scale": True, "axisLabel": _TEXT, "splitLine": {"lineStyle": {"color": "#1f2c3d"}}},
        "series": series,
    }


def risk_map(
    map_name: str,
    counties: Sequence[Mapping[str, Any]],
    objects: pl.DataFrame,
    picked: str | None,
    aspect_scale: float,
    words: Words,
) -> dict[str, Any]:
    """County fills by index colour with objects on top, each colour in its own shape.

    `map_name`: under which the outlines are registered. `counties`: area_code, name, colour. `aspect_scale`: width of
    a degree of longitude in degrees of latitude. Data items carry `pick`: the object that a click on them stands for.
    """
    regions = [
        {
            "name": county["name"],
            "itemStyle": {"areaColor": _faint(county["colour"]), "borderColor": "#46607d", "borderWidth": 1},
            "emphasis": {"itemStyle": {"areaColor": _faint(county["colour"], 0.5)}, "label": {"color": look.INK}},
            "label": {
                "show": True,
                # `Xiling District` is drawn as Xiling: what all have in common would cover what is near.
                "formatter": county["name"].split(" ")[0],
                "color": look.INK,
                "fontSize": 11,
                "fontFamily": look.FONT,
                "textBorderColor": look.BACKGROUND,
                "textBorderWidth": 2,
            },
        }
        for county in counties
    ]
    series = []
    for colour in (*reversed(COLOURS), None):
        chosen = objects.filter(pl.col("colour").eq_missing(pl.lit(colour, pl.String)))
        series.append(
            {
                "name": words(f"colour_short.{colour or 'none'}"),
                "type": "scatter",
                "coordinateSystem": "geo",
                "symbol": look.SYMBOL[colour],
                "symbolSize": {"red": 11, "orange": 10, "yellow": 8}.get(colour or "", 7),
                "itemStyle": {
                    "opacity": 1,
                    "color": look.RISK[colour] if colour else "transparent",
                    "borderColor": look.BACKGROUND if colour else look.RISK[None],
                    "borderWidth": 0.8 if colour else 1.6,
                },
                "data": [
                    {"name": name, "value": [lon, lat], "pick": object_id}
                    for object_id, name, lon, lat in chosen.select("object_id", "name_zh", "lon", "lat").iter_rows()
                ],
                "z": 3,
            }
        )
    shown = (
        objects.filter(pl.col("object_id").is_in([picked] if picked else []))
        .select("name_zh", "lon", "lat", "object_id")
        .iter_rows()
    )
    series.append(
        {
            "type": "scatter",
            "coordinateSystem": "geo",
            "symbol": "circle",
            "symbolSize": 22,
            "silent": True,
            "itemStyle": {"color": "transparent", "borderColor": "#ffffff", "borderWidth": 2.5},
            "data": [{"name": name, "value": [lon, lat], "pick": key} for name, lon, lat, key in shown],
            "z": 6,
        }
    )
    return {
        "animation": False,
        "textStyle": _TEXT,
        "tooltip": {"trigger": "item", "formatter": "{b}", **_TOOLTIP},
        "geo": {
            "map": map_name,
            "roam": True,
            "scaleLimit": {"min": 0.8, "max": 20},
            "nameMap": {county["area_code"]: county["name"] for county in counties},
            "regions": regions,
            "itemStyle": {"areaColor": look.PANEL, "borderColor": "#46607d"},
            "left": 12,
            "right": 12,
            "top": 12,
            "bottom": 12,
            "preserveAspect": "contain",
            "aspectScale": aspect_scale,
        },
        "series": series,
    }


def _faint(colour: str | None, opacity: float = 0.3) -> str:
    red, green, blue = (int(look.RISK[colour][at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity if colour else opacity / 2})"

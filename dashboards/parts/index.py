"""What the system's kind of risk brings into the index of its domain: factors by day, the newest with their reasons."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from html import escape

from access import city, system_page
from dashboards import charts, look
from dashboards.parts import Part, View

DAYS = 30
_COLOURS = {
    "hazard": ("#f2f6fa", "solid"),
    "exposure": ("#53d0c1", "dashed"),
    "vulnerability": ("#b69cf5", "dotted"),
    "lack_of_capacity": ("#ec8fc0", "dashed"),
}
TEXTS = {
    "title": ("在风险指数中的份额", "Share in the risk index"),
    "none": (
        "{domain}指数里没有这一类风险：方法还没有给它权重，或它还没有对象。",
        "The index of {domain} has no share of this kind: the method gives it no weight, or it has no objects.",
    ),
    "shared": (
        "占{domain}指数权重的 {share}；同类风险的其他系统计在一起。",
        "{share} of the weight of {domain}, with all systems of this kind.",
    ),
    "hazard": ("危险性", "Hazard"),
    "exposure": ("暴露度", "Exposure"),
    "vulnerability": ("脆弱性", "Vulnerability"),
    "lack_of_capacity": ("能力不足", "Lack of capacity"),
    "factor": ("因素", "Factor"),
    "value": ("因素值", "Value"),
    "weight": ("权重", "Weight"),
    "reason": ("原因", "Reason"),
}


def draw(view: View) -> None:
    """Lines of the factors, then the newest day's."""
    view.title()
    scene = view.scene
    top = city.top_area(view.mart, scene.reader)
    found = (
        system_page.index_factors(view.mart, scene.reader, view.system, top.area_code, DAYS) if top is not None else ()
    )
    domain = scene.words(f"domain.{view.system.domain}")
    if not found:
        view.quiet(view.say("none", domain=domain))
        return
    days = sorted({one.as_of_date for one in found})
    drawn = [
        charts.Line(_name(view, factor), _by_day(found, factor, days), *_COLOURS.get(factor, ("#9db0c6", "solid")))
        for factor in dict.fromkeys(one.factor for one in found)
    ]
    charts.show(
        charts.lines([f"{day:%m-%d}" for day in days], drawn), f"{view.key('index')}_{scene.words.language}", "220px"
    )
    newest = sorted(
        (one for one in found if one.as_of_date == days[-1]), key=lambda one: -one.weight * one.factor_value
    )
    rows = [
        [
            escape(_name(view, one.factor)),
            f"{one.factor_value:.2f}",
            f"{one.weight:.3f}",
            scene.name(one.reason_zh, one.reason_en),
        ]
        for one in newest
    ]
    heads = view.heads(factor="keep", value="n", weight="n", reason="wide")
    view.html(look.table(heads, rows))
    view.quiet(view.say("shared", share=f"{sum(one.weight for one in newest):.0%}", domain=domain))


def _name(view: View, factor: str) -> str:
    return view.say(factor) if factor in system_page.FACTORS else factor


def _by_day(found: Sequence[system_page.FactorDay], factor: str, days: Sequence[date]) -> list[float | None]:
    values = {one.as_of_date: round(one.factor_value, 3) for one in found if one.factor == factor}
    return [values.get(day) for day in days]


PART = Part(draw, TEXTS, width=0.4)

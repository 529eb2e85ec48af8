"""Major hazard installations by grade: S, R and the people exposed, as GB 18218-2018 has them."""

from __future__ import annotations

from access import system_page
from dashboards import look
from dashboards.parts import Part, View
from dashboards.parts.worst import link

TEXTS = {
    "title": ("重大危险源分级", "Grades of major hazard installations"),
    "standard": ("GB 18218-2018，R 值", "GB 18218-2018, by R"),
    "none": (
        "还没有计算出任何单元的 S 与 R：登记簿或物质清单里没有数据。",
        "No unit has S and R yet: no register, or no substances.",
    ),
    "grade": ("级别", "Grade"),
    "graded": ("{n} 级", "Grade {n}"),
    "below": ("S < 1，不构成", "S < 1, none"),
    "unit": ("单元", "Unit"),
    "s": ("S 值", "S"),
    "r": ("R 值", "R"),
    "people": ("暴露人员", "People exposed"),
}


def draw(view: View) -> None:
    """The units, the worst grade first."""
    view.title(note=view.say("standard"))
    units = system_page.hazard_units(view.mart, view.scene.reader)
    if not units:
        view.quiet(view.say("none"))
        return
    heads = view.heads(grade="keep", unit="", s="n", r="n", people="n")
    rows = [
        [
            view.say("graded", n=unit.grade) if unit.grade is not None else view.say("below"),
            link(view, unit.unit_id, unit.name_zh),
            _number(unit.s_value),
            _number(unit.r_value),
            f"{unit.exposed_people:,}" if unit.exposed_people is not None else "–",
        ]
        for unit in units
    ]
    view.html(look.table(heads, rows))


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.2f}"


PART = Part(draw, TEXTS, width=0.6, is_for=lambda _system: False)

"""A quantity by the hour over all devices of the system, up to now, with the limits of its rules.

The axis ends now: readings that are missing leave its end empty, so that a feed that stopped does not look well.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import streamlit as st

from access import system_page
from access.alert_words import wording
from access.systems import Metric
from dashboards import charts, look
from dashboards.frame import BEIJING, age_words, clock
from dashboards.parts import Part, View

SPANS = {"24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
DEFAULT_SPAN = "7d"
_DRAWN = {"max": ("#ec8fc0", "dashed"), "mean": ("#f2f6fa", "solid"), "min": ("#53d0c1", "dotted")}
_TAKEN = {"max": "high", "mean": "mean", "min": "low"}
TEXTS = {
    "title": ("监测走势", "Trend"),
    "metric": ("监测量", "Quantity"),
    "span": ("时段", "Period"),
    "24h": ("24 小时", "24 hours"),
    "7d": ("7 天", "7 days"),
    "30d": ("30 天", "30 days"),
    "mean": ("各设备平均", "Mean of devices"),
    "max": ("最高", "Highest"),
    "min": ("最低", "Lowest"),
    "none": ("本系统的数据源没有监测量。", "No feed of the system has a quantity."),
    "never": ("“{metric}”还没有已发布的读数。", "No reading of {metric} has been published yet."),
    "old": (
        "这段时间没有“{metric}”的读数；最后一次在 {at}（{age} 前）。",
        "No reading of {metric} in this period; the last one was at {at}, {age} ago.",
    ),
    "newest": (
        "最新读数 {at}（{age} 前）· {n} 台设备 · {unit}",
        "Newest reading {at}, {age} ago · {n} devices · {unit}",
    ),
}


def draw(view: View) -> None:
    """Which quantity, which period, and its lines."""
    view.title()
    system = view.system
    named = system.metric(view.named.of)
    metrics = [named] if named else list(system.metrics)
    if not metrics:
        view.quiet(view.say("none"))
        return
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    metric_key, span_key = (view.key(f"trend_{of}{view.named.of}") for of in ("metric", "span"))
    names = {one.metric: view.scene.words.pick(one.name_zh, one.name_en) for one in metrics}
    chosen = left.selectbox(view.say("metric"), list(names), format_func=lambda one: names[one], key=metric_key)
    span = right.segmented_control(
        view.say("span"), list(SPANS), default=DEFAULT_SPAN, format_func=view.say, key=span_key
    )
    metric = next(one for one in metrics if one.metric == chosen)
    _lines(view, metric, SPANS[span or DEFAULT_SPAN])


def _lines(view: View, metric: Metric, span: timedelta) -> None:
    scene, name = view.scene, view.scene.words.pick(metric.name_zh, metric.name_en)
    found = system_page.trend(view.mart, scene.reader, view.system, metric.metric, span, scene.now)
    if found.last_hour is None:
        view.quiet(view.say("never", metric=name))
        return
    age = age_words(scene.words, scene.now - found.last_hour)
    if not found.hours:
        view.html(look.banner("warn", view.say("old", metric=name, at=clock(found.last_hour, with_year=True), age=age)))
        return
    by_hour = {one.hour: one for one in found.hours}
    axis = _hours(scene.now, span)
    marks = [
        charts.Mark(f"{'≥' if one.is_upper else '≤'} {one.value:g}", one.value, look.RISK[one.colour])
        for one in view.system.limits
        if one.metric == metric.metric
    ]
    drawn = [
        charts.Line(
            view.say(take),
            [_value(by_hour, hour, take) for hour in axis],
            colour,
            dash,
            2.6 if take == view.named.take else 1.4,
        )
        for take, (colour, dash) in _DRAWN.items()
    ]
    labels = [hour.astimezone(BEIJING).strftime("%m-%d %H:00") for hour in axis]
    charts.show(charts.lines(labels, drawn, marks), view.key(f"trend{view.named.of}_{scene.words.language}"), "280px")
    unit = scene.words.pick_one(wording(scene.home).of("unit", metric.unit)) or "–"
    view.quiet(view.say("newest", at=clock(found.last_hour), age=age, n=f"{found.devices:,}", unit=unit))


def _hours(now: datetime, span: timedelta) -> list[datetime]:
    """The hours of the period, the running one last."""
    last = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return [last - timedelta(hours=n) for n in range(int(span / timedelta(hours=1)) - 1, -1, -1)]


def _value(by_hour: dict[datetime, system_page.Hour], hour: datetime, which: str) -> float | None:
    found = by_hour.get(hour)
    value: float | None = getattr(found, _TAKEN[which]) if found else None
    return None if value is None else round(value, 4)


PART = Part(draw, TEXTS, width=0.6, is_for=lambda system: bool(system.metrics))

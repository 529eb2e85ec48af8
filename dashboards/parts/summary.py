"""How many objects, devices, alerts and feeds, and the worst colour of each."""

from __future__ import annotations

from collections.abc import Collection

from access import alerts_view, feeds, live, system_page
from access.map import COLOURS
from dashboards import look
from dashboards.frame import present
from dashboards.parts import Part, View

TEXTS = {
    "objects": ("对象 · 最高 {worst}", "Objects · worst {worst}"),
    "no_colour": ("对象 · 均未定级", "Objects · none rated"),
    "alerts": ("未处置预警 · 最高 {worst}", "Open alerts · worst {worst}"),
    "no_alerts": ("没有未处置的预警", "No open alert"),
    "unheard": ("未处置预警 · 预警进程没有运行", "Open alerts · alerting is not running"),
    "no_store": ("预警未知：找不到运行记录库", "Alerts unknown: no run store"),
    "devices": ("在线设备，共 {n}", "Devices online of {n}"),
    "bad_devices": ("失联 / 故障设备", "Devices silent / faulty"),
    "feeds": ("及时的数据源，共 {n}", "Feeds up to date of {n}"),
    "rules": ("预警规则", "Alert rules"),
}


def draw(view: View) -> None:
    """Tiles in one line."""
    scene, mart, system = view.scene, view.mart, view.system
    tiles = []
    if system.object_types:
        counts = system_page.object_counts(mart, scene.reader, system)
        tiles.append(_coloured(view, sum(counts.values()), _worst(counts), "objects", "no_colour"))
    with live.ops_reader(scene.home) as ops:
        alerts = alerts_view.open_counts(ops, scene.reader, system) if ops is not None else None
        is_heard = ops is not None and not alerts_view.heartbeat(ops).is_silent(present())
        facts = [fact for fact in feeds.feed_facts(mart, ops, scene.now) if fact.feed_id in system.feed_ids]
    if alerts is None:
        tiles.append(("–", view.say("no_store")))
    elif system.rule_ids and not is_heard:  # no alert from a process that does not run is no good news
        tiles.append((look.state_mark("late", f"{sum(alerts.values()):,}"), view.say("unheard")))
    else:
        tiles.append(_coloured(view, sum(alerts.values()), _worst(alerts), "alerts", "no_alerts"))
    if system.has_devices:
        states = system_page.device_counts(mart, scene.reader, system)
        online, n_all = states.get("online", 0), sum(states.values())
        sign = "online" if online == n_all else "silent"
        tiles.append((look.state_mark(sign, f"{online:,}"), view.say("devices", n=f"{n_all:,}")))
        bad = f"{states.get('silent', 0):,} / {states.get('faulty', 0):,}"
        tiles.append((bad, view.say("bad_devices")))
    n_fresh = sum(fact.state == "fresh" for fact in facts)
    state = facts[0].state if facts else "silent"  # worst first
    tiles.append((look.state_mark(state, f"{n_fresh:,}"), view.say("feeds", n=len(system.feed_ids))))
    tiles.append((f"{len(system.rule_ids)}", view.say("rules")))
    view.html(look.tiles(tiles))


def _worst(coloured: Collection[str | None]) -> str | None:
    return next((colour for colour in COLOURS if colour in coloured), None)


def _coloured(view: View, n: int, worst: str | None, key: str, otherwise: str) -> tuple[str, str]:
    if worst is None:
        return f"{n:,}", view.say(otherwise)
    word = view.scene.words(f"colour_short.{worst}")
    return look.risk_mark(worst, f"{n:,}"), view.say(key, worst=word)


PART = Part(draw, TEXTS)

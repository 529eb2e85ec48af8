"""What is known of one object, as pairs of a name and ready-made HTML."""

from __future__ import annotations

from html import escape
from typing import Any

from access import alerts_view, live
from dashboards import live_strip, look
from dashboards.frame import Scene, clock
from dashboards.language import Words


def pairs(scene: Scene, facts: dict[str, Any]) -> list[tuple[str, str]]:
    """The facts of an object in the order in which people ask for them."""
    words = scene.words
    inherent, residual = (
        look.risk_mark(facts[name], grade(words, facts[name])) for name in ("inherent_colour", "residual_colour")
    )
    found = [
        *_under_alert(scene, facts["object_id"]),
        (words("map.residual"), residual),
        (words("map.inherent"), inherent),
        (words("map.score"), "–" if facts["score"] is None else f"{facts['score']:.1f}"),
        (words("map.domain"), words(f"domain.{facts['domain']}")),
        (words("map.object_type"), kind(scene, facts)),
        (
            words("map.area"),
            scene.name(facts["area_name_zh"], facts["area_name_en"]) or escape(facts["area_code"] or "–"),
        ),
        (words("map.department"), scene.name(facts["department_zh"], facts["department_en"])),
        (words("map.place"), "–" if facts["lon"] is None else f"{facts['lon']:.5f}, {facts['lat']:.5f}"),
    ]
    found += [
        (words(key), scene.name(facts[f"{about}_zh"], facts[f"{about}_en"]))
        for key, about in (
            ("map.unscored_reason", "unscored_reason"),
            ("map.area_reason", "area_reason"),
            ("map.floor_reason", "floor_reason"),
            ("map.change", "change"),
        )
        if facts.get(f"{about}_zh") is not None  # a generation of before has no reasons
    ]
    if facts["n_devices"]:
        online = words("map.devices_value", online=facts["n_devices_online"], n=facts["n_devices"])
        found.append((words("map.devices"), online))
    if facts["last_observed_at"] is not None:
        found.append((words("map.last_observed"), clock(facts["last_observed_at"], with_year=True)))
    if facts["hazard_grade"] is not None:
        graded = words("map.hazard_value", grade=facts["hazard_grade"], r=f"{facts['r_value']:.1f}")
        found.append((words("map.hazard_grade"), graded))
    return [*found, ("ID", escape(facts["object_id"]))]


def alerted(scene: Scene) -> dict[str, str]:
    """Objects under an open alert at this moment, and its colour."""
    with live.ops_reader(scene.home) as ops:
        return {} if ops is None else alerts_view.alerted_objects(ops, scene.reader)


def _under_alert(scene: Scene, object_id: str) -> list[tuple[str, str]]:
    """The worst open alert, before what the index says of the object: it is of now."""
    with live.ops_reader(scene.home) as ops:
        alert = None if ops is None else alerts_view.open_of_object(ops, scene.reader, object_id)
    if alert is None:
        return []
    words = scene.words
    mark = look.risk_mark(alert.colour, words(f"colour_short.{alert.colour}"))
    said = f"{scene.name(alert.matters_zh, alert.matters_en)} {words('alerts.since')} "
    said += clock(alert.opened_at or alert.starts_at)
    return [
        (words("map.alert"), f'{mark} <a href="{live_strip.link(scene, alert.alert_id)}" target="_self">{said}</a>')
    ]


def kind(scene: Scene, row: dict[str, Any]) -> str:
    """What kind of thing it is."""
    return scene.name(row["kind_zh"], row["kind_en"]) or escape(row["object_type"] or "–")


def grade(words: Words, colour: str | None) -> str:
    """A risk colour with its grade in words."""
    return words(f"colour.{colour or 'none'}")

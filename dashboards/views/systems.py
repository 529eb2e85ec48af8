"""Every system of the city in one look: what is there of it, how it stands, and where its page is."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from urllib.parse import urlencode

import streamlit as st

from access import alerts_view, city, feeds, live, serving, system_page
from access.map import COLOURS
from access.systems import DOMAINS, CitySystem, CitySystems
from dashboards import look
from dashboards.frame import Scene, edition_words, title_line, warn_when_stale

PATH = "system-{id}"  # where the page of a system is


def draw(systems: CitySystems, scene: Scene, mart: serving.Mart) -> None:
    """The page: one table a domain, those without a folder below it."""
    words = scene.words
    title_line(scene, words("nav.systems"), edition_words(scene, city.edition(mart)))
    warn_when_stale(scene, mart)
    for fault in systems.faults:
        st.html(f'<div class="cr">{look.banner("bad", words("systems.fault", fault=fault))}</div>')
    with live.ops_reader(scene.home) as ops:
        if ops is None:
            st.html(f'<div class="cr">{look.banner("warn", words("systems.no_live"))}</div>')
        states = {fact.feed_id: fact.state for fact in feeds.feed_facts(mart, ops, scene.now)}
        for domain in DOMAINS:
            built = [one for one in systems.built.values() if one.domain == domain]
            rows = [_cells(scene, mart, ops, one, states) for one in built]
            _section(scene, systems, domain, rows)


def _section(scene: Scene, systems: CitySystems, domain: str, rows: list[list[str]]) -> None:
    words = scene.words
    heads = [
        ("", "keep"),
        (words("systems.name"), "wide"),
        (words("systems.objects"), "n"),
        (words("systems.worst"), "keep"),
        (words("systems.devices"), "n"),
        (words("systems.alerts"), "keep"),
        (words("systems.feeds"), "n"),
    ]
    planned = [one for one in systems.planned if one.domain == domain]
    if not rows and not planned:
        return
    inside = look.table(heads, rows) if rows else ""
    if planned:
        separator = "、" if words.language == "zh" else " · "
        named = separator.join(f"{one.id} {words.pick(one.name_zh, one.name_en)}" for one in planned)
        inside += f'<p class="quiet">{escape(words("systems.planned", names=named))}</p>'
    st.html(f'<div class="cr"><h2>{escape(words(f"domain.{domain}"))}</h2>{inside}</div>')


def _cells(
    scene: Scene, mart: serving.Mart, ops: live.OpsReader | None, system: CitySystem, states: dict[str, str]
) -> list[str]:
    words = scene.words
    address = f"{PATH.format(id=system.id)}?{urlencode({'lang': words.language})}"
    summary = scene.name(system.summary_zh, system.summary_en)
    objects = system_page.object_counts(mart, scene.reader, system) if system.object_types else {}
    devices = system_page.device_counts(mart, scene.reader, system) if system.has_devices else {}
    alerts = alerts_view.open_counts(ops, scene.reader, system) if ops is not None else None
    worst = next((colour for colour in COLOURS if objects.get(colour)), None)
    known = [states.get(feed_id, "silent") for feed_id in system.feed_ids]
    state = next((one for one in feeds.STATES_WORST_FIRST if one in known), "silent")
    return [
        escape(system.id),
        f'<a href="{escape(address)}" target="_self">{scene.name(system.name_zh, system.name_en)}</a>'
        f"<small>{summary}</small>",
        f"{sum(objects.values()):,}" if objects else "–",
        look.risk_mark(worst, words(f"colour_short.{worst or 'none'}")) if objects else "–",
        f"{devices.get('online', 0):,} / {sum(devices.values()):,}" if devices else "–",
        _alerts(scene, alerts),
        look.state_mark(state, f"{known.count('fresh')} / {len(known)}") if known else "–",
    ]


def _alerts(scene: Scene, counts: Mapping[str, int] | None) -> str:
    if counts is None:
        return "?"
    marks = [look.risk_mark(colour, f"{counts[colour]:,}") for colour in COLOURS if counts.get(colour)]
    return " ".join(marks) or "0"

"""The entry of the pages: served by `dashboards.__main__`, home from CITYRISK_HOME. Only navigation lives here."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from access import rights, serving
from access.systems import DOMAINS, CitySystems, city_systems
from dashboards import frame, live_strip, look, session
from dashboards.language import Words
from dashboards.views import alerts_live, city_today, device_health, feed_health, risk_map, system, systems

ALERTS = "alerts"


def main() -> None:
    """Set the frame, then draw the page of the address."""
    icon = Path(__file__).parent / "icon.png"
    st.set_page_config(page_title="城市安全风险 · City risk", page_icon=str(icon), layout="wide")
    home = serving.open_home(os.environ)
    user = session.current(home, frame.present())
    words = frame.choose_language()
    st.html(look.STYLE)
    scene = frame.Scene(home, words, rights.CITY_WIDE, frame.present(), user)
    known = city_systems(home)
    pages = [
        _page(words("nav.today"), "today", city_today.draw, scene, default=True),
        st.Page(partial(alerts_live.draw, scene), title=words("nav.alerts"), url_path=ALERTS),
        _page(words("nav.map"), "map", risk_map.draw, scene),
        _page(words("nav.feeds"), "feeds", feed_health.draw, scene),
        st.Page(partial(device_health.draw, scene), title=words("nav.devices"), url_path="devices"),
        _page(words("nav.systems"), "systems", partial(systems.draw, known), scene),
    ]
    chosen = st.navigation({"": pages, **_of_domains(known, words, scene)}, position="top")
    st.session_state.pop(frame.SHOWN, None)  # known again when the page has drawn it
    if chosen.url_path != ALERTS:  # which is the same and more
        live_strip.draw(scene)
    chosen.run()


def _of_domains(known: CitySystems, words: Words, scene: frame.Scene) -> dict[str, list[StreamlitPage]]:
    """A menu a domain, with the page of each of its systems."""
    menus: dict[str, list[StreamlitPage]] = {}
    for domain in DOMAINS:
        for one in known.built.values():
            if one.domain == domain:
                title, path = words.pick(one.name_zh, one.name_en), systems.PATH.format(id=one.id)
                drawn = _page(title, path, partial(system.draw, one), scene)
                menus.setdefault(words(f"domain.{domain}"), []).append(drawn)
    return menus


def _page(
    title: str, path: str, draw: Callable[[frame.Scene, serving.Mart], None], scene: frame.Scene, default: bool = False
) -> StreamlitPage:
    """A page that draws the newest generation."""
    return st.Page(frame.page(title, draw, scene), title=title, url_path=path, default=default)


if __name__ == "__main__":
    main()

"""The entry of the pages: served by `dashboards.__main__`, home from CITYRISK_HOME. Only navigation lives here."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from access import rights, serving
from access.systems import DOMAINS, CitySystems, city_systems
from dashboards import frame, look, session
from dashboards.language import Words
from dashboards.views import alerts_live, city_today, device_health, feed_health, risk_map, system, systems


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
    overview = partial(systems.draw, known)
    pages = [
        st.Page(
            frame.page("nav.today", city_today.draw, scene), title=words("nav.today"), url_path="today", default=True
        ),
        st.Page(partial(alerts_live.draw, scene), title=words("nav.alerts"), url_path="alerts"),
        st.Page(frame.page("nav.map", risk_map.draw, scene), title=words("nav.map"), url_path="map"),
        st.Page(frame.page("nav.feeds", feed_health.draw, scene), title=words("nav.feeds"), url_path="feeds"),
        st.Page(partial(device_health.draw, scene), title=words("nav.devices"), url_path="devices"),
        st.Page(frame.page("nav.systems", overview, scene), title=words("nav.systems"), url_path="systems"),
    ]
    st.navigation({"": pages, **_of_domains(known, words, scene)}, position="top").run()


def _of_domains(known: CitySystems, words: Words, scene: frame.Scene) -> dict[str, list[StreamlitPage]]:
    """A menu a domain, with the page of each of its systems."""
    menus: dict[str, list[StreamlitPage]] = {}
    for domain in DOMAINS:
        for one in known.built.values():
            if one.domain == domain:
                title = words.pick(one.name_zh, one.name_en)
                drawn = frame.page("nav.systems", partial(system.draw, one), scene)
                path = systems.PATH.format(id=one.id)
                menus.setdefault(words(f"domain.{domain}"), []).append(st.Page(drawn, title=title, url_path=path))
    return menus


if __name__ == "__main__":
    main()

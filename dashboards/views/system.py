"""The page of one system: the parts that its system.yaml names, one below the other."""

from __future__ import annotations

import streamlit as st

from access import city, serving
from access.systems import CitySystem
from dashboards import look, parts
from dashboards.frame import Scene, edition_words, title_line, warn_when_stale


def draw(system: CitySystem, scene: Scene, mart: serving.Mart) -> None:
    """The page."""
    words = scene.words
    meta = [f"{system.id} · {words(f'domain.{system.domain}')}", *edition_words(scene, city.edition(mart))]
    title_line(scene, words.pick(system.name_zh, system.name_en), meta)
    summary = scene.name(system.summary_zh, system.summary_en)
    st.html(f'<div class="cr"><p class="quiet" style="margin:0">{summary}</p></div>')
    warn_when_stale(scene, mart, system.feed_ids)
    chosen = []
    for named in parts.parts_of(system):
        try:
            chosen.append((named, parts.part(parts.module_of(named))))
        except parts.UnknownPartError as error:  # what system.yaml says wrong costs its own part alone
            st.html(f'<div class="cr">{look.banner("bad", str(error))}</div>')
    for line in parts.lines(chosen):
        places = st.columns([part.width for _, part in line]) if len(line) > 1 else [st.container()]
        for place, (named, part) in zip(places, line, strict=True):
            with place:
                part.draw(parts.View(scene, mart, system, part.texts, named))

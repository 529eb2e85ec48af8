"""Pieces that every page has: the scene it is drawn in, title line, language switch, banners, times in words."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape

import streamlit as st

from access import city, feeds, live, rights, serving
from dashboards import look, session
from dashboards.language import DEFAULT, LANGUAGES, Language, Words, words_of

BEIJING = city.CIVIL_ZONE
SHOWN = "shown_generation"  # of the session, while its page draws one: that of the page, None before the first


@dataclass(frozen=True)
class Scene:
    """What a page is drawn with: the home, the words, the reader, the moment of drawing, and who is logged in.

    Everybody may look, as `reader`; only `user` may act.
    """

    home: serving.Home
    words: Words
    reader: rights.Reader
    now: datetime
    user: session.User | None = None

    def name(self, zh: str | None, en: str | None) -> str:
        """A domain word in the page's language, escaped."""
        return escape(self.words.pick(zh, en))


def choose_language() -> Words:
    """The page's language: from the address, else from this session; kept in both, so that links carry it."""
    asked = st.query_params.get("lang") or st.session_state.get("lang")
    language = next((one for one in LANGUAGES if one == asked), DEFAULT)
    st.session_state["lang"] = language
    if language == DEFAULT:
        st.query_params.pop("lang", None)
    else:
        st.query_params["lang"] = language
    return words_of(language)


def title_line(scene: Scene, title: str, meta: list[str]) -> None:
    """Page title with its data line on the left, login and the other language one click away on the right."""
    left, middle, right = st.columns([6, 1.6, 1], vertical_alignment="center")
    spans = "".join(f"<span>{escape(text)}</span>" for text in meta)
    left.html(f'<div class="cr"><h1>{escape(title)}</h1><div class="meta">{spans}</div></div>')
    with middle:
        session.control(scene.words, scene.user)
    right.button(scene.words("app.switch"), on_click=_switch_language, key="switch_language", width="stretch")


def edition_words(scene: Scene, edition: city.Edition) -> list[str]:
    """Data as of, newest observation, publication and method, in words."""
    words = scene.words
    said = []
    if edition.as_of_date is not None:
        said.append(words("edition.as_of", day=edition.as_of_date.isoformat()))
    if edition.last_observed_at is not None:
        said.append(words("edition.observed", at=clock(edition.last_observed_at)))
    said.append(words("edition.published", at=clock(edition.published_at, with_year=True)))
    if edition.method_version is not None:
        said.append(words("edition.method", version=edition.method_version))
    return [*said, words("edition.zone")]


def warn_when_stale(scene: Scene, mart: serving.Mart, feed_ids: Collection[str] | None = None) -> None:
    """Say in a banner that the data are old, or that feeds are silent: stale data never look fresh.

    `feed_ids`: the feeds that the page is made of, where it is not all of them.
    """
    said = []
    age = scene.now - mart.published_at
    if age > serving.stale_after(scene.home):
        at = clock(mart.published_at, with_year=True)
        said.append(look.banner("bad", scene.words("banner.stale", age=age_words(scene.words, age), at=at)))
    with live.ops_reader(scene.home) as ops:
        facts = feeds.feed_facts(mart, ops, scene.now)
    silent = [
        scene.words.pick(fact.name_zh, fact.name_en)
        for fact in facts
        if fact.state == "silent" and (feed_ids is None or fact.feed_id in feed_ids)
    ]
    if silent:
        separator = "、" if scene.words.language == "zh" else ", "
        said.append(look.banner("warn", scene.words("banner.silent", n=len(silent), names=separator.join(silent))))
    if said:
        st.html(f'<div class="cr" style="display:grid;gap:.4rem">{"".join(said)}</div>')


def with_mart(title: str, draw: Callable[[Scene, serving.Mart], None], scene: Scene) -> None:
    """Draw a page on the newest generation, or say plainly why there is none; redraw when a newer one appears."""
    shown: str | None = None
    try:
        with serving.open_mart(scene.home) as mart:
            shown = mart.generation.name
            draw(scene, mart)
    except serving.NoGenerationError:
        title_line(scene, title, [scene.words("app.name")])
        command = f"CITYRISK_HOME={shlex.quote(str(scene.home.root))} cityrisk run"
        st.html(
            f'<div class="cr"><h2>{escape(scene.words("banner.none_title"))}</h2>'
            f'<p class="quiet">{escape(scene.words("banner.none_text"))}</p><code>{escape(command)}</code></div>'
        )
    except serving.GenerationError as error:
        title_line(scene, title, [scene.words("app.name")])
        st.html(
            f'<div class="cr"><h2>{escape(scene.words("banner.broken_title"))}</h2>'
            f"{look.banner('bad', str(error))}</div>"
        )
    st.session_state[SHOWN] = shown


def may_not(scene: Scene, roles: Collection[str], area_code: str | None = None) -> str:
    """Why the person who looks may not act here, in words; empty when nothing stands against it."""
    words, user = scene.words, scene.user
    if user is None:
        return words("login.needed")
    if user.role not in roles:
        return words("login.only_look", role=words(f"role.{user.role}"))
    is_elsewhere = area_code is not None and not user.reader.may_see(area_code)
    return words("login.elsewhere") if is_elsewhere else ""


def clock(at: datetime, with_year: bool = False) -> str:
    """An instant on the Beijing clock."""
    return at.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M" if with_year else "%m-%d %H:%M")


def age_words(words: Words, age: timedelta) -> str:
    """A span of time in its largest sensible unit."""
    minutes = max(int(age.total_seconds() // 60), 0)
    if minutes < 120:
        return words("age.minutes", n=minutes)
    return words("age.hours", n=minutes // 60) if minutes < 48 * 60 else words("age.days", n=minutes // (24 * 60))


def present() -> datetime:
    """The moment of drawing."""
    return datetime.now(UTC)


def page(title: str, draw: Callable[[Scene, serving.Mart], None], scene: Scene) -> Callable[[], None]:
    """A page for the navigation."""
    return functools.partial(with_mart, title, draw, scene)


def follow_generations(home: serving.Home) -> None:
    """Redraw a page that shows a generation when a newer one appears; called by what every page draws again and again.

    One listing of a folder. A redraw of its own for it would cost as many bytes as the strip.
    """
    newest = serving.newest(home)
    if SHOWN in st.session_state and newest is not None and newest.name != st.session_state[SHOWN]:
        st.rerun()


def _switch_language() -> None:
    other: Language = "en" if st.session_state.get("lang", DEFAULT) == "zh" else "zh"
    st.session_state["lang"] = other
    st.query_params["lang"] = other

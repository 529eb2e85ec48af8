"""The browser's side of a page that lives: running clocks, clicks on rows, sound and notice on a new red alert.

One component of ours in `live_client.js`; what it shows of alerts is put in as text, never as markup.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from access.alerts_view import ListedAlert
from dashboards.language import Words

KEY = "live_client"
_HTML = (
    '<div class="cr"><div class="live-client"><button type="button" class="bell"></button>'
    '<div class="says banner bad" role="alert" hidden></div>'
    '<div class="lost banner bad" role="alert" hidden></div></div></div>'
)
WORDS = ("new_red", "bell_on", "bell_off", "bell_waits", "bell_sound_only", "overdue", "left", "lost", "days")


@cache
def _component() -> Any:
    script = Path(__file__).with_name("live_client.js").read_text(encoding="utf-8")
    return st.components.v2.component("cityrisk_live_client", html=_HTML, js=script, isolate_styles=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A red alert that nobody answered; `ring` is the same as long as it is the same call for a person."""

    ring: str
    text: str
    is_exercise: bool


def calls(words: Words, reds: Sequence[ListedAlert]) -> list[Call]:
    """Red alerts in the words of a notice."""
    return [Call(red.call_key, _said(words, red), red.is_exercise) for red in reds]


def _said(words: Words, red: ListedAlert) -> str:
    said = f"{red.object_name_zh} {words.pick(red.matters_zh, red.matters_en)}"
    return f"[{words('mark.exercise')}] {said}" if red.is_exercise else said


def beat(words: Words, now: datetime, reds: Sequence[Call], on_pick: Callable[[str], None] | None = None) -> None:
    """One beat: the server's time, and the red alerts that nobody answered; the bell rings until somebody does.

    `on_pick` gets the `data-pick` of what was clicked anywhere on the page.
    """

    def picked() -> None:
        chosen = st.session_state[KEY].get("picked")
        if chosen and on_pick is not None:
            on_pick(chosen)

    data = {
        "now": int(now.timestamp() * 1000),
        "language": {"zh": "zh-CN"}.get(words.language, words.language),
        "reds": [asdict(red) for red in reds],
        "words": {name: words.texts[f"live_client.{name}"] for name in WORDS},
    }
    _component()(key=KEY, data=data, on_picked_change=picked)


def since(at: datetime) -> str:
    """A clock that runs from an instant; its text stands until the browser has taken over."""
    return f'<span class="clock" data-since="{int(at.timestamp() * 1000)}">–</span>'


def until(at: datetime) -> str:
    """A clock that runs towards an instant and says when it has passed."""
    return f'<span class="clock" data-until="{int(at.timestamp() * 1000)}">–</span>'

"""What the address of a page carries beside its language: filters and the chosen thing, so that a link shows the same.

A widget takes its value from the address when the page opens; from then on the address follows the widget.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import streamlit as st

_BETWEEN = ","


def one(name: str, key: str, allowed: Collection[str | None], default: str | None = None) -> None:
    """Before a widget is drawn, once: the value of `name` in the address if the widget has it, else what it opens with.

    The widget itself is drawn without a default; without one here it opens with its first choice.
    """
    if key not in st.session_state:
        asked = st.query_params.get(name)
        chosen = asked if asked is not None and asked in allowed else default
        if chosen is not None:  # none chosen would not be the same as the widget's own first choice
            st.session_state[key] = chosen


def several(name: str, key: str, allowed: Collection[str], default: Sequence[str]) -> None:
    """The same for a widget that holds several."""
    if key not in st.session_state:
        asked = st.query_params.get(name)
        chosen = default if asked is None else [value for value in asked.split(_BETWEEN) if value in allowed]
        st.session_state[key] = list(chosen)


def text(name: str, key: str) -> None:
    """The same for what people type, and for the id of a chosen thing."""
    if key not in st.session_state and st.query_params.get(name):
        st.session_state[key] = st.query_params[name]


def follow(name: str, chosen: str | Sequence[str] | None, default: str | Sequence[str] | None = None) -> None:
    """After it is drawn: the address says what was chosen; what is so by itself needs no words there."""
    said = chosen if chosen is None or isinstance(chosen, str) else _BETWEEN.join(chosen)
    opens_with = default if default is None or isinstance(default, str) else _BETWEEN.join(default)
    if (not said and isinstance(chosen, str | None)) or said == opens_with:
        st.query_params.pop(name, None)
    elif st.query_params.get(name) != said:
        st.query_params[name] = said or ""

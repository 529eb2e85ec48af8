"""Parts of a system's page. One module each: what it draws, its texts, for which systems it stands unasked.

`page:` of system.yaml names parts by their module; without it a page has those of `USUAL` that have something to show.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import streamlit as st

from access import serving
from access.systems import CitySystem, PagePart
from dashboards.frame import Scene

Texts = Mapping[str, tuple[str, str]]  # key → Chinese, English
USUAL = (
    PagePart("summary"),
    PagePart("alerts"),
    PagePart("map"),
    PagePart("worst"),
    PagePart("trend"),
    PagePart("index"),
    PagePart("register"),
    PagePart("devices"),
    PagePart("feeds"),
)


class UnknownPartError(LookupError):
    """A page names a part that is no module here."""


@dataclass(frozen=True)
class View:
    """What a part is drawn with: the scene, the open generation, the system, its own texts, how the page names it."""

    scene: Scene
    mart: serving.Mart
    system: CitySystem
    texts: Texts
    named: PagePart

    def say(self, key: str, **values: object) -> str:
        """A text of the part in the page's language."""
        return self.scene.words.pick_one(self.texts[key]).format(**values)

    def key(self, name: str) -> str:
        """A widget's key that no other system's page has."""
        return f"{self.system.id}_{name}"

    def title(self, key: str = "title", note: str = "") -> None:
        """The heading of the part."""
        small = f"<small>{escape(note)}</small>" if note else ""
        self.html(f"<h2>{escape(self.say(key))}{small}</h2>")

    def heads(self, **kinds: str) -> list[tuple[str, str]]:
        """Heads of a table: the text of each key, and the class of its cells."""
        return [(self.say(key), kind) for key, kind in kinds.items()]

    def quiet(self, text: str) -> None:
        """A line beside the facts, or why there are none."""
        self.html(f'<p class="quiet">{escape(text)}</p>')

    def html(self, inside: str) -> None:
        """Ready-made HTML in the page's style."""
        st.html(f'<div class="cr">{inside}</div>')


def _everywhere(_system: CitySystem) -> bool:
    return True


@dataclass(frozen=True)
class Part:
    """A part: `width` is its share of a line that it fills together with its neighbours, 1 the whole line.

    `is_for`: whether the system has what it draws; asked only where the page names no parts.
    """

    draw: Callable[[View], None]
    texts: Texts
    width: float = 1.0
    is_for: Callable[[CitySystem], bool] = _everywhere


def names() -> tuple[str, ...]:
    """Every part there is."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def module_of(named: PagePart) -> str:
    """The module here that draws it."""
    return named.of if named.kind == "part" else named.kind


def part(name: str) -> Part:
    """A part by its name. Raises UnknownPartError."""
    if name not in names():
        raise UnknownPartError(
            f"page part {name!r}: no such module in dashboards/parts; there are {', '.join(names())}"
        )
    found: Part = importlib.import_module(f"{__name__}.{name}").PART
    return found


def parts_of(system: CitySystem) -> tuple[PagePart, ...]:
    """What stands on the page of a system, from top to bottom; always with the feeds that it is made of."""
    usual = tuple(one for one in USUAL if part(one.kind).is_for(system))
    if not system.page or any(one.kind == "feeds" for one in system.page):
        return system.page or usual
    return (*system.page, PagePart("feeds"))


def lines(chosen: Sequence[tuple[PagePart, Part]]) -> list[list[tuple[PagePart, Part]]]:
    """Parts in lines: neighbours share one as long as their widths fit into it."""
    found: list[list[tuple[PagePart, Part]]] = []
    for one in chosen:
        if found and sum(part.width for _, part in found[-1]) + one[1].width <= 1.0 + 1e-9:
            found[-1].append(one)
        else:
            found.append([one])
    return found

"""The four colours of an alert and their order: blue is the mildest, red the worst."""

from __future__ import annotations

from collections.abc import Mapping

COLOURS = ("blue", "yellow", "orange", "red")
RANKS: Mapping[str, int] = {colour: rank for rank, colour in enumerate(COLOURS, start=1)}

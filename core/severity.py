"""The four colours of an alert and their order: blue is the mildest, red the worst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

RANKS: Mapping[str, int] = {"blue": 1, "yellow": 2, "orange": 3, "red": 4}
COLOURS: Mapping[int, str] = {rank: colour for colour, rank in RANKS.items()}
WORST_FIRST: Sequence[str] = tuple(sorted(RANKS, key=lambda colour: -RANKS[colour]))
NAMES_ZH: Mapping[str, str] = {"red": "红色", "orange": "橙色", "yellow": "黄色", "blue": "蓝色"}

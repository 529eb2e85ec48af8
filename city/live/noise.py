"""Chance without a state: the same numbers for the same questions, in whatever order they are asked.

A device may be asked about any moment, live or years later, so nothing here remembers what it gave before.
"""

from __future__ import annotations

import math

_MASK = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15
DAY_S = 86_400


def chance(*parts: int) -> float:
    """A number from 0 to 1 (excluded) that the whole numbers `parts` decide."""
    word = _STEP
    for part in parts:
        word = (word ^ part) * _STEP & _MASK
        word ^= word >> 31
    word = word * 0xBF58476D1CE4E5B9 & _MASK
    return ((word ^ word >> 29) >> 11 & (1 << 53) - 1) / (1 << 53)


def between(low: float, high: float, *parts: int) -> float:
    """A number from `low` to `high` that `parts` decide."""
    return low + (high - low) * chance(*parts)


def wave(at: int, peak_hour: float) -> float:
    """The daily rhythm in Beijing time, −1 … 1, highest at `peak_hour`."""
    hour = (at + 8 * 3600) % DAY_S / 3600
    return math.cos((hour - peak_hour) / 24 * 2 * math.pi)


def hour_of(at: int) -> float:
    """The hour of the day in Beijing, 0 … 24."""
    return (at + 8 * 3600) % DAY_S / 3600

"""One value of a device on an ordinary day, as `simulation.yaml` declares it: cycles, noise, couplings."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from city.live.noise import DAY_S, between, chance, hour_of, wave
from core.declarations import DeclarationError, seconds

HOUR_S = 3600
# Rain on an ordinary day: an hour of at most 3 mm now and then, so that no day comes near a warning.
STEP_S = 300
_SHOWERS, _MOST_MM = 0.03, 0.25
_SHOWER, _AMOUNT, _EPOCH_WEEKDAY = 62, 63, 3


@dataclass(frozen=True, slots=True)
class Quantity:
    """A compiled value; `factor` is the register's figure that everything is multiplied by.

    `serviced` is how it shows while somebody works at the device: (`shows`, `times` or `plus`, figure).
    """

    name: str
    salt: int
    base: float = 0.0
    swing: float = 0.0
    peak_hour: float = 0.0
    weekend: float = 0.0
    by_day: tuple[float, float, float] | None = None
    low: float = 0.0
    high: float = 0.0
    holds_s: int = 1
    factor: float = 1.0
    follows: tuple[str, float] | None = None
    rain_hours: int = 0
    each_mm: float = 0.0
    serviced: tuple[str, float] | None = None
    least: float = float("-inf")
    most: float = float("inf")
    decimals: int = 3

    def at(self, at: int, key: int, sky_key: int, others: Mapping[str, float], is_serviced: bool) -> float:
        """Its value at an instant, for a device with that key; `others` are the values above it."""
        value = self.base
        if self.swing:
            value += self.swing * wave(at, self.peak_hour)
        if self.weekend and (at // DAY_S + _EPOCH_WEEKDAY) % 7 >= 5:
            value += self.weekend
        if self.by_day is not None and self.by_day[0] <= hour_of(at) < self.by_day[1]:
            value += self.by_day[2]
        if self.high != self.low:
            value += between(self.low, self.high, key, at // self.holds_s, self.salt)
        value *= self.factor
        if self.follows is not None:
            value += others[self.follows[0]] * self.follows[1]
        if self.each_mm:
            value += self.each_mm * (
                rain_of_hours(sky_key, at, self.rain_hours) if self.rain_hours else shower_mm(sky_key, key, at)
            )
        if is_serviced and self.serviced is not None:
            how, figure = self.serviced
            value = figure if how == "shows" else value * figure if how == "times" else value + figure
        within: float = min(max(value, self.least), self.most)
        return within


def quantity(name: str, spec: Mapping[str, Any], row: Mapping[str, Any]) -> Quantity:
    """Compile one declared value for the device of a register's row. Raises DeclarationError for an unknown column."""
    low, high = spec.get("noise", (0.0, 0.0))
    swing, peak_hour = spec.get("daily", (0.0, 0.0))
    rain, serviced = spec.get("rain", {}), spec.get("serviced")
    follows, by_day = spec.get("follows"), spec.get("by_day")
    return Quantity(
        name=name,
        salt=zlib.crc32(name.encode()),
        base=level(spec.get("base", 0.0), row),
        swing=swing,
        peak_hour=peak_hour,
        weekend=spec.get("weekend", 0.0),
        by_day=None if by_day is None else (by_day[0], by_day[1], by_day[2]),
        low=low,
        high=high,
        holds_s=seconds(spec["noise_holds"]) if "noise_holds" in spec else 1,
        factor=level([spec["of"], 1, 0], row) if "of" in spec else 1.0,
        follows=None if follows is None else (follows[0], follows[1]),
        rain_hours=rain.get("hours", 0),
        each_mm=rain.get("each_mm", 0.0),
        serviced=None if serviced is None else next(iter(serviced.items())),
        least=spec.get("least", float("-inf")),
        most=spec.get("most", float("inf")),
        decimals=spec.get("decimals", 3),
    )


def level(raw: float | list[Any], row: Mapping[str, Any]) -> float:
    """A number, or a column of the register's row times a factor plus an offset."""
    if not isinstance(raw, list):
        return float(raw)
    column, factor, offset = raw
    if row.get(column) is None:
        raise DeclarationError(f"column {column!r} is not in the register of the device, or empty there")
    return float(row[column]) * float(factor) + float(offset)


def rains(sky_key: int, at: int) -> bool:
    """Whether it rains under a part of the sky."""
    return chance(sky_key, at // HOUR_S, _SHOWER) < _SHOWERS


def shower_mm(sky_key: int, key: int, at: int) -> float:
    """Rain of the five minutes before an instant at one gauge."""
    return round(between(0.0, _MOST_MM, key, at, _AMOUNT), 1) if rains(sky_key, at) else 0.0


def rain_of_hours(sky_key: int, at: int, hours: int) -> float:
    """Rain of the hours before an instant, the mean over all gauges; it runs in and out evenly."""
    total = 0.0
    for back in range(hours + 1):
        hour = at // HOUR_S - back
        if chance(sky_key, hour, _SHOWER) < _SHOWERS:
            began = hour * HOUR_S
            fallen = min(at - began, HOUR_S) - max(0, at - hours * HOUR_S - began)
            total += _MOST_MM / 2 * fallen / STEP_S
    return total

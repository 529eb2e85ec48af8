"""Rain storms over the city: one field that every gauge, pond and slope samples."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from city.clock import Span
from city.geography import METRES_PER_DEGREE, County, Floats, Places


@dataclass(frozen=True)
class Storm:
    """One storm: starts at hour `begin`, lasts `hours`, rains up to `peak_mm_h` within `radius_m` of its centre."""

    begin: int
    hours: int
    peak_mm_h: float
    lon: float
    lat: float
    radius_m: float

    def shape(self, n_hours: int) -> Floats:
        """Relative intensity per hour, 0 … 1, shape (n_hours,)."""
        phase = (np.arange(n_hours) - self.begin + 0.5) / self.hours
        return np.where((phase > 0) & (phase < 1), np.sin(np.pi * np.clip(phase, 0, 1)), 0.0)

    def footprint(self, lon: Floats, lat: Floats) -> Floats:
        """Relative intensity per place, 0 … 1."""
        east = (lon - self.lon) * METRES_PER_DEGREE * np.cos(np.radians(self.lat))
        north = (lat - self.lat) * METRES_PER_DEGREE
        near: Floats = np.exp(-(east**2 + north**2) / (2 * self.radius_m**2))
        return near


def draw_storms(span: Span, counties: list[County], rng: np.random.Generator) -> list[Storm]:
    """Ordinary rain about every four days, and one heavy storm per ten days (at least one)."""
    storms: list[Storm] = []
    heavy = max(1, span.days // 10)
    for index in range(heavy + max(1, span.days // 4)):
        county = counties[int(rng.integers(min(12, len(counties))))]
        centre = county.outline.representative_point()
        is_heavy = index < heavy
        hours = int(rng.integers(5, 9)) if is_heavy else int(rng.integers(6, 20))
        room = max(1, span.hours - hours - 6)
        share = span.hours / heavy
        begin = int(min(room, share * index + rng.uniform(0.25, 0.7) * share)) if is_heavy else int(rng.integers(room))
        peak = rng.uniform(28, 42) if is_heavy else rng.uniform(0.8, 3.2)
        radius = rng.uniform(14_000, 22_000) if is_heavy else rng.uniform(40_000, 90_000)
        storms.append(Storm(begin, hours, float(peak), centre.x, centre.y, float(radius)))
    return storms


def rain_mm(storms: list[Storm], places: Places, span: Span, rng: np.random.Generator) -> Floats:
    """Rain per hour at each place, mm with one decimal, shape (places, hours)."""
    total: Floats = np.zeros((len(places), span.hours))
    for storm in storms:
        total += storm.peak_mm_h * np.outer(storm.footprint(places.lon, places.lat), storm.shape(span.hours))
    total *= rng.gamma(12.0, 1 / 12.0, total.shape)
    total[total < 0.05] = 0.0
    return np.minimum(total, 120.0).round(1)


def rolling_sum(values: Floats, hours: int) -> Floats:
    """Sum of the last `hours` columns, shape kept."""
    padded: Floats = np.cumsum(np.pad(values.astype(np.float64), ((0, 0), (hours, 0))), axis=1)
    return padded[:, hours:] - padded[:, :-hours]


def rain_colours(rain: Floats) -> npt.NDArray[np.int64]:
    """Warning level per place and hour by the rain-storm signal: 0 none, 1 blue, 2 yellow, 3 orange, 4 red."""
    three = rolling_sum(rain, 3)
    level = np.zeros(rain.shape, dtype=np.int64)
    level[rolling_sum(rain, 12) >= 50] = 1
    level[rolling_sum(rain, 6) >= 50] = 2
    level[three >= 50] = 3
    level[three >= 100] = 4
    return level

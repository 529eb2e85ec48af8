"""An incident: what happens at one device, and which rule should see it at which colour."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Curve:
    """A value over the seconds since an incident began: straight lines between points."""

    seconds: tuple[float, ...]
    values: tuple[float, ...]

    def at(self, second: float) -> float:
        """The value; before the first point and after the last it stands."""
        place = bisect_right(self.seconds, second)
        if place == 0:
            return self.values[0]
        if place == len(self.seconds):
            return self.values[-1]
        (t0, t1), (v0, v1) = self.seconds[place - 1 : place + 1], self.values[place - 1 : place + 1]
        return v0 + (v1 - v0) * (second - t0) / (t1 - t0)


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident at one device. Times are whole seconds since 1970 UTC; `rule_id` is '' where no rule tells of it.

    `object_id` and `device_id` are the department's own codes. `curves` replace values by metric; `marks` tell what no
    curve can: `silent` (so many seconds after it began), `flag` (the state that the device names), `drives`,
    `alarm_bit`, `behaviour`, `part_state` with `part_type` and `parts` (how many of them). `also` are further alerts
    that rules cannot help to give: rule, colour.
    """

    rule_id: str
    colour: str
    feed_id: str
    object_id: str
    device_id: str
    starts_at: int
    ends_at: int
    curves: Mapping[str, Curve] = field(default_factory=dict)
    marks: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    also: tuple[tuple[str, str], ...] = ()

    def is_on(self, at: int) -> bool:
        """Whether it lasts at an instant."""
        return self.starts_at <= at < self.ends_at

    def value(self, metric: str, at: int) -> float | None:
        """What it makes of a metric at an instant; None where it changes nothing."""
        curve = self.curves.get(metric)
        return None if curve is None or not self.is_on(at) else curve.at(at - self.starts_at)

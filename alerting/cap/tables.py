"""What colours and kinds of risk are called in CAP, from rows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from alerting.cap.sense import MOST_KM, is_radius


@dataclass(frozen=True, slots=True)
class CapLevel:
    """One row of cap_levels.csv."""

    severity: str
    urgency: str
    certainty: str  # of what instruments measured
    certainty_reported: str  # of what a person phoned in
    response_type: str
    valid: timedelta


@dataclass(frozen=True, slots=True)
class CapEvent:
    """One row of cap_events.csv; `radius_km` is None where a circle around the object would say nothing."""

    categories: tuple[str, ...]
    event_code: str
    radius_km: float | None


@dataclass(frozen=True, slots=True)
class CapTables:
    """Both tables, ready to be asked."""

    levels: Mapping[str, CapLevel]
    events: Mapping[tuple[str, str], tuple[tuple[str, CapEvent], ...]]

    @staticmethod
    def of(levels: Iterable[Mapping[str, str]], events: Iterable[Mapping[str, str]]) -> CapTables:
        """The rows of the seeds."""
        found: dict[tuple[str, str], list[tuple[str, CapEvent]]] = {}
        for row in events:
            radius = float(row["radius_km"]) if row["radius_km"] else None
            if radius is not None and not is_radius(radius):
                raise ValueError(
                    f"cap_events.csv, {row['event_code']}: radius_km {radius} found, expected 0 to {MOST_KM}"
                )
            event = CapEvent(tuple(row["category"].split()), row["event_code"], radius)
            found.setdefault((row["domain"], row["subdomain"]), []).append((row["rule_prefix"], event))
        return CapTables(
            {
                row["colour"]: CapLevel(
                    row["severity"],
                    row["urgency"],
                    row["certainty"],
                    row["certainty_reported"],
                    row["response_type"],
                    timedelta(hours=float(row["valid_hours"])),
                )
                for row in levels
            },
            {key: tuple(sorted(rows, key=lambda one: -len(one[0]))) for key, rows in found.items()},
        )

    def event(self, domain: str, subdomain: str, rule_id: str) -> CapEvent:
        """The event of a rule: the longest prefix of its kind of risk, else the domain's own row, else any risk's."""
        for key in ((domain, subdomain), (domain, "any"), ("all", "any")):
            for prefix, event in self.events.get(key, ()):
                if rule_id.startswith(prefix):
                    return event
        raise KeyError(f"no row of cap_events.csv for {domain}/{subdomain}, and none for any risk")

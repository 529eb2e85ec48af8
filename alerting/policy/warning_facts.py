"""The eight facts that a warning must state, in Chinese and English, from what is known about a breach. Pure.

Emergency Response Law (2024) art. 64: category, level, start time, possible area, warning matters, measures, issuer,
issue time. None is ever empty: what nobody told us is said to be unknown, never left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alerting.lifecycle.alert import Alert
from alerting.policy.routing import Routing
from alerting.wording import Pair
from core.civil_time import CIVIL_ZONE
from core.severity import RANKS

_DOMAINS = {
    "lifeline": ("城市生命线", "city lifelines"),
    "public_safety": ("公共安全", "public safety"),
    "work_safety": ("生产安全", "work safety"),
    "natural_hazard": ("自然灾害", "natural hazards"),
    "all": ("综合", "all risks"),
}


@dataclass(frozen=True, slots=True)
class Guide:
    """One row of handling_guides.csv: what to do about a kind of risk at a colour, and whose word that is."""

    guide_id: str
    category_zh: str
    category_en: str
    issuer_department: str
    measures_zh: str
    measures_en: str
    source: str
    evidence_grade: str


class Guides:
    """Guides by domain, subdomain and colour; every domain has a row for kinds that have none of their own."""

    def __init__(self, rows: Iterable[Mapping[str, str]]) -> None:
        self._by_kind: dict[tuple[str, str, str], Guide] = {}
        for row in rows:
            names = Guide.__slots__
            self._by_kind[row["domain"], row["subdomain"], row["colour"]] = Guide(**{name: row[name] for name in names})

    def kinds(self) -> dict[tuple[str, str], tuple[str, str]]:
        """The kinds of risk that have guides: (domain, subdomain) → the category's names, Chinese and English."""
        rows = sorted(self._by_kind.items())
        return {(domain, subdomain): (guide.category_zh, guide.category_en) for (domain, subdomain, _), guide in rows}

    def of(self, domain: str, subdomain: str, colour: str) -> Guide:
        """The guide for a kind of risk; the domain's own one when the kind has none."""
        for key in ((domain, subdomain, colour), (domain, "any", colour), ("all", "any", colour)):
            if key in self._by_kind:
                return self._by_kind[key]
        raise KeyError(f"no handling guide for {domain}/{subdomain}/{colour}, and none for any risk")


def level_of(colour: str) -> int:
    """Art. 63: levels one to four, one is highest.

    >>> level_of("red"), level_of("blue")
    (1, 4)
    """
    return 5 - RANKS[colour]


def facts(
    alert: Alert, matters: tuple[str, str], guide: Guide, routing: Routing, issued_at: datetime
) -> dict[str, Any]:
    """The columns of the eight facts for an alert with its place, colour and start; `matters` says what was found."""
    domain_zh, domain_en = _DOMAINS[alert.domain]
    place_zh, place_en = routing.place(alert.area_code)
    issuer_zh, issuer_en = routing.issuer(alert.area_code, guide.issuer_department)
    name_zh = " ".join(filter(None, (alert.object_name_zh, alert.spot_zh)))
    name_en = ", ".join(filter(None, (alert.object_name_zh, alert.spot_en)))
    return {
        "category_zh": f"{domain_zh}·{guide.category_zh}",
        "category_en": f"{domain_en}: {guide.category_en}",
        "level": level_of(alert.colour),
        "starts_at": alert.starts_at,
        "possible_area_zh": f"{place_zh}{name_zh}及周边",
        "possible_area_en": f"{place_en}: {name_en} and its surroundings",
        "matters_zh": matters[0],
        "matters_en": matters[1],
        "measures_zh": guide.measures_zh,
        "measures_en": guide.measures_en,
        "issuer_zh": issuer_zh,
        "issuer_en": issuer_en,
        "issued_at": issued_at,
        "guide_id": guide.guide_id,
    }


def at_spot(said: Pair, spot: Pair) -> Pair:
    """Words with the place inside the object behind them, where its devices say one."""
    return (f"{said[0]}，位置：{spot[0]}" if spot[0] else said[0]), (f"{said[1]}, at {spot[1]}" if spot[1] else said[1])


def as_last_known(said: Pair, known_at: datetime) -> Pair:
    """Words that say from when the value is that they speak of: nothing newer was known when alerting began."""
    at = known_at.astimezone(CIVIL_ZONE)
    return (
        f"{said[0]}，按 {at:%Y-%m-%d %H:%M} 的最后已知值判定",
        f"{said[1]}, judged from the last known value, of {at:%Y-%m-%d %H:%M} Beijing time",
    )


def matters_of(
    name_zh: str, name_en: str, value: float | None, threshold: float | None, unit: Pair, basis: Pair
) -> Pair:
    """What was found against which limit, and by which standard, in Chinese and English."""
    zh, en = (_measured(value, one) for one in unit)
    limit_zh, limit_en = (_measured(threshold, one) for one in unit)
    said_zh = f"{name_zh}{zh}" + (f"，限值{limit_zh}" if limit_zh else "") + (f"（{basis[0]}）" if basis[0] else "")
    said_en = f"{name_en}{en}" + (f", limit{limit_en}" if limit_en else "") + (f" ({basis[1]})" if basis[1] else "")
    return said_zh, said_en


def _measured(value: float | None, unit: str) -> str:
    return "" if value is None else f" {value:.6g} {unit}".rstrip()

"""What a notice becomes in the outbox: one delivery for each route that wants it. Pure.

The body holds everything that a channel may shape its message from, so that a worker needs no look at the alerts, which
may have moved on since.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from alerting.lifecycle.alert import Alert, Delivery, Notice
from alerting.wording import Wording

EVERY = "all"  # domain or role of a notice that concerns several
SHOWN = 20  # alerts in full in one notice; the rest is counted
_SHOWN_COLUMNS = (
    "alert_id",
    "rule_id",
    "object_id",
    "object_name_zh",
    "state",
    "colour",
    "severity_rank",
    "value",
    "peak_value",
    "threshold",
    "unit",
    "standard",
    "clause",
    "evidence_grade",
    "source_label",
    "domain",
    "subdomain",
    "area_code",
    "lon",
    "lat",
    "spot_zh",
    "spot_en",
    "category_zh",
    "category_en",
    "level",
    "starts_at",
    "possible_area_zh",
    "possible_area_en",
    "matters_zh",
    "matters_en",
    "measures_zh",
    "measures_en",
    "issuer_zh",
    "issuer_en",
    "issued_at",
    "disposing_unit",
    "disposing_unit_zh",
    "disposing_unit_en",
    "contact",
    "n_reports",
    "is_exercise",
    "is_late",
    "is_flapping",
    "escalation_level",
    "opened_at",
    "acknowledged_at",
    "due_at",
    "version",
)


@dataclass(frozen=True, slots=True)
class Route:
    """One row of routes.csv: which notices a channel carries, and to whom."""

    route_id: str
    channel_id: str
    target: str
    to_role: str
    min_rank: int
    domain: str
    kinds: tuple[str, ...]
    is_public: bool

    def wants(self, notice: Notice) -> bool:
        """Whether this route carries a notice. An exercise never leaves for the public."""
        return (
            notice.severity_rank >= self.min_rank
            and (self.to_role in ("*", notice.to_role) or notice.to_role == EVERY)
            and (self.domain in ("*", notice.domain) or notice.domain == EVERY)
            and ("*" in self.kinds or notice.kind in self.kinds)
            and not (self.is_public and notice.is_exercise)
        )


def routes_of(rows: Iterable[Mapping[str, str]]) -> tuple[Route, ...]:
    """The rows of the seed."""
    return tuple(
        Route(
            row["route_id"],
            row["channel_id"],
            row["target"],
            row["to_role"],
            int(row["min_rank"]),
            row["domain"],
            tuple(row["kinds"].split()),
            row["is_public"] == "true",
        )
        for row in rows
    )


def body_of(
    notice: Notice,
    alerts: Sequence[Alert],
    kinds: Mapping[str, str],
    wording: Wording,
    now: datetime,
    heard_at: Mapping[str, datetime],
) -> dict[str, Any]:
    """The notice in full: its own facts, and its worst alerts with the kind of news each has.

    `heard_at` says of alerts with a silent device when it was last heard.
    """
    worst = sorted(alerts, key=lambda alert: (-alert.severity_rank, alert.alert_id))
    shown = [
        {name: _plain(getattr(alert, name)) for name in _SHOWN_COLUMNS}
        | _basis(alert, wording)
        | {"news": kinds[alert.alert_id], "last_heard_at": _plain(heard_at.get(alert.alert_id))}
        for alert in worst[:SHOWN]
    ]
    facts = {field.name: _plain(getattr(notice, field.name)) for field in fields(notice)}
    facts["first_news_at"] = facts["first_announced_at"]  # as receivers knew it before
    return {**facts, "told_at": now.isoformat(), "n_not_shown": max(len(worst) - SHOWN, 0), "alerts": shown}


def deliveries_of(
    notice: Notice,
    body: str,
    alerts: Sequence[Alert],
    routes: Iterable[Route],
    now: datetime,
    knowing: Collection[tuple[str, str]] = (),
) -> list[Delivery]:
    """The outbox of a notice: one for each route that wants it, one for each disposing unit of a `unit` route.

    `knowing` are channel and target of those who hear it whatever routes say: of an end, who was told the beginning.
    """
    worst = max(alerts, key=lambda alert: (alert.severity_rank, alert.alert_id))
    units = sorted({alert.disposing_unit for alert in alerts})
    targets = [
        (route.channel_id, target)
        for route in routes
        if route.wants(notice)
        for target in (units if route.target == "unit" else [route.target])
    ]
    targets += sorted(set(knowing) - set(targets))
    return [
        Delivery(
            delivery_id=f"{notice.notice_id[:24]}-{number}",
            notice_id=notice.notice_id,
            alert_id=worst.alert_id,
            channel_id=channel_id,
            target=target,
            kind=notice.kind,
            body=body,
            state="waiting",
            attempts=0,
            next_at=now,
            receipt=None,
            created_at=now,
            sent_at=None,
        )
        for number, (channel_id, target) in enumerate(targets)
    ]


def _basis(alert: Alert, wording: Wording) -> dict[str, str]:
    zh, en = wording.basis(alert.standard, alert.clause)
    return {"basis_zh": zh, "basis_en": en}


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value

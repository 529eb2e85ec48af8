"""A home whose ops store holds alerts, devices and people, all put there by the functions that do it in earnest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from access import users
from access.serving import Home
from alerting.engine.episode import Change, EpisodeChange, episode_id_of
from alerting.lifecycle.joining import Subject
from alerting.policy.notification_policies import NotificationPolicies, load_notification_policies
from alerting.rules.generations import newest_generation
from alerting.workflow.changes import Position, apply
from core.severity import RANKS
from core.store import tables
from core.store.database import open_ops
from core.store.device import DeviceLink
from ingest.devices.links import write_links
from orchestration.rules import publish_rules
from published import publish_city

PASSWORD = "tide-turns-at-seven"
WELL = Subject(
    "lifeline", "gas", "gas_space", "夷陵大道燃气阀井", "420502003", 111.29, 30.71, "可燃气体浓度", "Combustible gas"
)
RIVER = Subject(
    "natural_hazard", "flood", "river_station", "清江高坝洲站", "420581", 111.40, 30.40, "水位", "River level"
)
SITE = Subject(
    "public_safety",
    "construction",
    "site",
    "猇亭一号工地",
    "420505",
    111.43,
    30.53,
    "PM10 小时均值",
    "PM10, mean of an hour",
)
# What each subject is measured by: metric, unit, threshold, standard, clause, evidence grade.
MEASURED: dict[str, tuple[str, str, float, str, str, str]] = {
    "gas_space": ("methane_pct_lel", "%LEL", 50.0, "GB/T 50493-2019", "5.5.2", "secondary"),
    "river_station": ("water_level_m", "m", 82.5, "GB/T 22482-2008", "5.2", "text read"),
    "site": ("pm10_ug_m3", "ug/m3", 500.0, "HJ/T 393", "", "unconfirmed"),
}


class AlertedHome:
    """A published city with rules, and an ops store that tests write to as the alerting process does."""

    def __init__(self, home: Home) -> None:
        self.home, self.now = home, datetime.now(UTC)
        publish_city(home, self.now)
        publish_rules(home, self.now)
        self.policies: NotificationPolicies = load_notification_policies(newest_generation(home.root))
        self.engine = open_ops(home.ops_url)
        self.hear(timedelta(hours=1))  # long enough for a whole module of tests

    def hear(self, ahead: timedelta = timedelta(0)) -> None:
        """Alerting moves on, as it does every second; `ahead` lets one step count for as long."""
        at = datetime.now(UTC) + ahead
        with self.engine.begin() as connection:
            connection.execute(sa.delete(tables.alert_position))
        position = Position("alerting", "LIVE", int(at.timestamp()), at)
        apply(self.engine, self.policies, [], _well, at, position)

    def breach(
        self,
        subject: Subject,
        object_id: str,
        colour: str,
        value: float,
        minutes_ago: float = 0,
        late: bool = False,
        rule_id: str | None = None,
    ) -> str:
        """A rule's episode opens at an object; returns the alert's id."""
        at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
        metric, unit, threshold, standard, clause, grade = MEASURED.get(subject.object_type, MEASURED["gas_space"])
        rule_id = rule_id or f"{subject.subdomain}_rule"
        change = EpisodeChange(
            episode_id_of(metric, object_id, "d1", at),
            1,
            Change.OPENED,
            rule_id,
            object_id,
            "d1",
            metric,
            colour,
            RANKS[colour],
            value,
            threshold,
            unit,
            f"{metric}_{colour}",
            standard,
            clause,
            grade,
            colour,
            at,
            at,
            is_late=late,
        )
        apply(self.engine, self.policies, [change], lambda _: subject, at)
        return self.scalar(sa.select(tables.member.c.alert_id).where(tables.member.c.episode_id == change.episode_id))

    def person(self, name: str, role: str = "duty_officer", language: str = "zh", display_name: str = "") -> None:
        """Somebody who may log in with PASSWORD."""
        users.add_user(self.home, name, PASSWORD, role, self.now, language=language, display_name=display_name)

    def links(self, *devices: dict[str, Any]) -> None:
        """Devices as the gateways heard them."""
        write_links(self.engine, [DeviceLink(**{**_link(self.now), **device}) for device in devices])

    def rows(self, query: sa.Select[Any]) -> list[dict[str, Any]]:
        """Rows of the store by column."""
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def scalar(self, query: sa.Select[Any]) -> Any:
        """The first value of the store's answer."""
        with self.engine.connect() as connection:
            return connection.scalar(query)


def device(device_id: str, raw_feed: str = "housing.dust_reading", **columns: Any) -> dict[str, Any]:
    """A device's link, as far as it differs from a healthy one."""
    return {"raw_feed": raw_feed, "device_id": device_id, **columns}


def _link(now: datetime) -> dict[str, Any]:
    return {
        "carrier": "tcp",
        "standing": "known",
        "address": "127.0.0.1:50211",
        "is_connected": True,
        "first_heard_at": now - timedelta(days=3),
        "last_frame_at": now + timedelta(minutes=30),
        "last_bad_at": None,
        "last_bad_reason": None,
        "frames": 1200,
        "bad_frames": 0,
        "refused": 0,
        "deviations": "{}",
    }


def _well(_change: EpisodeChange) -> Subject:
    return WELL

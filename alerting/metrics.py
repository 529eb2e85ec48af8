"""What the alerting process counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from alerting.engine.episode import Change, EpisodeChange
from alerting.lifecycle.steps import LIVING
from alerting.notify.channels.claims import undelivered_query
from core.severity import COLOURS
from core.store import tables

TOO_LONG = timedelta(hours=1)  # until a channel that does not get through makes alerting unwell
_SECONDS = (0.01, 0.02, 0.05, 0.08, 0.12, 0.2, 0.3, 0.5, 1, 2, 5, 10, 60)


class Meters:
    """The counters of one alerting process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.latency = Histogram(
            "cityrisk_alerting_durable_seconds",
            "Arrival of a reading until its alert is durable",
            registry=registry,
            buckets=_SECONDS,
        )
        self.apply = Histogram(
            "cityrisk_alerting_apply_seconds", "One transaction", registry=registry, buckets=_SECONDS
        )
        self.fold = Histogram("cityrisk_alerting_fold_seconds", "One fetch", registry=registry, buckets=_SECONDS)
        self.tick = Histogram(
            "cityrisk_alerting_tick_seconds", "One tick of the clock", registry=registry, buckets=_SECONDS
        )
        self.snapshot = Histogram("cityrisk_alerting_snapshot_seconds", "Packing the engine's state", registry=registry)
        self.rows = Counter("cityrisk_alerting_rows", "Rows folded", registry=registry)
        self.changes = Counter("cityrisk_alerting_changes", "Changes of episodes", ("outcome",), registry=registry)
        self.notices = Counter("cityrisk_alerting_notices", "Notices written to the outbox", registry=registry)
        self.lag = Gauge("cityrisk_alerting_lag_messages", "LIVE messages that wait", registry=registry)
        self.tracks = Gauge("cityrisk_alerting_tracks", "States that are not quiet", registry=registry)
        self.undelivered = Gauge(
            "cityrisk_alerting_undelivered", "News of alerts that did not get through", ("channel",), registry=registry
        )
        self.open = Gauge("cityrisk_alerting_open_alerts", "Living alerts", ("colour",), registry=registry)

    def opened(self, changes: Iterable[EpisodeChange], now: datetime) -> None:
        """Observe how long openings took from the arrival of their reading to the commit."""
        for change in changes:
            if change.change is Change.OPENED:
                self.latency.observe(max((now - change.known_at).total_seconds(), 0))

    def count_open(self, engine: sa.Engine) -> int:
        """Count living alerts by colour; how many there are."""
        alert = tables.alert.c
        query = sa.select(alert.severity_rank, sa.func.count()).where(alert.state.in_(LIVING))
        with engine.connect() as connection:
            rows = connection.execute(query.group_by(alert.severity_rank))
            found: dict[int, int] = {int(row[0]): int(row[1]) for row in rows}
        for rank, colour in COLOURS.items():
            self.open.labels(colour).set(found.get(rank, 0))
        return sum(found.values())

    def count_undelivered(self, engine: sa.Engine, now: datetime) -> tuple[dict[str, int], list[str]]:
        """Count news that did not get through by channel; the channels that have any, and those since `TOO_LONG`."""
        with engine.connect() as connection:
            rows = connection.execute(undelivered_query(now)).all()
        found = {row.channel_id: int(row.n) for row in rows}
        too_long = sorted(row.channel_id for row in rows if _instant(row.oldest_at) <= now - TOO_LONG)
        self.undelivered.clear()
        for channel_id, n in found.items():
            self.undelivered.labels(channel_id).set(n)
        return found, too_long


def _instant(found: datetime | str) -> datetime:
    """An aggregate of instants, which some stores give as text."""
    return datetime.fromisoformat(found) if isinstance(found, str) else found

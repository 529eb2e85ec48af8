"""What intake tells of itself: counters for Prometheus, and one ops row a feed for assets and pages.

Not here: serving them (`core.runtime.telemetry`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from core.stages import Landed
from core.store import tables
from ingest.intake.tick import Feed, Shaped

_TICK_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class Meters:
    """The counters of one intake process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        feed = ("feed",)
        self.rows_in = Counter("cityrisk_intake_rows_in", "Rows read from RAW", feed, registry=registry)
        self.rows_live = Counter("cityrisk_intake_rows_live", "Rows published to LIVE", feed, registry=registry)
        self.rows_landed = Counter("cityrisk_intake_rows_landed", "Rows landed", feed, registry=registry)
        self.quarantined = Counter("cityrisk_intake_rows_quarantined", "Rows refused", feed, registry=registry)
        self.ignored = Counter("cityrisk_intake_rows_ignored", "Rows that said nothing new", feed, registry=registry)
        self.late = Counter("cityrisk_intake_rows_late", "Rows later than agreed", feed, registry=registry)
        self.watermark = Gauge("cityrisk_intake_watermark_seconds", "Newest event time", feed, registry=registry)
        self.lag = Gauge("cityrisk_intake_lag_messages", "RAW messages that wait", registry=registry)
        self.waiting = Gauge("cityrisk_intake_rows_waiting", "Rows that have not landed", registry=registry)
        self.backlog = Gauge("cityrisk_intake_batches_waiting", "Landed batches that LIVE lacks", registry=registry)
        self.unknown = Gauge("cityrisk_intake_messages_unknown", "RAW messages of no contract", registry=registry)
        self.tick = Histogram("cityrisk_intake_tick_seconds", "One tick", registry=registry, buckets=_TICK_SECONDS)
        self.landing = Histogram("cityrisk_intake_landing_seconds", "One landing", registry=registry)

    def count(self, shaped: Iterable[Shaped], feeds: Mapping[str, Feed]) -> None:
        """Count one tick."""
        for one in shaped:
            self.rows_in.labels(one.feed_id).inc(one.rows_in)
            self.rows_live.labels(one.feed_id).inc(one.frame.height)
            self.quarantined.labels(one.feed_id).inc(one.quarantined)
            self.ignored.labels(one.feed_id).inc(one.ignored)
            self.late.labels(one.feed_id).inc(one.late)
            feed = feeds.get(one.feed_id)  # none for what is on LIVE alone
            if feed is not None and feed.waiting.watermark_at is not None:
                self.watermark.labels(one.feed_id).set(feed.waiting.watermark_at.timestamp())


@dataclass(frozen=True, slots=True)
class Standing:
    """What is added to a feed's row after a landing."""

    feed_id: str
    raw_sequence: int
    watermark_at: datetime | None
    late: int
    landed: Landed | None


def write_progress(engine: sa.Engine, standings: Iterable[Standing], lag: int, now: datetime) -> None:
    """Bring the rows of feeds up to date in one transaction: counts are added, the watermark never falls."""
    p = tables.stream_progress.c
    with engine.begin() as connection:
        known = {row.feed_id: row for row in connection.execute(sa.select(tables.stream_progress))}
        for one in standings:
            before, landed = known.get(one.feed_id), one.landed
            marks = [at for at in (before.watermark_at if before else None, one.watermark_at) if at is not None]
            values = {
                "raw_sequence": one.raw_sequence,
                "watermark_at": max(marks, default=None),
                "lag": lag,
                "rows_in": (before.rows_in if before else 0) + (landed.rows_in if landed else 0),
                "rows_landed": (before.rows_landed if before else 0) + (landed.rows_landed if landed else 0),
                "rows_quarantined": (before.rows_quarantined if before else 0)
                + (landed.rows_quarantined if landed else 0),
                "rows_ignored": (before.rows_ignored if before else 0) + (landed.rows_ignored if landed else 0),
                "late": (before.late if before else 0) + one.late,
                "updated_at": now,
            }
            if before is None:
                connection.execute(sa.insert(tables.stream_progress).values(feed_id=one.feed_id, **values))
            else:
                connection.execute(sa.update(tables.stream_progress).where(p.feed_id == one.feed_id).values(**values))

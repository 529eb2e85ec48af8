"""Time the alert store with very many open alerts: `python benchmarks/alert_store.py [--alerts 10000] [--url URL]`.

One pass of inhibition (pure, and with its look into the store), one acknowledgement, and a storm of 5,000 alarms in a
minute of simulated time: notices a minute, how long the first red waited, and the real time it took. The store is a
SQLite file with full synchronisation, or an empty database by URL. Alone on the machine; medians of what is repeated.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from alerting.engine.episode import Change, EpisodeChange, episode_id_of
from alerting.lifecycle.joining import Subject
from alerting.lifecycle.steps import Verb
from alerting.policy.inhibition import Inhibitions, inhibited, inhibitions_of
from alerting.policy.notification_policies import NotificationPolicies, load_notification_policies
from alerting.timers import Timers
from alerting.workflow import commands
from alerting.workflow.changes import apply
from alerting.workflow.records import BRIEFS
from alerting.workflow.suppression import Seen, settle
from core.severity import COLOURS, RANKS
from core.store import tables
from core.store.database import open_ops
from orchestration.project import PROJECT, seed_folders

SEEDS = seed_folders(PROJECT)
START = datetime(2026, 6, 1, tzinfo=UTC)
KINDS = (
    ("lifeline", "gas"),
    ("lifeline", "utility_tunnel"),
    ("natural_hazard", "flood"),
    ("natural_hazard", "weather"),
    ("public_safety", "construction"),
    ("public_safety", "fire"),
    ("work_safety", "tailings"),
)
RULES = 100
REPEATS = 21
STORM = 5000


def main() -> None:
    """Fill, time, print one JSON line."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--alerts", type=int, default=10_000)
    arguments.add_argument("--url", default="", help="an empty PostgreSQL database; a SQLite file without it")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        policies = replace(load_notification_policies(*SEEDS), inhibitions=many_rows())
        engine = open_ops(chosen.url or f"sqlite:///{folder}/ops.db")
        areas = [code for code, row in policies.routing.areas.items() if row["city_code"] in ("420500", "520300")]
        figures: dict[str, Any] = {"engine": engine.dialect.name, "alerts": chosen.alerts, "inhibition_rows": RULES}
        figures |= open_alerts(engine, policies, areas, chosen.alerts)
        figures |= timed_pass(engine, policies)
        figures |= timed_deeds(engine, policies)
        engine.dispose()
        if not chosen.url:
            storm_engine = open_ops(f"sqlite:///{folder}/storm.db")
            figures |= storm(storm_engine, load_notification_policies(*SEEDS), areas)
            storm_engine.dispose()
    print(json.dumps(figures))


def many_rows() -> Inhibitions:
    """As many rows as wanted: every kind over every other, equal in county or object, from two ranks on."""
    found = []
    for number in range(RULES):
        (_, source), (_, target) = KINDS[number % len(KINDS)], KINDS[(number // 3 + 1) % len(KINDS)]
        found.append(
            {
                "inhibition_id": f"row_{number}",
                "source_matchers": f"subdomain={source};rank>={3 + number % 2}",
                "target_matchers": f"subdomain={target};rank<={1 + number % 3}",
                "equal_labels": ("county", "object_id", "area_code")[number % 3],
                "reason_zh": "覆盖",
                "reason_en": "covered",
            }
        )
    return inhibitions_of(found)


def breach(number: int, rank: int, area: str, at: datetime, prefix: str = "o") -> tuple[EpisodeChange, Subject]:
    """One opened episode at an object of its own."""
    domain, subdomain = KINDS[number % len(KINDS)]
    object_id = f"{prefix}:{number}"
    colour = COLOURS[rank]
    change = EpisodeChange(
        episode_id_of(subdomain, object_id, None, at),
        1,
        Change.OPENED,
        f"{subdomain}_{number % 12}",
        object_id,
        None,
        "metric",
        colour,
        rank,
        2.0,
        1.0,
        "m",
        f"t_{rank}",
        "standard",
        "clause",
        "design",
        colour,
        at,
        at,
    )
    return change, Subject(domain, subdomain, "object", f"对象{number}", area, 111.0, 30.0, "指标", "metric")


def told(
    engine: sa.Engine, policies: NotificationPolicies, pairs: Sequence[tuple[EpisodeChange, Subject]], now: datetime
) -> None:
    """Apply opened episodes with what they are about."""
    subjects = {change.episode_id: subject for change, subject in pairs}
    apply(engine, policies, [change for change, _ in pairs], lambda change: subjects[change.episode_id], now)


def open_alerts(engine: sa.Engine, policies: NotificationPolicies, areas: Sequence[str], n: int) -> dict[str, Any]:
    """Open so many alerts, 500 a transaction."""
    began = time.perf_counter()
    places = list(islice(cycle(areas), n))
    for first in range(0, n, 500):
        numbers = range(first, min(first + 500, n))
        told(engine, policies, [breach(m, 1 + m % 4, places[m], START) for m in numbers], START)
    return {"opening_per_s": round(n / (time.perf_counter() - began))}


def timed_pass(engine: sa.Engine, policies: NotificationPolicies) -> dict[str, Any]:
    """A pass over rows in memory, a pass that finds nothing to change, and the first one that suppresses."""
    with engine.connect() as connection:
        alerts = BRIEFS.found(connection, BRIEFS.where())
    standing = [policies.inhibitions.standing(alert) for alert in alerts]
    pure = median(lambda: inhibited(standing))
    began = time.perf_counter()
    first = settle(engine, policies, START)
    first_ms = (time.perf_counter() - began) * 1000
    seen = Seen()
    whole = median(lambda: settle(engine, policies, START, seen))
    return {
        "pass_ms": pure,
        "pass_with_store_ms": whole,
        "suppressed": first.n_suppressed,
        "first_pass_ms": round(first_ms),
    }


def timed_deeds(engine: sa.Engine, policies: NotificationPolicies) -> dict[str, Any]:
    """One acknowledgement, each of another alert."""
    with engine.connect() as connection:
        query = sa.select(tables.alert.c.alert_id).where(tables.alert.c.state == "open").limit(REPEATS)
        ids = iter(connection.scalars(query).all())
    acks: list[float] = []
    for alert_id in ids:
        began = time.perf_counter()
        commands.act(engine, policies, alert_id, Verb.ACKNOWLEDGED, "officer", "", START)
        acks.append((time.perf_counter() - began) * 1000)
    return {"acknowledge_ms": round(statistics.median(acks), 1), "acknowledge_worst_ms": round(max(acks), 1)}


def storm(engine: sa.Engine, policies: NotificationPolicies, areas: Sequence[str]) -> dict[str, Any]:
    """Alarms of all kinds and colours in every area, four ticks a simulated second, and five minutes after it."""
    clock, places, began = Timers(engine), cycle(areas), time.perf_counter()
    quarter = timedelta(seconds=0.25)
    for n in range(240):
        now = START + n * quarter
        numbers = range(n * STORM // 240, (n + 1) * STORM // 240)
        told(engine, policies, [breach(m, 1 + m % 4, next(places), now, "storm") for m in numbers], now)
        clock.stale()
        clock.tick(policies, now)
    took_s = time.perf_counter() - began
    for second in range(60, 360, 2):
        clock.tick(policies, START + timedelta(seconds=second))
    notice = tables.alert_notice
    with engine.connect() as connection:
        rows = connection.execute(
            sa.select(notice.c.created_at, notice.c.severity_rank).order_by(notice.c.created_at)
        ).all()
    times = [row.created_at for row in rows]
    first_red = min(row.created_at for row in rows if row.severity_rank == RANKS["red"])
    return {
        "storm_alarms": STORM,
        "storm_notices_in_busiest_minute": max(sum(t <= u < t + timedelta(minutes=1) for u in times) for t in times),
        "storm_first_red_s": (first_red - START).total_seconds(),
        "storm_minute_took_s": round(took_s, 1),
    }


def median(work: Callable[[], object]) -> float:
    """Milliseconds of one of several equal runs, the middle one."""
    took = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        took.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(took), 1)


if __name__ == "__main__":
    main()

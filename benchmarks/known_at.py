"""What a question as known at an instant costs: `python benchmarks/known_at.py [--days 365] [--publishes 60]`.

Makes a mart of some days of index, contributions and hourly readings, publishes it many times with today's rows changed
each time, as a running city does, and then measures: a publish at the beginning and at the end, and three questions on
the newest generation beside the same as known half-way. Medians of five; prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from access.serving import open_mart
from core.settings import Home
from core.store.database import open_ops
from orchestration.publish import PUBLISHED_TABLES, publish
from orchestration.published_upkeep import thin_published

EVERY = timedelta(minutes=10)
TODAY = date(2026, 6, 15)
QUESTIONS = {
    "index of a year": "select as_of_date, area_code, avg(index_value) from mart.risk_index group by all order by all",
    "one day's reasons": f"select * from mart.risk_contribution where as_of_date = '{TODAY}'",
    "hourly readings": "select device_id, max(value) from mart.reading_hourly group by all order by 2 desc limit 10",
}


def main() -> None:
    """Make, publish, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--publishes", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder), {})
        engine = open_ops(home.ops_url)
        _make(home, options.days)
        start = datetime(2026, 6, 15, tzinfo=UTC)
        took = [_publish(home, engine, start + n * EVERY, n) for n in range(options.publishes)]
        thin_published(home, engine, start + options.publishes * EVERY)
        asked = {name: _asked(home, sql, start + options.publishes // 2 * EVERY) for name, sql in QUESTIONS.items()}
        size = sum(path.stat().st_size for path in home.published.rglob("*.parquet"))
        engine.dispose()
    few = min(20, options.publishes - 1)
    figures = {
        "publish_s": {"first": took[0], "next": _median(took[1 : few + 1]), "last": _median(took[-few:])},
        "questions": asked,
        "kept_mib": round(size / (1 << 20), 1),
        "load": [round(one, 1) for one in os.getloadavg()],
    }
    print(json.dumps(figures))


def _make(home: Home, days: int) -> None:
    home.mart.parent.mkdir(parents=True)
    with duckdb.connect(str(home.mart)) as mart:
        mart.execute("create schema mart")
        each_day = f"from range({days}) as back(n)"
        day = f"cast(date '{TODAY}' - to_days(cast(back.n as integer)) as date)"
        mart.execute(
            f"create table mart.risk_index as select {day} as as_of_date, cast(a.range as text) as area_code,"
            f" random() as index_value {each_day}, range(70) as a"
        )
        mart.execute(
            f"create table mart.risk_contribution as select {day} as as_of_date, cast(f.range as text) as factor,"
            f" random() as contribution, 'a reason of some length ' || f.range as reason {each_day}, range(950) as f"
        )
        mart.execute(
            f"create table mart.reading_hourly as select {day} as landed_on, 'd' || (d.range // 24) as device_id,"
            f" random() as value {each_day}, range(21000) as d"
        )
        for name in set(PUBLISHED_TABLES) - {"risk_index", "risk_contribution", "reading_hourly"}:
            mart.execute(f"create table mart.{name} as select range as n from range(1000)")


def _publish(home: Home, engine: sa.Engine, at: datetime, number: int) -> float:
    """Change today's numbers and publish them; seconds of the publish alone."""
    with duckdb.connect(str(home.mart)) as mart:
        mart.execute(f"update mart.risk_index set index_value = random() where as_of_date = '{TODAY}'")
        mart.execute(f"update mart.risk_contribution set contribution = random() where as_of_date = '{TODAY}'")
        mart.execute(f"update mart.reading_hourly set value = random() where landed_on = '{TODAY}'")
        mart.execute("update mart.feed_health set n = n + 1")
    began = time.perf_counter()
    publish(home, engine, f"run-{number}", [], at, TODAY.isoformat())
    return time.perf_counter() - began


def _asked(home: Home, sql: str, at: datetime) -> dict[str, float]:
    def plain() -> None:
        with open_mart(home) as mart:
            mart.frame(sql)

    def known() -> None:
        with open_mart(home, at) as mart:
            mart.frame(sql)

    newest, then = _timed(plain), _timed(known)
    return {"newest_s": newest, "known_at_s": then, "ratio": round(then / newest, 2)}


def _timed(ask: Callable[[], None]) -> float:
    took = []
    for _ in range(5):
        began = time.perf_counter()
        ask()
        took.append(time.perf_counter() - began)
    return _median(took)


def _median(values: list[float]) -> float:
    return round(statistics.median(values), 4)


if __name__ == "__main__":
    main()

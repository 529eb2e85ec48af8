"""Objects, devices, readings and feeds of every system, made from its declarations, in the newest generation."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timedelta

import duckdb
import polars as pl

from access import serving
from access.serving import Home
from access.systems import CitySystem
from published import BEIJING, COUNTIES

OBJECTS, DEVICES, HOURS = 25, 22, 30  # of each kind: more than a page shows
COLOURS = ("red", "orange", "yellow", "blue", None)
STATES = ("online", "online", "silent", "faulty")
FACTORS = ("hazard", "exposure", "vulnerability", "lack_of_capacity")


def publish_systems(home: Home, now: datetime, systems: Iterable[CitySystem]) -> None:
    """Put rows of these systems into the newest generation, which nobody reads yet, in place of its own of them."""
    generation = serving.newest(home)
    assert generation is not None
    with duckdb.connect(str(generation)) as mart:
        for system in systems:
            mart.execute(
                "delete from mart.risk_object where list_contains(?, object_type)", [list(system.object_types)]
            )
            for table, rows in (
                ("risk_object", _objects(system)),
                ("device", _devices(system, now)),
                ("reading_hourly", _readings(system, now)),
                ("feed", _feeds(system)),
                ("feed_health", _health(system, now)),
                ("risk_contribution", _contributions(system, now)),
            ):
                _insert(mart, table, rows)


def object_id(system: CitySystem, kind: str, n: int) -> str:
    """The n-th object of a kind."""
    return f"{system.owner}:{kind}-{n:03}"


def _insert(mart: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, object]]) -> None:
    if rows:
        frame = pl.DataFrame(rows, infer_schema_length=None)
        if table.startswith("feed"):  # what the made-up city has already is replaced
            mart.execute(f"delete from mart.{table} where list_contains(?, feed_id)", [frame["feed_id"].to_list()])
        mart.register("incoming", frame.to_arrow())
        mart.execute(f"insert into mart.{table} by name select * from incoming")
        mart.unregister("incoming")


def _place(n: int) -> dict[str, object]:
    code, _zh, _en, _level, lon, lat = COUNTIES[n % len(COUNTIES)]
    return {"area_code": code, "lon": lon + 0.03 * math.sin(n), "lat": lat + 0.03 * math.cos(n)}


def _objects(system: CitySystem) -> list[dict[str, object]]:
    return [
        {
            "object_id": object_id(system, kind, n),
            "domain": system.domain,
            "subdomain": system.subdomain,
            "object_type": kind,
            "name_zh": f"{system.name_zh}对象{n:03}",
            "department_code": system.owner,
            "residual_colour": COLOURS[n % 5],
            "inherent_colour": COLOURS[n % 5],
            "score": None if n % 5 == 4 else 90.0 - n,
            **_place(n),
        }
        for kind in system.object_types
        for n in range(OBJECTS)
    ]


def _devices(system: CitySystem, now: datetime) -> list[dict[str, object]]:
    kind = next(iter(system.object_types), None)
    metrics = ",".join(one.metric for one in system.metrics)
    return [
        {
            "device_id": f"{feed_id.partition('.')[0]}:{system.id}-{n:03}",
            "feed_id": feed_id,
            "object_id": object_id(system, kind, n) if kind else None,
            "protocol": "mqtt",
            "metric_list": metrics,
            "status": STATES[n % 4],
            "last_observed_at": now - timedelta(minutes=5 + n),
            "domain": system.domain,
            "subdomain": system.subdomain,
            "name_zh": None,
            **_place(n),
        }
        for feed_id in system.device_feed_ids
        for n in range(DEVICES)
    ]


def _readings(system: CitySystem, now: datetime) -> list[dict[str, object]]:
    last = now.replace(minute=0, second=0, microsecond=0)
    feed_id = system.feed_ids[-1] if system.feed_ids else ""
    return [
        {
            "device_id": f"{feed_id.partition('.')[0]}:{system.id}-{n:03}",
            "metric": metric.metric,
            "unit": metric.unit,
            "hour": last - timedelta(hours=ago),
            "mean_value": 10.0 + n,
            "min_value": 8.0 + n,
            "max_value": 12.0 + n,
            "n": 12,
            "n_flagged": 0,
            "n_fault": 0,
            "feed_id": feed_id,
            "landed_on": last.date(),
        }
        for metric in system.metrics
        for n in range(2)
        for ago in range(HOURS)
    ]


def _feeds(system: CitySystem) -> list[dict[str, object]]:
    return [
        {
            "feed_id": feed_id,
            "department_code": feed_id.partition(".")[0],
            "department_zh": "某局",
            "department_en": "Some bureau",
            "name_zh": f"数据源{feed_id}",
            "name_en": f"Feed {feed_id}",
            "domain": system.domain,
            "subdomain": system.subdomain,
            "late_after_s": 3600,
            "silent_after_s": 7200,
            "entities": "reading",
        }
        for feed_id in system.feed_ids
    ]


def _health(system: CitySystem, now: datetime) -> list[dict[str, object]]:
    at = now - timedelta(minutes=10)
    return [
        {
            "feed_id": feed_id,
            "department_code": feed_id.partition(".")[0],
            "last_observed_at": at,
            "last_received_at": at,
            "freshness": "fresh",
            "rows_24h": 100,
            "last_contact_at": at,
        }
        for feed_id in system.feed_ids
    ]


def _contributions(system: CitySystem, now: datetime) -> list[dict[str, object]]:
    today = now.astimezone(BEIJING).date()
    return [
        {
            "as_of_date": today - timedelta(days=ago),
            "area_code": "420500",
            "domain": system.domain,
            "factor": f"{system.subdomain}.{factor}",
            "weight": 0.05,
            "factor_value": 0.5,
            "contribution": -0.03,
            "reason_zh": f"{system.name_zh}：{factor}",
            "reason_en": f"{system.name_en}: {factor}",
        }
        for factor in FACTORS
        for ago in range(5)
    ]

"""Time what the page of a large system reads: `python benchmarks/system_page.py [--objects 7000] [--days 30]`.

One published generation with so many vehicles, a device on each, and their speed by the hour. Each read of the page is
timed alone; median and worst of nine, in milliseconds, as one JSON line. Alone on the machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from access import map as risk
from access import serving, system_page
from access.rights import CITY_WIDE
from access.systems import CitySystem, city_systems

NOW = datetime(2026, 6, 1, tzinfo=UTC)
REPEATS = 9
_MART = """
create schema mart;
create table mart.area as select '420502' as area_code, '西陵区' as name_zh, 'Xiling' as name_en;
create table mart.feed as select 'transport' as department_code, 'key_vehicle' as subdomain, '车辆' as name_zh,
  'Vehicles' as name_en, 'object' as entities;
create table mart.risk_object as
  select 'transport:' || i as object_id, 'public_safety' as domain, 'key_vehicle' as subdomain,
         'key_vehicle' as object_type, '车辆' || i as name_zh, '420502' as area_code, 'transport' as department_code,
         111 + i / 1e5 as lon, 30 + i / 1e5 as lat,
         ['red', 'orange', 'yellow', 'blue', null][1 + i % 5] as residual_colour,
         null as inherent_colour, i / 100 as score, null as hazard_zh, null as hazard_en, null as unscored_reason_zh,
         null as unscored_reason_en, null as area_reason_zh, null as area_reason_en
  from range($objects) as t(i);
create table mart.device as
  select object_id as device_id, object_id, 'transport.vehicle' as feed_id, 'speed_kmh' as metric_list, name_zh,
         'online' as status, $now as last_observed_at, area_code, lon, lat
  from mart.risk_object;
create table mart.reading_hourly as
  select device_id, 'speed_kmh' as metric, $now - to_hours(h::integer) as hour, 40.0 as mean_value, 0.0 as min_value,
         90.0 as max_value, 'transport.vehicle_position' as feed_id
  from range($hours) as t(h), mart.device;
"""


def main() -> None:
    """Fill, time, print one JSON line."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--objects", type=int, default=7000)
    arguments.add_argument("--days", type=int, default=30)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = serving.Home(Path(folder), {})
        home.serving.mkdir()
        with duckdb.connect(str(home.serving / f"{NOW:%Y%m%dT%H%M%S%f}.duckdb")) as mart:
            values = {"objects": chosen.objects, "now": NOW, "hours": chosen.days * 24}
            for statement in _MART.split(";")[:-1]:
                mart.execute(statement, {name: value for name, value in values.items() if f"${name}" in statement})
        with serving.open_mart(home) as mart_now:
            print(json.dumps({"objects": chosen.objects, **timed(mart_now, city_systems(home).built["P04"])}))


def timed(mart: serving.Mart, system: CitySystem) -> dict[str, list[float]]:
    """Each read of the page: median and worst in milliseconds."""
    wanted = risk.ObjectFilter(system.domain, subdomain=system.subdomain, object_types=system.object_types)
    reads: dict[str, Callable[[], object]] = {
        "counts": lambda: system_page.object_counts(mart, CITY_WIDE, system),
        "register": lambda: system_page.object_page(mart, CITY_WIDE, system),
        "register_search": lambda: system_page.object_page(mart, CITY_WIDE, system, text="车辆12", page=3),
        "devices": lambda: system_page.device_page(mart, CITY_WIDE, system),
        "trend_7d": lambda: system_page.trend(mart, CITY_WIDE, system, "speed_kmh", timedelta(days=7), NOW),
        "trend_30d": lambda: system_page.trend(mart, CITY_WIDE, system, "speed_kmh", timedelta(days=30), NOW),
        "map": lambda: risk.objects(mart, CITY_WIDE, wanted),
    }
    return {name: _milliseconds(read) for name, read in reads.items()}


def _milliseconds(read: Callable[[], object]) -> list[float]:
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        read()
        taken.append(1000 * (time.perf_counter() - began))
    return [round(statistics.median(taken), 1), round(max(taken), 1)]


if __name__ == "__main__":
    main()

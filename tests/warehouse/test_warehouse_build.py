"""The lower half of the warehouse: nothing lost, nothing twice, and an incremental build equals one from nothing."""

from __future__ import annotations

from datetime import date, timedelta

import duckdb
import polars as pl
import pytest

from warehouse import synthetic
from warehouse.built import DAYS, Warehouse


def test_no_row_is_lost(warehouse: Warehouse) -> None:
    """Eight rows a feed and day: every wide reading becomes one row a metric, every record one row."""
    feeds = warehouse.contracts.values()
    expected = {c.id: 8 * len(DAYS) * len(c.metrics) for c in feeds if "reading" in c.entities}
    assert len(expected) > 10
    assert dict(warehouse.ask("select feed_id, count(*) from core.reading group by 1")) == expected
    records = dict(warehouse.ask("select feed_id, count(*) from core.event group by 1"))
    assert records == {c.id: 24 for c in feeds if "event" in c.entities}
    assert {"housing.attendance", "transport.driver_behaviour"} <= records.keys()
    inspections = dict(warehouse.ask("select feed_id, count(*) from core.inspection group by 1"))
    assert inspections == {c.id: 24 for c in feeds if "inspection" in c.entities}
    objects = [c for c in warehouse.contracts.values() if "object" in c.entities]
    found = dict(warehouse.ask("select feed_id, count(*) from core.latest_object group by 1"))
    assert sum(found.values()) == len(warehouse.ask("select distinct object_id from conformed.all_object"))
    assert set(found) <= {contract.id for contract in objects}


def test_readings_carry_their_device_object_and_day(warehouse: Warehouse) -> None:
    wrong = warehouse.ask(
        "select count(*) from core.reading as r left join core.device as d using (device_id) "
        "where d.device_id is null or r.object_id is distinct from d.object_id "
        "or r.landed_on <> cast(r.observed_at + interval 8 hour as date)"
    )
    assert wrong == [(0,)]
    watched = warehouse.ask("select count(*) from core.reading where feed_id like 'resources%' and object_id is null")
    assert watched == [(0,)]


def test_both_files_are_closed_after_a_build(warehouse: Warehouse) -> None:
    """Publish copies the mart file and others open the warehouse: nothing of dbt may still hold them."""
    for path in (warehouse.home.warehouse, warehouse.home.mart):
        duckdb.connect(str(path), config={"memory_limit": "123MB"}).close()


def test_a_second_build_changes_nothing(warehouse: Warehouse) -> None:
    before = warehouse.checksums()
    warehouse.build()
    assert warehouse.builds[-1].affected == ()
    assert warehouse.checksums() == before
    assert len(before) >= 14


def test_a_late_file_changes_its_own_days_only(warehouse: Warehouse) -> None:
    by_day = "select landed_on, sum(hash(r)) from core.reading as r where feed_id = 'weather.observation' group by 1"
    before = dict(warehouse.ask(by_day))
    frame = synthetic.rows_of(warehouse.contracts["weather.observation"], DAYS[1], 10)[8:]
    synthetic.land_rows(warehouse.home, warehouse.engine, warehouse.contracts["weather.observation"], frame, "late")
    warehouse.build()
    assert warehouse.builds[-1].affected == (("weather.observation", DAYS[1].isoformat()),)
    after = dict(warehouse.ask(by_day))
    assert {day for day in before if before[day] != after[day]} == {DAYS[1]}
    assert warehouse.ask("select count(*) from core.reading where batch_id = 'late'") == [(14,)]


def test_a_correction_wins_and_comes_undone_with_its_batch(warehouse: Warehouse) -> None:
    contract = warehouse.contracts["emergency.tailings_reading"]
    day, key = DAYS[0], "device_id = 'emergency:D000003' and metric = 'dry_beach_m' and landed_on = '2026-10-01'"
    value = f"select value, batch_id from core.reading where {key} and feed_id = '{contract.id}'"
    before, first = warehouse.checksums(), warehouse.ask(value)
    frame = synthetic.rows_of(contract, day, 8, received_at=warehouse.now)[3:4]
    corrected = frame.with_columns(pl.lit(77.5).alias("dry_beach_m"))
    synthetic.land_rows(warehouse.home, warehouse.engine, contract, corrected, "correction")
    warehouse.build()
    assert warehouse.ask(value) == [(77.5, "correction")]
    warehouse.set_batch("correction", "held")
    warehouse.build()
    assert warehouse.builds[-1].lost
    assert warehouse.ask(value) == first
    assert warehouse.checksums() == before


def test_a_record_that_moves_to_another_day_stands_once(warehouse: Warehouse) -> None:
    """An inspection whose time is corrected across midnight: newest wins; withdrawn, the older one comes back."""
    contract = warehouse.contracts["fire.inspection"]
    before = warehouse.checksums()
    moved = synthetic.rows_of(contract, DAYS[0], 8, received_at=warehouse.now)[2:3].with_columns(
        pl.col("inspected_at") + timedelta(days=1)
    )
    moved_id = f"fire.inspection:{moved['inspection_id'][0]}"
    where = f"select cast(landed_on as varchar) from core.inspection where inspection_id = '{moved_id}'"
    synthetic.land_rows(warehouse.home, warehouse.engine, contract, moved, "moved")
    warehouse.build()
    assert warehouse.ask(where) == [(DAYS[1].isoformat(),)]
    assert warehouse.ask("select count(*) from core.inspection") == [(24,)]
    warehouse.set_batch("moved", "held")
    warehouse.build()
    assert warehouse.ask(where) == [(DAYS[0].isoformat(),)]
    assert warehouse.checksums() == before


def test_a_day_that_lost_all_its_files_is_emptied(warehouse: Warehouse) -> None:
    day = date(2026, 9, 20)
    before = warehouse.checksums()
    warehouse.land("resources.geo_reading", day, 5, "only")
    warehouse.build()
    count = f"select count(*) from core.reading where landed_on = '{day}'"
    assert warehouse.ask(count) == [(25,)]
    warehouse.set_batch("only", "held")
    warehouse.build()
    assert warehouse.ask(count) == [(0,)]
    assert warehouse.checksums() == before


def test_readings_follow_a_device_to_its_new_object(warehouse: Warehouse) -> None:
    contract = warehouse.contracts["resources.geo_device"]
    moved = synthetic.rows_of(contract, DAYS[0], 2, received_at=warehouse.now).with_columns(
        pl.lit("O000007").alias("point_id")
    )
    synthetic.land_rows(warehouse.home, warehouse.engine, contract, moved, "device-moved")
    warehouse.build()
    objects = "select distinct object_id from core.reading where device_id = 'resources:D000001'"
    assert warehouse.ask(objects) == [("resources:O000007",)]
    incremental = warehouse.checksums()
    warehouse.build(full_refresh=True)
    assert warehouse.checksums() == incremental


def test_a_device_that_no_register_names_is_kept_and_said(warehouse: Warehouse) -> None:
    contract = warehouse.contracts["weather.observation"]
    frame = synthetic.rows_of(contract, DAYS[2], 1).with_columns(pl.lit("NEW1").alias("station_id"))
    synthetic.land_rows(warehouse.home, warehouse.engine, contract, frame, "unregistered")
    warehouse.build()
    found = warehouse.ask(
        "select is_registered, n_readings, reading_feed_id from core.device where device_id = 'weather:NEW1'"
    )
    assert found == [(False, 7, "weather.observation")]


@pytest.mark.parametrize("feed_id", ["resources.geo_reading"])
def test_files_without_a_newer_column_still_build(warehouse: Warehouse, feed_id: str) -> None:
    """A contract that gained a column reads older files, which lack it, as null."""
    contract = warehouse.contracts[feed_id]
    frame = synthetic.rows_of(contract, date(2026, 9, 1), 4).drop("soil_moisture_pct")
    synthetic.land_rows(warehouse.home, warehouse.engine, contract, frame, "older")
    warehouse.build()
    metrics = warehouse.ask("select count(distinct metric) from core.reading where batch_id = 'older'")
    assert metrics == [(len(contract.metrics) - 1,)]

"""The lower half of the warehouse: nothing lost, nothing twice, and an incremental build equals one from nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import duckdb
import polars as pl
import pytest

from warehouse import synthetic
from warehouse.built import DAYS, Warehouse

pytestmark = pytest.mark.slow

LATE, CORRECTED = "weather.observation", "emergency.tailings_reading"
RECORDS, LONG_AGO = "fire.inspection", "resources.geo_reading"
COME_AND_GO = ("late", "correction", "moved", "only")
OLD_DAY = date(2026, 9, 20)
VALUE = (
    f"select value, batch_id from core.reading where device_id = 'emergency:D000003' and metric = 'dry_beach_m' "
    f"and landed_on = '{DAYS[0]}' and feed_id = '{CORRECTED}'"
)
WEATHER_BY_DAY = f"select landed_on, sum(hash(r)) from core.reading as r where feed_id = '{LATE}' group by 1"
OF_OLD_DAY = f"select count(*) from core.reading where landed_on = '{OLD_DAY}'"


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


@dataclass
class Before:
    """What stood in a warehouse before something came."""

    checksums: dict[str, tuple[object, ...]]
    weather: dict[object, object]
    value: list[tuple[object, ...]]


@pytest.fixture(scope="module")
def before(warehouse: Warehouse) -> Before:
    """The warehouse as it was built first."""
    return Before(warehouse.checksums(), dict(warehouse.ask(WEATHER_BY_DAY)), warehouse.ask(VALUE))


@pytest.fixture(scope="module")
def moved_id(warehouse: Warehouse, before: Before) -> str:
    """Four batches come at once, each to a feed of its own: late rows, a correction, a move, a day long past.

    The one that moves is an inspection whose time is corrected across midnight; this is its id.
    """
    late = synthetic.rows_of(warehouse.contracts[LATE], DAYS[1], 10)[8:]
    synthetic.land_rows(warehouse.home, warehouse.engine, warehouse.contracts[LATE], late, "late")
    contract = warehouse.contracts[CORRECTED]
    corrected = synthetic.rows_of(contract, DAYS[0], 8, received_at=warehouse.now)[3:4].with_columns(
        pl.lit(77.5).alias("dry_beach_m")
    )
    synthetic.land_rows(warehouse.home, warehouse.engine, contract, corrected, "correction")
    contract = warehouse.contracts[RECORDS]
    moved = synthetic.rows_of(contract, DAYS[0], 8, received_at=warehouse.now)[2:3].with_columns(
        pl.col("inspected_at") + timedelta(days=1)
    )
    synthetic.land_rows(warehouse.home, warehouse.engine, contract, moved, "moved")
    warehouse.land(LONG_AGO, OLD_DAY, 5, "only")
    warehouse.build()
    return f"{RECORDS}:{moved['inspection_id'][0]}"


@pytest.fixture(scope="module")
def withdrawn(warehouse: Warehouse, moved_id: str) -> str:
    """All four are held again; gives the id of the inspection that moved."""
    for batch_id in COME_AND_GO:
        warehouse.set_batch(batch_id, "held")
    warehouse.build()
    return moved_id


def day_of(warehouse: Warehouse, inspection_id: str) -> list[tuple[object, ...]]:
    return warehouse.ask(
        f"select cast(landed_on as varchar) from core.inspection where inspection_id = '{inspection_id}'"
    )


@pytest.mark.usefixtures("moved_id")
def test_a_late_file_changes_its_own_days_only(warehouse: Warehouse, before: Before) -> None:
    affected = warehouse.builds[-1].affected
    assert {feed_id for feed_id, _ in affected} == {LATE, CORRECTED, RECORDS, LONG_AGO}
    assert {pair for pair in affected if pair[0] == LATE} == {(LATE, DAYS[1].isoformat())}
    assert {pair for pair in affected if pair[0] == LONG_AGO} == {(LONG_AGO, OLD_DAY.isoformat())}
    after = dict(warehouse.ask(WEATHER_BY_DAY))
    assert {day for day in before.weather if before.weather[day] != after[day]} == {DAYS[1]}
    assert warehouse.ask("select count(*) from core.reading where batch_id = 'late'") == [(14,)]


@pytest.mark.usefixtures("moved_id")
def test_a_correction_wins(warehouse: Warehouse, before: Before) -> None:
    assert warehouse.ask(VALUE) == [(77.5, "correction")] != before.value


def test_a_record_that_moves_to_another_day_stands_once(warehouse: Warehouse, moved_id: str) -> None:
    assert day_of(warehouse, moved_id) == [(DAYS[1].isoformat(),)]
    assert warehouse.ask("select count(*) from core.inspection") == [(24,)]


@pytest.mark.usefixtures("moved_id")
def test_a_day_long_past_comes_in(warehouse: Warehouse) -> None:
    assert warehouse.ask(OF_OLD_DAY) == [(25,)]


def test_what_came_comes_undone_with_its_batch(warehouse: Warehouse, before: Before, withdrawn: str) -> None:
    """The older value and the older time come back, a day that lost all its files is emptied: nothing is left."""
    assert warehouse.builds[-1].lost
    assert warehouse.ask(VALUE) == before.value
    assert day_of(warehouse, withdrawn) == [(DAYS[0].isoformat(),)]
    assert warehouse.ask(OF_OLD_DAY) == [(0,)]
    assert warehouse.checksums() == before.checksums


@pytest.fixture(scope="module")
def changed(warehouse: Warehouse, withdrawn: str) -> Warehouse:
    """Things that stay: a device at a new object, one that no register names, files without a newer column."""
    assert withdrawn
    contract = warehouse.contracts["resources.geo_device"]
    moved = synthetic.rows_of(contract, DAYS[0], 2, received_at=warehouse.now).with_columns(
        pl.lit("O000007").alias("point_id")
    )
    synthetic.land_rows(warehouse.home, warehouse.engine, contract, moved, "device-moved")
    contract = warehouse.contracts[LONG_AGO]
    later = synthetic.rows_of(contract, DAYS[2], 1).with_columns(
        pl.lit("D000001").alias("device_id"),
        pl.lit(warehouse.now + timedelta(minutes=1)).cast(pl.Datetime("us", "UTC")).alias("observed_at"),
    )
    synthetic.land_rows(warehouse.home, warehouse.engine, contract, later, "after-the-move")
    contract = warehouse.contracts[LATE]
    frame = synthetic.rows_of(contract, DAYS[2], 1).with_columns(pl.lit("NEW1").alias("station_id"))
    synthetic.land_rows(warehouse.home, warehouse.engine, contract, frame, "unregistered")
    contract = warehouse.contracts[LONG_AGO]
    frame = synthetic.rows_of(contract, date(2026, 9, 1), 4).drop("soil_moisture_pct")
    synthetic.land_rows(warehouse.home, warehouse.engine, contract, frame, "older")
    warehouse.build()
    return warehouse


def test_a_device_that_no_register_names_is_kept_and_said(changed: Warehouse) -> None:
    found = changed.ask(
        "select is_registered, n_readings, reading_feed_id from core.device where device_id = 'weather:NEW1'"
    )
    assert found == [(False, 7, LATE)]


def test_files_without_a_newer_column_still_build(changed: Warehouse) -> None:
    """A contract that gained a column reads older files, which lack it, as null."""
    metrics = changed.ask("select count(distinct metric) from core.reading where batch_id = 'older'")
    assert metrics == [(len(changed.contracts[LONG_AGO].metrics) - 1,)]


def test_readings_belong_to_the_object_at_which_their_device_stood(changed: Warehouse) -> None:
    objects = (
        "select batch_id = 'after-the-move', list(distinct object_id) from core.reading "
        "where device_id = 'resources:D000001' group by 1 order by 1"
    )
    assert changed.ask(objects) == [(False, ["resources:O000001"]), (True, ["resources:O000007"])]


def test_an_incremental_build_equals_one_from_nothing(changed: Warehouse) -> None:
    incremental = changed.checksums()
    changed.build(full_refresh=True)
    assert changed.checksums() == incremental

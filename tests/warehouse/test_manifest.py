"""What a build is told: which files are live, which days are affected, what the ops store knew."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from core.store import tables
from orchestration.manifest import SNAPSHOT_TABLES, Manifest, mark_built, write_manifest
from warehouse.built import NOW, Warehouse, open_warehouse

DAY, NEXT = date(2026, 10, 1), date(2026, 10, 2)
READINGS, RECORDS, REGISTER = "weather.observation", "fire.inspection", "weather.station"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Warehouse]:
    made = open_warehouse(tmp_path)
    for feed_id in (READINGS, RECORDS, REGISTER):
        for day in (DAY, NEXT):
            made.land(feed_id, day, 2, f"{feed_id}-{day}")
    yield made
    made.engine.dispose()


def write(made: Warehouse, full_refresh: bool = False, days: tuple[date, ...] = ()) -> tuple[Manifest, pl.DataFrame]:
    manifest = write_manifest(made.home, made.engine, made.contracts, NOW, "run", "420500", full_refresh, days)
    return manifest, pl.read_parquet(made.home.build / "landed.parquet")


def test_everything_is_new_at_first_and_nothing_afterwards(home: Warehouse) -> None:
    manifest, landed = write(home)
    assert len(manifest.affected) == len(manifest.added) == landed.height == 6
    assert all(Path(path).is_file() for path in landed["path"])
    mark_built(home.engine, manifest, NOW)
    manifest, landed = write(home)
    assert (manifest.affected, manifest.added, manifest.lost) == ((), (), ())
    assert landed.height == 6
    assert not landed["is_affected"].any()


def test_files_that_landed_during_a_build_wait_for_the_next(home: Warehouse) -> None:
    manifest, _ = write(home)
    home.land(READINGS, NEXT, 1, "meanwhile", seed=3)
    mark_built(home.engine, manifest, NOW)
    assert write(home)[0].affected == ((READINGS, NEXT.isoformat()),)


def test_a_register_is_affected_as_a_whole(home: Warehouse) -> None:
    mark_built(home.engine, write(home)[0], NOW)
    home.land(REGISTER, NEXT, 1, "again", seed=3)
    manifest, landed = write(home)
    assert {feed_id for feed_id, _ in manifest.affected} == {REGISTER}
    assert landed.filter(pl.col("feed_id") == REGISTER)["is_affected"].all()


@pytest.mark.parametrize(("feed_id", "days"), [(READINGS, {DAY}), (RECORDS, {DAY, NEXT})])
def test_a_withdrawn_batch_affects_its_day_or_all_where_records_move(
    home: Warehouse, feed_id: str, days: set[date]
) -> None:
    mark_built(home.engine, write(home)[0], NOW)
    home.set_batch(f"{feed_id}-{DAY}", "held")
    manifest, landed = write(home)
    assert manifest.affected == tuple(sorted((feed_id, day.isoformat()) for day in days))
    emptied = landed.filter(pl.col("path").is_null())
    assert emptied.select("feed_id", "landed_on", "is_affected").rows() == [(feed_id, DAY.isoformat(), True)]
    mark_built(home.engine, manifest, NOW)
    assert write(home)[0].affected == ()


def test_batches_that_wait_are_not_read(home: Warehouse) -> None:
    home.set_batch(f"{READINGS}-{DAY}", "landed")
    _, landed = write(home)
    assert landed.filter(pl.col("batch_id") == f"{READINGS}-{DAY}").is_empty()


def test_named_days_and_full_refresh_affect_what_is_built(home: Warehouse) -> None:
    mark_built(home.engine, write(home)[0], NOW)
    assert (READINGS, DAY.isoformat()) in write(home, days=(DAY,))[0].affected
    assert (READINGS, NEXT.isoformat()) not in write(home, days=(DAY,))[0].affected
    assert len(write(home, full_refresh=True)[0].affected) == 6


def test_a_feed_whose_contract_is_gone_leaves_the_warehouse(home: Warehouse) -> None:
    mark_built(home.engine, write(home)[0], NOW)
    del home.contracts[READINGS]
    manifest, landed = write(home)
    assert len(manifest.lost) == 2
    assert landed.filter(pl.col("feed_id") == READINGS)["path"].to_list() == [None, None]


def test_snapshots_have_instants_and_no_secrets(home: Warehouse) -> None:
    with home.engine.begin() as connection:
        connection.execute(sa.insert(tables.vault).values(hash="h", sealed=b"x"))
    write(home)
    folder = home.home.build / "ops"
    assert {path.stem for path in folder.iterdir()} == {table.name for table in SNAPSHOT_TABLES} | {"stream_heard"}
    batches = pl.read_parquet(folder / "ledger_batch.parquet")
    assert batches.schema["received_at"] == pl.Datetime("us", "UTC")
    assert batches["rows_in"].sum() == 12
    this = pl.read_parquet(home.home.build / "build.parquet").row(0, named=True)
    assert this["as_of"] == datetime(2026, 10, 4, 4, tzinfo=UTC)
    assert (this["as_of_date"], this["city_code"]) == (date(2026, 10, 4), "420500")

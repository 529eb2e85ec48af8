"""Registers of devices: each lands through the real pull, bad rows stay out, and no good device is missing."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pytest
import sqlalchemy as sa

from city.declared import suits
from city.live.fleet import Fleet
from core.contract import Contract
from core.store import tables
from core.store.landed import live_files
from ingest.devices.known import register_of
from live_city import LiveCity, landed_city

# Register → the column of the city's own rows that names the device.
DEVICES = {
    "transport.vehicle": "zdh",
    "fire.device": "sbbm",
    "housing.dust_monitor": "mn",
    "ecology.outfall": "mn",
    "water.station": "rtuAddr",
    "urban.gas_device": "设备编码",
    "urban.tunnel_device": "设备编码",
    "emergency.tailings_point": "测点编码",
}


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCity]:
    """Zunyi at a fiftieth of its size."""
    yield from landed_city(tmp_path_factory.mktemp("registers") / "var", "zunyi", 0.02)


@pytest.mark.parametrize("feed_id", DEVICES)
def test_every_good_device_lands_and_every_bad_row_is_told(city: LiveCity, feed_id: str) -> None:
    contract, outcome = city.contracts[feed_id], city.outcomes[feed_id]
    assert outcome.result == "landed", outcome.detail
    landed = pl.read_parquet(live_files(city.engine, city.home, feed_id), missing_columns="insert")
    device = contract.by_concept("device_id")
    assert device is not None
    assert set(landed[device.landed_name]) == {row[DEVICES[feed_id]] for row in city.fleet.registers[feed_id]}
    planted = city.truth.filter((pl.col("feed_id") == feed_id) & (pl.col("outcome") == "quarantined"))
    rows = planted.filter(pl.col("grain") == "row")
    with city.engine.connect() as connection:
        query = sa.select(tables.quarantine.c.reason).where(
            tables.quarantine.c.feed_id == feed_id, tables.quarantine.c.outcome == "quarantined"
        )
        reasons = sorted(connection.execute(query).scalars())
    assert set(rows["reason"]) <= set(reasons)
    assert rows.height == sum(reason in set(rows["reason"]) for reason in reasons) > 0


def test_personal_data_of_drivers_land_as_hashes_only(city: LiveCity) -> None:
    landed = pl.read_parquet(live_files(city.engine, city.home, "transport.vehicle"), missing_columns="insert")
    rows = city.fleet.registers["transport.vehicle"]
    assert {"plate_no_hash", "driver_name_hash", "driver_phone_hash", "driver_certificate_hash"} <= set(landed.columns)
    assert landed["driver_certificate_hash"].n_unique() == len({row["cyzgzh"] for row in rows})
    text = landed.write_csv()
    for row in rows[:20]:
        assert not any(str(row[name]) in text for name in ("cphm", "jsydh", "cyzgzh"))


def has_devices(city: LiveCity, stream: Contract) -> bool:
    """A city has none of a system that it does not count, and a small one may have none of a kind."""
    declared = city.fleet.declared
    kind = declared.devices.get(stream.id)
    rows = city.fleet.registers[declared.register_of(stream.id)[0].id]
    return any(kind is None or suits(row, kind.where) for row in rows)


def test_every_stream_names_a_register_that_lists_its_speakers(city: LiveCity) -> None:
    """A device that a gateway refuses would be silent for ever."""
    streams = [contract for contract in city.contracts.values() if contract.is_stream]
    speakers: dict[str, set[str]] = {}
    for one in city.fleet.speakers():
        speakers.setdefault(one.raw_feed, set()).add(one.device_id)
    there = [one for one in streams if has_devices(city, one)]
    assert len(there) >= 11
    assert set(speakers) == {contract.raw_feed for contract in there}
    for contract in there:
        register = register_of(contract, city.contracts)
        assert register is not None
        landed = pl.read_parquet(live_files(city.engine, city.home, register.feed_id), missing_columns="insert")
        assert speakers[contract.raw_feed] <= set(landed[register.column]), contract.id


def test_a_fleet_is_the_same_whenever_it_is_loaded(city: LiveCity) -> None:
    again = Fleet.load(city.home.root)
    assert [one.device_id for one in again.speakers()] == [one.device_id for one in city.fleet.speakers()]
    assert len(city.fleet.speakers(bystanders=0.3)) < len(again.speakers()) * 0.6

"""A contract edit that does not fit what has landed costs its column, is said, and stops nobody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import yaml

from core.catalogue import contract_path
from orchestration.build import build
from orchestration.manifest import write_manifest
from orchestration.project import write_derived
from orchestration.schema import schema_changes
from warehouse import synthetic
from warehouse.built import DAYS, LOWER_HALF, Warehouse, copy_project, open_warehouse

REGISTER, COLUMN = "transport.vehicle", "seats"


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """Two feeds landed; then the contract of one calls a number of seats a date."""
    root = tmp_path_factory.mktemp("edited")
    project = copy_project(root / "project")
    path = contract_path("transport.vehicle", root / "project/systems")
    made = open_warehouse(root / "home", project, root / "project/systems")
    for feed_id in (REGISTER, "weather.observation"):
        synthetic.land_rows(
            made.home,
            made.engine,
            made.contracts[feed_id],
            synthetic.rows_of(made.contracts[feed_id], DAYS[0], 6),
            feed_id,
        )
    document = yaml.safe_load(path.read_text("utf-8"))
    (seats,) = (p for p in document["schema"][0]["properties"] if p["name"] == COLUMN)
    seats["logicalType"] = "date"
    seats["customProperties"] = [p for p in seats.get("customProperties", []) if p["property"] not in ("unit",)]
    seats.pop("logicalTypeOptions", None)
    path.write_text(yaml.safe_dump(document, allow_unicode=True), "utf-8")
    write_derived(root / "project")
    again = open_warehouse(root / "home", project, root / "project/systems")
    yield again
    made.engine.dispose()
    again.engine.dispose()


@pytest.mark.case("engineer.2")
def test_a_retyped_column_costs_itself_and_no_other_feed(edited: Warehouse) -> None:
    (change,) = schema_changes(edited.home, edited.engine, edited.contracts)
    assert (change.feed_id, change.retyped, change.is_broken) == (REGISTER, ((COLUMN, "integer", "date"),), True)
    assert "`cityrisk reland transport.vehicle`" in change.description
    write_manifest(
        edited.home,
        edited.engine,
        edited.contracts,
        edited.now,
        "run",
        "420500",
        True,
        unfit=change.as_text,
        left_out={change.feed_id: change.description},
    )
    built = build(edited.home, full_refresh=True, select=LOWER_HALF, project=edited.project)
    assert built.success, built.message
    assert edited.ask(f"select count(*), count({COLUMN}), count(vehicle_id) from staging.stg_transport__vehicle") == [
        (6, 0, 6)
    ]
    assert edited.ask("select count(*) > 0 from core.reading where feed_id = 'weather.observation'") == [(True,)]
    left_out = pl.read_parquet(edited.home.build / "left_out.parquet")
    assert left_out.rows() == [(REGISTER, change.description)]


@pytest.mark.case("engineer.2")
def test_what_a_change_of_contract_breaks_is_said(edited: Warehouse) -> None:
    contract = edited.contracts["weather.observation"]
    key = contract.column(contract.key[0])
    columns = tuple(
        replace(c, name="elsewhere_id") if c.name == key.name else c for c in contract.columns if c.name != "rain_1h_mm"
    )
    changed = replace(contract, columns=columns)
    (change,) = schema_changes(edited.home, edited.engine, {contract.id: changed})
    assert change.key == ("elsewhere_id",)
    assert set(change.lost) == {key.name, "rain_1h_mm"}
    assert change.is_broken
    for said in ("key column elsewhere_id has not landed", "column rain_1h_mm is read no more"):
        assert said in change.description


def test_wider_types_and_damaged_files_are_no_change(edited: Warehouse, tmp_path: Path) -> None:
    contract = edited.contracts["weather.observation"]
    assert schema_changes(edited.home, edited.engine, {contract.id: contract}) == []
    assert pl.read_parquet_schema(next(edited.home.landing.rglob("weather.observation.parquet")))

"""The whole dbt project on a small city: every model, every data test, every unit test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestration.build import unit_test
from warehouse import synthetic
from warehouse.built import DAYS, Warehouse, open_warehouse

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    made = open_warehouse(tmp_path_factory.mktemp("whole"))
    synthetic.land_city(made.home, made.engine, made.contracts, DAYS, n=6)
    made.build(full_refresh=True, select=None)
    yield made
    made.engine.dispose()


def test_worked_numbers_hold(whole: Warehouse) -> None:
    result = unit_test(whole.home)
    assert result.success, result.message
    assert len(result.nodes) >= 14


def test_with_nothing_new_only_what_looks_at_the_clock_is_built(whole: Warehouse) -> None:
    nodes = {node.name for node in whole.build(select=None).nodes}
    assert "model.cityrisk.feed_health" in nodes
    assert not any(name.startswith("seed.") for name in nodes)
    assert not {"model.cityrisk.reading", "model.cityrisk.all_reading", "model.cityrisk.risk_object"} & nodes


def test_one_new_file_builds_everything_again(whole: Warehouse) -> None:
    whole.land("weather.observation", DAYS[-1], 3, "new", seed=5, received_at=whole.now)
    nodes = {node.name for node in whole.build(select=None).nodes}
    assert {"model.cityrisk.reading", "model.cityrisk.reading_hourly"} <= nodes

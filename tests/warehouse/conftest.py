"""A warehouse with landed rows of every feed, built once a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from warehouse import synthetic
from warehouse.built import DAYS, Warehouse, open_warehouse


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """Three days of every feed, built once for a module. Tests that change it say so and leave it sound."""
    made = open_warehouse(tmp_path_factory.mktemp("warehouse"))
    synthetic.land_city(made.home, made.engine, made.contracts, DAYS)
    made.build(full_refresh=True)
    yield made
    made.engine.dispose()

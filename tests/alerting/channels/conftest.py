"""A city whose alerts can be told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from way_out import City, found_city

from core.settings import Home
from core.store.database import open_ops


@pytest.fixture
def city(home: Home) -> Iterator[City]:
    """A new store with the desk and the channels of the seeds; no channel is set up."""
    engine = open_ops(home.ops_url)
    yield found_city(engine, home)
    engine.dispose()

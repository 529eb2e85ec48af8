from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from ingest import ops
from ingest.catalogue import load_contracts
from ingest.contract import Contract
from ingest.settings import Home


@pytest.fixture(scope="session")
def contracts() -> dict[str, Contract]:
    return load_contracts()


@pytest.fixture
def engine(home: Home) -> Iterator[sa.Engine]:
    engine = ops.open_ops(home.ops_url)
    yield engine
    engine.dispose()

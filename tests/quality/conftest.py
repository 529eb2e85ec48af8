from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from core.catalogue import load_contracts
from core.contract import Contract
from core.settings import Home
from core.store import database


@pytest.fixture(scope="session")
def contracts() -> dict[str, Contract]:
    return load_contracts()


@pytest.fixture
def engine(home: Home) -> Iterator[sa.Engine]:
    engine = database.open_ops(home.ops_url)
    yield engine
    engine.dispose()

"""One simulated city per worker, run end to end on real servers from a seed that nobody has seen before."""

from __future__ import annotations

import base64
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from city.build import build_city
from cli.demo import departments
from core.catalogue import load_contracts
from core.contract import Contract
from core.settings import SECRET_NAMES, Home, open_home
from core.store.database import open_ops
from orchestration.batch import Batch, BatchResult, run_batch

AS_OF = datetime(2026, 6, 15, 3, tzinfo=UTC)  # 11:00 in Beijing
DAYS = 9
SCALE = 0.2


@dataclass
class RunCity:
    """A city after its first batch, and the truth that the batch could not see."""

    home: Home
    engine: sa.Engine
    contracts: dict[str, Contract]
    seed: int
    truth: pl.DataFrame
    result: BatchResult

    def batch(self, run_id: str, now: datetime = AS_OF + timedelta(minutes=10)) -> Batch:
        """A further batch over the same home."""
        return Batch(self.home, self.engine, self.contracts, run_id, lambda: now, "420500")


def new_home(root: Path) -> None:
    """An empty home with secrets of its own."""
    root.mkdir(parents=True)
    keys = {name: base64.b64encode(secrets.token_bytes(32)).decode() for name in SECRET_NAMES}
    (root / "secrets.env").write_text("".join(f"{name}={key}\n" for name, key in keys.items()), encoding="utf-8")


@pytest.fixture(scope="session")
def run_city(tmp_path_factory: pytest.TempPathFactory, postgres_url: str, mariadb_url: str) -> Iterator[RunCity]:
    """The city of Yichang at a fifth of its size, nine days, fetched, checked, built and published."""
    root = tmp_path_factory.mktemp("golden") / "var"
    new_home(root)
    seed = secrets.randbelow(1_000_000)
    build_city(root, "yichang", DAYS, seed, SCALE, AS_OF, {"fire": postgres_url, "housing": mariadb_url})
    hidden = root.parent / "truth.parquet"
    shutil.move(root / "city" / "truth.parquet", hidden)
    with departments(open_home({}, root)):
        home = open_home({**os.environ, "CITYRISK_CITY_CODE": "420500"}, root)
        contracts, engine = load_contracts(), open_ops(home.ops_url)
        batch = Batch(home, engine, contracts, "golden", lambda: AS_OF + timedelta(minutes=5), "420500")
        result = run_batch(batch)
        yield RunCity(home, engine, contracts, seed, pl.read_parquet(hidden), result)
    engine.dispose()

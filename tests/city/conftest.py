"""One small simulated city for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from sample_city import AS_OF, DAYS, SCALE, SEED

from city.build import CityBuild, build_city
from city.geography import County, load_counties


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> CityBuild:
    """Yichang at an eighth of its size, seven days."""
    return build_city(tmp_path_factory.mktemp("yichang"), "yichang", DAYS, SEED, SCALE, AS_OF)


@pytest.fixture(scope="session")
def truth(built: CityBuild) -> pl.DataFrame:
    """What was planted in it."""
    return pl.read_parquet(built.root / "truth.parquet")


@pytest.fixture(scope="session")
def counties() -> dict[str, list[County]]:
    """Counties of both cities."""
    return {"yichang": load_counties("420500"), "zunyi": load_counties("520300")}


@pytest.fixture(scope="session")
def contracts() -> Path:
    """Folder of the contracts, which the simulated city itself never reads."""
    return Path(__file__).resolve().parents[2] / "systems"

"""Runs after the first: nothing new, a day again, everything lost, a crash anywhere, a department gone, a feed held."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal

import orchestration.batch as batches
from core.civil_time import CIVIL_ZONE
from core.runtime.backup import backup, restore
from core.runtime.run_lock import HomeBusyError, only_run
from core.settings import open_home
from core.store import tables
from core.store.database import open_ops
from golden.conftest import AS_OF, RunCity
from orchestration.batch import BatchError, BatchResult, run_batch
from orchestration.damage import damage_of, wrecks
from orchestration.publish import PUBLISHED_TABLES, generations

pytestmark = [pytest.mark.servers, pytest.mark.slow]

# How fresh feeds are depends on the clock of the run, the rest on data alone.
DATA_TABLES = tuple(name for name in PUBLISHED_TABLES if name not in ("feed_health", "system_status"))


@pytest.fixture
def city(run_city: RunCity, tmp_path: Path) -> Iterator[RunCity]:
    """A copy of the run city that a test may break."""
    root = tmp_path / "var"
    shutil.copytree(run_city.home.root, root, symlinks=True)
    home = open_home(run_city.home.environment, root)
    engine = open_ops(home.ops_url)
    yield replace(run_city, home=home, engine=engine)
    engine.dispose()


def marts(city: RunCity) -> dict[str, pl.DataFrame]:
    """The tables of the newest generation, in the order of everything but their fractions."""
    frames = {}
    with duckdb.connect(str(generations(city.home.serving)[-1]), read_only=True) as connection:
        for table in DATA_TABLES:
            frame = connection.execute(f"from mart.{table}").pl()
            frames[table] = frame.sort([c for c, kind in frame.schema.items() if not kind.is_float()])
    return frames


def assert_same(here: dict[str, pl.DataFrame], there: dict[str, pl.DataFrame]) -> None:
    """Equal to the last row and value; sums of fractions may differ in bits that threads decide."""
    for table, frame in there.items():
        assert_frame_equal(here[table], frame, check_exact=False, rel_tol=0, abs_tol=1e-9)


def run(city: RunCity, run_id: str, minutes: int = 10, **options: object) -> BatchResult:
    return run_batch(city.batch(run_id, AS_OF + timedelta(minutes=minutes)), **options)


def test_a_run_with_nothing_new_lands_and_builds_nothing(city: RunCity) -> None:
    served = generations(city.home.serving)
    result = run(city, "again")
    assert {o.feed_id for o in result.outcomes if o.rows_landed} == set()
    assert not result.built
    assert generations(city.home.serving) == served


def test_a_day_again_changes_nothing(city: RunCity) -> None:
    before = marts(city)
    day = AS_OF.astimezone(CIVIL_ZONE).date() - timedelta(days=3)
    result = run(city, "day", days=[day, day + timedelta(days=1)])
    assert result.built
    assert_same(marts(city), before)


def test_everything_comes_back_from_the_archive_offline(city: RunCity) -> None:
    before = marts(city)
    shutil.rmtree(city.home.landing)
    shutil.rmtree(city.home.warehouse.parent)
    result = run(city, "restored", select=[])
    assert result.restored > 0
    assert result.outcomes == []
    assert_same(marts(city), before)


@pytest.mark.case("engineer.held.H3")
def test_a_backup_makes_the_same_city_elsewhere(city: RunCity, tmp_path: Path) -> None:
    before = marts(city)
    backup(city.home, tmp_path / "city.tar", AS_OF)
    elsewhere = open_home(city.home.environment, tmp_path / "elsewhere")
    restore(elsewhere, tmp_path / "city.tar")
    engine = open_ops(elsewhere.ops_url)
    moved = replace(city, home=elsewhere, engine=engine)
    assert run(moved, "elsewhere", select=[]).built
    assert_same(marts(moved), before)
    engine.dispose()


@pytest.mark.case("security.H7", "security.M5")
def test_damaged_files_are_made_again_by_a_run_with_nothing_new(city: RunCity) -> None:
    before = marts(city)
    served = generations(city.home.serving)[-1]
    served.chmod(0o644)
    served.write_bytes(bytes(served.stat().st_size))
    city.home.mart.write_bytes(b"not a database")
    size = city.home.warehouse.stat().st_size
    with city.home.warehouse.open("r+b") as file:
        file.seek(size // 2)
        file.write(bytes(size // 4))
    assert run(city, "mended", select=[]).generation is not None
    assert_same(marts(city), before)
    assert len(wrecks(city.home)) == 2
    assert damage_of(city.home.warehouse, deep=True) == ""


def test_a_run_that_is_interrupted_is_kept_as_failed(city: RunCity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "check", crash)
    with pytest.raises(KeyboardInterrupt):
        run(city, "crashed")
    with city.engine.connect() as connection:
        assert connection.execute(sa.select(tables.run.c.result).filter_by(run_id="crashed")).scalar() == "failed"


def test_a_crash_between_publish_and_the_ledger_is_repaired(city: RunCity, monkeypatch: pytest.MonkeyPatch) -> None:
    before = marts(city)
    reset(city)
    with monkeypatch.context() as patch:
        patch.setattr("orchestration.manifest.mark_built", crash)
        with pytest.raises(KeyboardInterrupt):
            run(city, "crashed")
    assert run(city, "repaired", minutes=11).built
    assert_same(marts(city), before)


def test_one_department_gone_does_not_stop_the_others(city: RunCity) -> None:
    gone = {**city.home.environment, "CITYRISK_FIRE_DB_URL": f"sqlite:///{city.home.root}/gone.db"}
    city = replace(city, home=open_home(gone, city.home.root))
    result = run(city, "partial", days=[date(2026, 6, 13)])
    by_feed = {o.feed_id: o.result for o in result.outcomes}
    assert by_feed["fire.unit"] == by_feed["fire.inspection"] == "unreachable"
    assert "failed" not in by_feed.values()
    assert result.built


@pytest.mark.case("security.held.H7")
def test_a_second_batch_at_once_is_refused(city: RunCity) -> None:
    with only_run(city.home), pytest.raises(HomeBusyError, match="another batch is running"):
        run(city, "second")


def test_what_nobody_checked_is_not_published(city: RunCity, monkeypatch: pytest.MonkeyPatch) -> None:
    served = generations(city.home.serving)
    monkeypatch.setitem(__import__("sys").modules, "quality.run", None)
    with pytest.raises(BatchError, match="checks did not run"):
        run(city, "unchecked", days=[date(2026, 6, 13)])
    assert generations(city.home.serving) == served


def crash(*_: object, **__: object) -> None:
    """The process dies here."""
    raise KeyboardInterrupt


def reset(city: RunCity) -> None:
    """Forget that anything was checked, built or served, as after a first fetch."""
    shutil.rmtree(city.home.warehouse.parent)
    with city.engine.begin() as connection:
        connection.execute(sa.update(tables.batch).where(tables.batch.c.state == "admitted").values(state="landed"))
        connection.execute(sa.update(tables.file).values(built_at=None))

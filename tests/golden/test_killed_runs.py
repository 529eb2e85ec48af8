"""A batch that is killed at any step: the next one goes on, loses nothing, lands nothing twice, waits for nobody."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.settings import open_home
from core.store import tables
from core.store.database import open_ops
from golden.conftest import AS_OF, RunCity
from golden.test_runs import assert_same, marts, run
from ingest.land.files import verify_landed
from orchestration.publish import generations

pytestmark = [pytest.mark.servers, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
STEPS = ("fetch", "check", "build", "upkeep")
OWN = ("city", "secrets.env")


@pytest.fixture
def untouched(run_city: RunCity, tmp_path: Path) -> Iterator[RunCity]:
    """The run city before its first batch: its departments, and an empty home."""
    root = tmp_path / "var"
    root.mkdir()
    for name in OWN:
        part = run_city.home.root / name
        (shutil.copytree if part.is_dir() else shutil.copy)(part, root / name)
    home = open_home(run_city.home.environment, root)
    engine = open_ops(home.ops_url)
    yield replace(run_city, home=home, engine=engine)
    engine.dispose()


def die_in(city: RunCity, step: str, minutes: int) -> None:
    """A batch in a process that is killed in the midst of a step."""
    now = AS_OF + timedelta(minutes=minutes)
    died = subprocess.run(
        [sys.executable, "-m", "golden.dying_run", city.home.root, f"dies-in-{step}", now.isoformat(), step],
        env={**os.environ, **city.home.environment, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr[-3000:]
    with city.engine.connect() as connection:
        row = connection.execute(
            sa.select(tables.run.c.step, tables.run.c.result).order_by(tables.run.c.started_at.desc())
        ).first()
    assert row == (step, "running")


def noted(city: RunCity) -> list[tuple[object, ...]]:
    """What stands in quarantine, without when and in which run."""
    q = tables.quarantine.c
    columns = (q.feed_id, q.grain, q.reason, q.outcome, q.source_ref, q.locator, q.n_rows)
    with city.engine.connect() as connection:
        return sorted(map(tuple, connection.execute(sa.select(*columns))), key=str)


def landed(city: RunCity) -> list[tuple[object, ...]]:
    """Rows by feed and state that departments' payloads landed; how they were cut into batches may differ."""
    b = tables.batch.c
    query = (
        sa.select(b.feed_id, b.state, sa.func.sum(b.rows_landed))
        .where(b.media != "compaction", b.rows_landed > 0)
        .group_by(b.feed_id, b.state)
    )
    with city.engine.connect() as connection:
        return sorted(map(tuple, connection.execute(query)), key=str)


@pytest.mark.timeout(1800)  # processes that build a city, on a busy machine
@pytest.mark.case("security.held.H7")
def test_whatever_step_a_batch_is_killed_in_the_next_goes_on(run_city: RunCity, untouched: RunCity) -> None:
    city, whole = untouched, run_city
    for n, step in enumerate(STEPS):
        die_in(city, step, 5 + n)
        assert len(generations(city.home.serving)) == (step == "upkeep")
    run(city, "last", minutes=10)  # at once: a dead process holds no lock
    assert_same(marts(city), marts(whole))
    assert noted(city) == noted(whole)
    assert landed(city) == landed(whole)
    assert verify_landed(city.home, city.engine) == []
    assert list(city.home.root.rglob("*.partial*")) == []

"""Damaged warehouse files are told and set aside; whole ones, and what a batch has open, are left alone."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from core.runtime.run_lock import only_run
from core.settings import Home
from core.store.database import opened
from orchestration.damage import damage_of, set_aside_damaged, wrecks
from orchestration.doctor import examine

NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)
BLOCK = 256 << 10


def make(path: Path) -> None:
    """A database of several blocks, the last of them with rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table t as select hash(range) as a, md5(range::text) as b from range(100_000)")


def spoil(path: Path, at: int) -> None:
    """Zeros over a part of the file."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write(bytes(BLOCK // 2))


def says(home: Home) -> tuple[bool, str]:
    with opened(home.ops_url) as engine:
        found = next(f for f in examine(home, engine, {}, NOW) if f.subject == "warehouse")
    return found.well, found.found


@pytest.mark.case("security.M5")
@pytest.mark.parametrize("name", ["warehouse", "mart"])
def test_a_damaged_file_is_told_and_set_aside_and_the_other_stays(home: Home, name: str) -> None:
    harmed: Path = getattr(home, name)
    for path in (home.warehouse, home.mart):
        make(path)
    assert says(home) == (True, "opens")
    spoil(harmed, 0)
    well, found = says(home)
    assert not well
    assert harmed.name in found
    with only_run(home):
        assert says(home) == (True, "a batch has it open")
    assert len(set_aside_damaged(home, NOW)) == 1
    assert [path.exists() for path in (home.warehouse, home.mart)] == [name != "warehouse", name != "mart"]
    well, found = says(home)
    assert well
    assert wrecks(home)[0].name in found


@pytest.mark.case("security.M5")
def test_a_block_that_nobody_has_read_is_found_by_a_deep_look(home: Home) -> None:
    make(home.warehouse)
    spoil(home.warehouse, 3 * BLOCK)
    assert damage_of(home.warehouse) == ""
    assert "orrupt" in damage_of(home.warehouse, deep=True)
    assert set_aside_damaged(home, NOW) == []
    assert set_aside_damaged(home, NOW, deep=True)
    make(home.warehouse)
    spoil(home.warehouse, 0)
    set_aside_damaged(home, NOW + timedelta(hours=1))
    assert [path.name for path in wrecks(home)] == ["warehouse.duckdb.damaged-20260615T050000"]


def test_a_file_that_somebody_has_open_is_not_damaged(home: Home) -> None:
    make(home.warehouse)
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code, str(home.warehouse)], stdin=-1, stdout=-1, text=True) as shell:
        assert shell.stdout is not None
        assert shell.stdout.readline() == "held\n"
        assert set_aside_damaged(home, NOW) == []
        shell.communicate("")
    assert wrecks(home) == []

"""A disk that is full and a home that nobody may write are told in one line, and nothing unseen is called well."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest
import sqlalchemy as sa

from core.runtime.disk import disk_trouble
from core.settings import Home
from core.store.database import open_ops
from orchestration.doctor import look_over

CITYRISK = Path(sys.executable).with_name("cityrisk")
NOW = datetime(2026, 11, 30, 4, tzinfo=UTC)
FULL = ("prlimit", "--fsize=4096")
# The superuser may write everywhere: it gives that right away.
BOUND = ("setpriv", "--bounding-set", "-dac_override,-fowner") if os.geteuid() == 0 else ()

pytestmark = pytest.mark.case("security.held.H8")


@pytest.fixture
def closed(home: Home) -> Iterator[Callable[[], None]]:
    """Takes every right to write from a home; gives it back at the end."""
    yield lambda: set_rights(home, 0o500, 0o400)
    set_rights(home, 0o700, 0o600)


def set_rights(home: Home, folder: int, file: int) -> None:
    """Give every folder and file of a home these rights."""
    for path in [home.root, *home.root.rglob("*")]:
        path.chmod(folder if path.is_dir() else file)


def refused(home: Home, *prefix: str) -> str:
    """What a run says that could not do its work."""
    done = subprocess.run(
        [*prefix, CITYRISK, "run"],
        env={**os.environ, "CITYRISK_HOME": str(home.root)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_a_run_on_a_full_disk_says_so_and_the_next_one_goes_on(home: Home) -> None:
    open_ops(home.ops_url).dispose()
    assert refused(home, *FULL).startswith("no room left on the disk (")
    assert all(finding.well for finding in look_over(home, {}, NOW) if finding.subject in ("ops store", "run lock"))


def test_a_run_in_a_read_only_home_says_so(home: Home, closed: Callable[[], None]) -> None:
    open_ops(home.ops_url).dispose()
    closed()
    assert "the home cannot be written (" in refused(home, *BOUND)


def test_the_doctor_calls_nothing_well_that_a_closed_store_hides(home: Home) -> None:
    away = replace(home, environment={**home.environment, "CITYRISK_OPS_URL": f"sqlite:///{home.root}"})
    found = {finding.subject: finding for finding in look_over(away, {}, NOW)}
    assert not found["ops store"].well
    assert found["ops store"].found == "the home cannot be written (ops store: unable to open database file)"
    assert not {"keys", "landing", "last run", "held batches"} & found.keys()


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/h/x"), "no room left on the disk (/h/x: No space left"),
        (OSError(errno.EROFS, os.strerror(errno.EROFS), "/h/x"), "the home cannot be written (/h/x: Read-only"),
        (PermissionError(errno.EACCES, "Permission denied", "/h/x"), "the home cannot be written (/h/x: Permission"),
        (
            sa.exc.OperationalError("insert", {}, sqlite3.OperationalError("database or disk is full")),
            "no room left on the disk (ops store: database or disk is full",
        ),
        (duckdb.IOException("Could not write file: No space left on device"), "no room left on the disk (Could not"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/elsewhere/x"),
            "a file outside the home cannot be used (/elsewhere/x: Permission denied)",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", b"/elsewhere/x"),
            "a file outside the home cannot be used (",
        ),
        (OSError(errno.EIO, os.strerror(errno.EIO), "/h/x"), "the disk fails (/h/x: Input/output error)"),
        (
            sa.exc.OperationalError("insert", {}, sqlite3.OperationalError("disk I/O error")),
            "the disk fails (ops store: disk I/O error)",
        ),
        (
            duckdb.IOException('IO Error: Cannot open file "/h/w.duckdb": Permission denied'),
            "the home cannot be written (IO Error",
        ),
        (
            duckdb.IOException('IO Error: Cannot open file "/elsewhere/x.csv": Permission denied'),
            "a file outside the home cannot be used (IO Error",
        ),
        (duckdb.IOException(""), None),
        (PermissionError(errno.EACCES, "Permission denied"), None),  # of a port
        (sa.exc.OperationalError("select", {}, sqlite3.OperationalError("database is locked")), None),
        (ValueError("no space left on device"), None),
    ],
)
def test_what_the_disk_refuses_is_told_from_defects(error: Exception, found: str | None) -> None:
    trouble = disk_trouble(error, Path("/h"))
    assert (trouble is None) if found is None else (trouble is not None and trouble.found.startswith(found))


def test_what_a_store_cannot_map_on_a_full_disk_is_no_failing_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.runtime.disk.shutil.disk_usage", lambda _: SimpleNamespace(free=4096))
    trouble = disk_trouble(sa.exc.OperationalError("x", {}, sqlite3.OperationalError("disk I/O error")), Path("/h"))
    assert trouble is not None
    assert trouble.found.startswith("no room left on the disk (")

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from access import serving
from core.settings import Home
from published import publish_city, reading, utc

NOW = utc(2026, 11, 20, 8)


def test_before_the_first_publish_it_says_what_to_run(home: Home) -> None:
    assert serving.newest(home) is None
    with pytest.raises(serving.NoGenerationError, match="cityrisk run"):
        serving.connect(home)


def test_newest_is_by_name_and_copies_under_way_do_not_count(home: Home) -> None:
    first = publish_city(home, NOW)
    second = publish_city(home, NOW + timedelta(microseconds=1))
    (home.serving / "99990101T000000000000.duckdb.part").write_bytes(b"half a copy")
    (home.serving / "current").symlink_to(first)
    assert serving.newest(home) == second
    with serving.open_mart(home) as mart:
        assert mart.generation == second
        assert mart.published_at == NOW + timedelta(microseconds=1)


def test_a_generation_that_cannot_be_read_is_named(home: Home) -> None:
    home.serving.mkdir()
    broken = home.serving / "20261120T080000000000.duckdb"
    broken.write_bytes(b"not a database" * 1000)
    with pytest.raises(serving.GenerationError, match=broken.name):
        serving.connect(home)


def test_a_generation_deleted_between_listing_and_open_is_passed_over(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = publish_city(home, NOW)
    listed = [[home.serving / "20261120T090000000000.duckdb"], [kept]]
    monkeypatch.setattr(serving, "by_age", lambda _home, _now: listed.pop(0))
    with serving.open_mart(home) as mart:
        assert mart.generation == kept
    assert not listed


@pytest.mark.parametrize(
    "statement",
    [
        "insert into mart.area values ('1', null, 'city', 'x', 'x')",
        "create table mart.mine (a integer)",
        "attach 'other.duckdb'",
        "copy mart.area to 'stolen.csv'",
        "select * from read_text('/etc/hostname')",
        "set enable_external_access = true",
        "install httpfs",
    ],
)
def test_the_connection_reads_the_generation_and_nothing_else(home: Home, statement: str) -> None:
    publish_city(home, NOW)
    with serving.connect(home) as connection, pytest.raises(duckdb.Error):
        connection.execute(statement)


@pytest.mark.case("security.H7")
def test_a_damaged_newest_generation_gives_way_to_the_last_good(home: Home) -> None:
    good = publish_city(home, NOW)
    bad = publish_city(home, NOW + timedelta(hours=1))
    bad.chmod(0o644)
    bad.write_bytes(bad.read_bytes()[:20_000])
    with serving.open_mart(home) as mart:
        assert mart.generation == good
    assert serving.readable(home) == good


@pytest.mark.case("engineer.5")
def test_a_generation_that_a_shell_holds_gives_way_to_the_one_before(home: Home) -> None:
    good = publish_city(home, NOW)
    held = publish_city(home, NOW + timedelta(hours=1))
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    shell = subprocess.Popen([sys.executable, "-c", code, str(held)], stdin=-1, stdout=-1, text=True)
    try:
        assert shell.stdout is not None
        assert shell.stdout.readline() == "held\n"
        assert serving.readable(home) == good
    finally:
        shell.communicate("")
    assert serving.readable(home) == held


@pytest.mark.case("security.H6")
def test_a_generation_of_the_future_holds_no_reader(home: Home) -> None:
    now = datetime.now(UTC)
    ahead = publish_city(home, now + timedelta(days=3))
    assert serving.readable(home) == ahead, "better than nothing"
    right = publish_city(home, now)
    assert serving.readable(home) == right


def test_twenty_readers_during_ten_publishes(home: Home) -> None:
    """No reader meets an error or a half-built view, and an open after a publish sees it within two seconds."""
    publish_city(home, NOW)
    elsewhere = Home(home.root / "elsewhere", {})
    ready = [publish_city(elsewhere, NOW + timedelta(hours=number), shift=float(number)) for number in range(1, 11)]
    waits = []
    with reading(home, 20) as met:
        for number, copy in enumerate(ready, 1):
            generation = copy.rename(home.serving / copy.name)
            there = time.monotonic()
            with serving.open_mart(home) as mart:
                assert mart.generation == generation
            waits.append(time.monotonic() - there)
            old = NOW + timedelta(hours=number - 3)
            (home.serving / f"{old:%Y%m%dT%H%M%S%f}.duckdb").unlink(missing_ok=True)
            n_before = sum(met.counts)
            while sum(met.counts) < n_before + 20 and not met.errors:
                time.sleep(0.01)  # let every reader come round before the next one
    assert not met.errors
    assert max(waits) < 2.0
    assert min(met.counts) >= 3
    assert len(met.generations) >= 9


def test_publication_time_comes_from_the_name() -> None:
    assert serving.published_at(Path("20261122T153000250000.duckdb")) == datetime(
        2026, 11, 22, 15, 30, 0, 250_000, tzinfo=UTC
    )
    with pytest.raises(ValueError, match="YYYYMMDD"):
        serving.published_at(Path("mart.duckdb"))

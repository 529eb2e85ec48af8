"""As known at an instant, the tables are those of the generation that readers had then, whatever came later."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest
import sqlalchemy as sa

from access import sandbox
from access.export import export
from access.known_at import NotKnownError, known_tables
from access.sandbox import SqlFailedError, SqlRefusedError, run_sql
from access.serving import locked_to, open_mart
from core.settings import Home
from core.store import tables
from core.store.database import open_ops
from orchestration.publish import PUBLISHED_TABLES, publish
from orchestration.published_upkeep import KEPT_WHOLE, thin_published

START = datetime(2026, 6, 15, 4, tzinfo=UTC)
TODAY = date(2026, 6, 15)


@pytest.fixture
def store(home: Home) -> Iterator[sa.Engine]:
    engine = open_ops(home.ops_url)
    yield engine
    engine.dispose()


class Mart:
    """A mart file that changes as builds change it, and what it said at each publish."""

    def __init__(self, home: Home, store: sa.Engine) -> None:
        self.home, self.store = home, store
        self.shown: list[tuple[datetime, dict[str, pl.DataFrame]]] = []
        home.mart.parent.mkdir(parents=True, exist_ok=True)
        columns = "as_of_date date, area_code text, index_value double, method_version text"
        self.run("create schema mart", f"create table mart.risk_index ({columns})")
        self.run("create table mart.reading_hourly (landed_on date, device_id text, mean_value double)")
        self.run("create table mart.feed_health as select 'f' as feed_id, 'ok' as state")
        self.run("create table mart.alert (alert_id text, starts_at timestamptz, state text)")
        done = {"risk_index", "reading_hourly", "feed_health", "alert"}
        self.run(*(f"create table mart.{name} (n integer)" for name in PUBLISHED_TABLES if name not in done))

    def run(self, *statements: str) -> None:
        with duckdb.connect(str(self.home.mart)) as connection:
            for statement in statements:
                connection.execute(statement)

    def compute(self, day: date, value: float, method: str = "cri-1.1.0") -> None:
        self.run(
            f"delete from mart.risk_index where as_of_date = '{day}'",
            f"insert into mart.risk_index values ('{day}', '420500', {value}, '{method}')",
            f"insert into mart.risk_index values ('{day}', '420502', {value + 1}, '{method}')",
        )

    def publish(self, at: datetime, landed_since: str | None = None) -> None:
        publish(self.home, self.store, f"run-{len(self.shown)}", [], at, landed_since)
        with duckdb.connect(str(self.home.mart), read_only=True) as connection:
            every = {name: connection.execute(f"select * from mart.{name}").pl() for name in PUBLISHED_TABLES}
        self.shown.append((at, every))

    def shown_at(self, at: datetime) -> dict[str, pl.DataFrame]:
        return [every for published_at, every in self.shown if published_at <= at][-1]


@pytest.fixture
def mart(home: Home, store: sa.Engine) -> Mart:
    return Mart(home, store)


def known(home: Home, at: datetime) -> dict[str, pl.DataFrame]:
    with open_mart(home, known_at=at) as opened:
        return {name: opened.connection.execute(f"select * from mart.{name}").pl() for name in PUBLISHED_TABLES}


def assert_same(found: dict[str, pl.DataFrame], expected: dict[str, pl.DataFrame]) -> None:
    for name, frame in expected.items():
        order = frame.columns
        assert found[name].sort(order).equals(frame.sort(order)), name


def n_parts(store: sa.Engine) -> int:
    with store.connect() as connection:
        return int(connection.scalar(sa.select(sa.func.count()).select_from(tables.published_part)) or 0)


# What a city does to its numbers between two publishes; each takes the mart, a day and a value.
CHANGES: dict[str, Callable[[Mart, date, float], None]] = {
    "a late file": lambda mart, day, value: mart.compute(day, value),
    "a new method": lambda mart, day, value: mart.compute(day, value, "cri-2.0.0"),
    "a correction of readings": lambda mart, day, value: mart.run(
        f"delete from mart.reading_hourly where landed_on = '{day}'",
        f"insert into mart.reading_hourly values ('{day}', 'd1', {value})",
    ),
    "a day that expires": lambda mart, day, _: mart.run(f"delete from mart.reading_hourly where landed_on = '{day}'"),
    "an alert": lambda mart, day, value: mart.run(f"insert into mart.alert values ('a{value}', '{day}', 'open')"),
    "an answered alert": lambda mart, _, __: mart.run("update mart.alert set state = 'closed'"),
    "a feed that falls silent": lambda mart, _, value: mart.run(f"update mart.feed_health set state = 's{value}'"),
    "nothing": lambda _, __, ___: None,
    "a column": lambda mart, _, value: mart.run(f"alter table mart.work_order add column c{int(value * 1000)} text"),
}


@pytest.mark.parametrize("seed", range(2))
def test_as_known_at_any_instant_is_what_was_published_then(home: Home, mart: Mart, seed: int) -> None:
    rng = random.Random(seed)
    at = START
    for n in range(10):
        for name in rng.sample(sorted(CHANGES), 3):
            CHANGES[name](mart, TODAY - timedelta(days=rng.randrange(4)), n + rng.random())
        mart.publish(at)
        at += timedelta(minutes=rng.randrange(1, 600))
    for _ in range(12):
        instant = START + (at - START) * rng.random()
        assert_same(known(home, instant), mart.shown_at(instant))
    for published_at, every in mart.shown:
        assert_same(known(home, published_at), every)


def test_what_did_not_change_is_written_once(home: Home, mart: Mart, store: sa.Engine) -> None:
    for back in range(20):
        mart.compute(TODAY - timedelta(days=back), 50)
    mart.publish(START)
    first = n_parts(store)
    mart.publish(START + timedelta(minutes=10))
    assert n_parts(store) == first
    mart.compute(TODAY, 51)
    mart.publish(START + timedelta(minutes=20))
    assert n_parts(store) == first + 1
    newest = max((home.published / "risk_index").iterdir())
    assert pl.read_parquet(newest).height == 2
    assert newest.stat().st_mode & 0o777 == 0o444


def test_hourly_readings_are_looked_at_from_the_first_day_that_changed(home: Home, mart: Mart) -> None:
    for back in range(3):
        CHANGES["a correction of readings"](mart, TODAY - timedelta(days=back), back)
    mart.publish(START)
    CHANGES["a correction of readings"](mart, TODAY, 9)
    CHANGES["a day that expires"](mart, TODAY - timedelta(days=2), 0)
    mart.publish(START + timedelta(minutes=10), landed_since=TODAY.isoformat())
    for at, every in mart.shown:
        assert_same(known(home, at), every)


def test_before_anything_was_published_nothing_was_known(home: Home, mart: Mart, store: sa.Engine) -> None:
    with pytest.raises(NotKnownError, match="nothing is kept yet"):
        open_mart(home, known_at=START)
    mart.compute(TODAY, 50)
    mart.publish(START)
    with pytest.raises(NotKnownError, match="kept from 2026-06-15 04:00:00"):
        open_mart(home, known_at=START - timedelta(seconds=1))


def test_foreign_sql_and_exports_take_the_instant_and_nothing_else(home: Home, mart: Mart, tmp_path: Path) -> None:
    for n in range(2):
        mart.compute(TODAY, 50 + n)
        mart.publish(START + timedelta(minutes=n))
    asked = "select max(index_value) from mart.risk_index"
    assert run_sql(home, asked).frame.item() == 52
    then = run_sql(home, asked, known_at=START)
    assert (then.frame.item(), then.generation) == (51, "20260615T040000000000")
    rows = export(home, "risk_index", "csv", tmp_path / "then.csv", "index_value > 50", known_at=START)
    assert rows == 1
    for foreign in (f"select * from read_parquet('{home.published}/*/*')", "select * from read_text('/etc/passwd')"):
        with pytest.raises(SqlRefusedError):
            run_sql(home, foreign, known_at=START)
    then_known = known_tables(home, START)
    setup = [*then_known.setup, *locked_to(then_known.files)]
    for foreign in ("select * from read_text('/etc/passwd')", f"copy mart.risk_index to '{home.published}/x.csv'"):
        with pytest.raises(SqlFailedError):  # what the look at the statement let through by mistake
            sandbox._run_in_child(":memory:", foreign, 10, 10.0, setup)
    assert not (home.published / "x.csv").exists()
    with open_mart(home, known_at=START) as opened, pytest.raises(duckdb.Error, match="disabled by configuration"):
        opened.connection.execute("select * from read_text('/etc/passwd')")


def test_old_versions_thin_out_but_those_of_the_index_and_of_the_days_end(
    home: Home, mart: Mart, store: sa.Engine
) -> None:
    for hour in range(40):
        at = START + timedelta(hours=hour)
        mart.compute(TODAY, hour)
        mart.run(f"update mart.feed_health set state = 's{hour}'")
        mart.publish(at)
    later = START + timedelta(hours=64) + KEPT_WHOLE
    before = n_parts(store)
    gone = thin_published(home, store, later)
    assert gone == before - n_parts(store) > 25
    assert thin_published(home, store, later) == 0
    last_of_day = START + timedelta(hours=11)  # 23:00 in Beijing
    for at in (last_of_day, last_of_day + timedelta(minutes=59), START + timedelta(hours=39)):
        assert_same(known(home, at), mart.shown_at(at))
    with pytest.raises(NotKnownError, match=r"mart\.feed_health as known at .* is not retained"):
        known(home, START + timedelta(hours=3))
    with store.connect() as connection:
        p = tables.published_part.c
        versions = connection.scalars(
            sa.select(p.part_id).where(p.table_name == "risk_index", p.day == f"{TODAY}")
        ).all()
        named = set(connection.scalars(sa.select(p.file)))
    assert len(versions) == 40

    for path in home.published.glob("*/*"):
        os.utime(path, (0, 0))
    thin_published(home, store, later)  # files that were merged go when no reader has them open
    left = {path.relative_to(home.published).as_posix() for path in home.published.glob("*/*")}
    assert left == named
    assert_same(known(home, last_of_day), mart.shown_at(last_of_day))

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import psutil
import pytest

from access import sandbox
from access.sandbox import SqlFailedError, SqlRefusedError, run_sql
from access.serving import LOCKED_DOWN, NoGenerationError
from core.settings import Home
from published import publish_city, utc

NOW = utc(2026, 11, 20, 8)
BOUNDS = {"wall_s": 30, "cpu_s": 60, "address_space_bytes": 4 << 30, "output_bytes": 1 << 20}


@pytest.fixture
def city_home(home: Home) -> Home:
    publish_city(home, NOW)
    return home


@pytest.mark.parametrize(
    ("text", "n_rows"),
    [
        ("select * from mart.area", 14),
        ("select * from mart.area;", 14),
        ("with worst as (select * from mart.risk_object where residual_colour = 'red') select count(*) from worst", 1),
        ("select area_code from mart.area where area_code in (select area_code from mart.risk_index)", 14),
        ("from mart.feed", 10),
        ("describe mart.area", 5),
        ("select x from range(3) as t(x)", 3),
        ("select '城市' as word union all select name_zh from mart.area where level = 'city'", 2),
    ],
)
def test_reading_works(city_home: Home, text: str, n_rows: int) -> None:
    result = run_sql(city_home, text)
    assert result.frame.height == n_rows
    assert not result.is_truncated
    assert result.generation == "20261120T080000000000"


def test_rows_are_limited_and_it_says_so(city_home: Home) -> None:
    result = run_sql(city_home, "select * from mart.risk_index", limit=5)
    assert result.frame.height == 5
    assert result.is_truncated
    assert not run_sql(city_home, "select * from mart.area", limit=14).is_truncated


ESCAPES = [
    "copy mart.area to 'stolen.csv'",
    "copy (select 1) to '/dev/stdout'",
    "attach 'other.duckdb' as other",
    "detach mart",
    "install httpfs",
    "load spatial",
    "pragma database_list",
    "set enable_external_access = true",
    "reset lock_configuration",
    "call pragma_version()",
    "create table mart.mine as select 1",
    "create temp table mine as select 1",
    "create macro m() as 1",
    "insert into mart.area values ('1')",
    "update mart.area set name_zh = 'x'",
    "delete from mart.area",
    "drop table mart.area",
    "export database 'there'",
    "import database 'there'",
    "checkpoint",
    "vacuum",
    "begin transaction",
    "explain analyze select * from mart.area",
    "prepare p as select 1",
    "select 1; select 2",
    "select 1; drop table mart.area",
    "",
    "-- nothing",
    "not sql at all",
    "select * from '/etc/passwd'",
    "select * from 'landing/*.parquet'",
    "select * from mart.'x'",
    "select * from read_csv('/etc/passwd')",
    "select * from read_text('/etc/passwd')",
    "select * from read_blob('/etc/passwd')",
    "select * from read_parquet('landing/*.parquet')",
    "select * from read_json('x.json')",
    "select * from glob('/*')",
    "select * from sniff_csv('/etc/passwd')",
    "select (select content from read_text('/etc/passwd'))",
    "select * from mart.area where name_zh in (select content from read_text('/etc/passwd'))",
    "with a as (select * from read_text('/etc/passwd')) select * from a",
    "describe select * from read_csv('/etc/passwd')",
    "summarize '/etc/passwd'",
    "select * from (values (1)) v, lateral (select * from read_text('/etc/passwd'))",
    "select * from query('select 1')",
    "select * from query_table('area')",
    "select getenv('HOME')",
    "select current_setting('secret_directory')",
    "select * from duckdb_settings()",
    "select * from duckdb_secrets()",
    "select * from duckdb_databases()",
    "select * from pragma_database_size()",
    "select * from information_schema.tables",
    "select * from pg_catalog.pg_class",
    "select * from sqlite_master",
    "select * from system.main.duckdb_views",
    "show tables",
    "show all tables",
    "copy mart.area from 'x.csv'",
    "copy mart.area to 'x.parquet' (format parquet)",
    "copy from database mart to memory",
    "attach ':memory:' as m",
    "attach if not exists 'x.sqlite' (type sqlite)",
    "use memory",
    "use mart",
    "install spatial from community",
    "force install json",
    "update extensions",
    "load '/tmp/x.duckdb_extension'",
    "set threads = 64",
    "set memory_limit = '64GB'",
    "set global home_directory = '/'",
    "set session search_path = 'main'",
    "set variable v = 1",
    "reset threads",
    "pragma threads = 64",
    "pragma enable_profiling",
    "call dbgen(sf = 1)",
    "create schema s",
    "create view v as select 1",
    "create or replace table mart.area as select 1",
    "create sequence s",
    "create type t as enum ('a')",
    "create index i on mart.area (name_zh)",
    "create function f(a) as a",
    "create secret s (type s3)",
    "drop schema mart cascade",
    "drop secret s",
    "alter table mart.area add column x int",
    "truncate mart.area",
    "merge into mart.area using mart.area as b on false when not matched then insert",
    "insert into mart.area select * from mart.area returning *",
    "delete from mart.area returning *",
    "comment on table mart.area is 'x'",
    "execute p",
    "deallocate p",
    "commit",
    "rollback",
    "force checkpoint",
    "analyze",
    "explain select * from mart.area",
    "select 1;; drop table mart.area",
    "select 1; set threads = 64",
    "/* */ select 1; /* */ attach 'x'",
    "select * from 'https://example.org/x.parquet'",
    "select * from 's3://bucket/x.parquet'",
    "select * from '/proc/self/environ'",
    'select * from "landing/x.parquet"',
    "select * from read_csv_auto('/etc/passwd')",
    "select * from read_ndjson('x')",
    "select * from read_json_objects('x')",
    "select * from parquet_scan('x')",
    "select * from parquet_metadata('x')",
    "select * from parquet_schema('x')",
    "select * from read_duckdb('x')",
    "select * from sqlite_scan('x', 't')",
    "select * from postgres_scan('host=x', 'public', 't')",
    "select * from st_read('x.gpkg')",
    "select * from duckdb_tables()",
    "select * from duckdb_logs()",
    "select * from duckdb_extensions()",
    "select * from duckdb_temporary_files()",
    "select * from pragma_table_info('mart.area')",
    "select * from pragma_storage_info('mart.area')",
    "select * from pg_settings",
    "select * from temp.main.x",
    "select exists (select * from glob('/*'))",
    "select * from mart.area order by (select count(*) from glob('/*'))",
    "select * from mart.area where exists (from '/etc/passwd')",
    "from '/etc/passwd'",
    "table main.area",
    "describe main.area",
    "select getvariable('v')",
    "select current_query()",
    "select (select getenv('PATH')) from mart.area",
    "values ((select content from read_text('/etc/passwd')))",
    "select * from area",
    "select * from main.area",
]


@pytest.mark.case("security.held.H1")
@pytest.mark.parametrize("text", ESCAPES)
def test_everything_else_is_refused_before_it_runs(text: str) -> None:
    with pytest.raises(SqlRefusedError):
        sandbox.check(text)


@pytest.mark.parametrize(
    "text",
    [
        "copy mart.area to '{out}'",
        "copy mart.area to '{out}' (format parquet)",
        "export database '{out}'",
        "attach '{out}' as other",
        "select * from read_text('/etc/hostname')",
        "select * from '/etc/hostname'",
        "install httpfs",
        "load spatial",
        "set enable_external_access = true",
        "insert into mart.area values ('1', null, 'city', 'x', 'x')",
        "create table mart.mine as select 1",
    ],
)
def test_the_second_wall_holds_without_the_first(city_home: Home, tmp_path: Path, text: str) -> None:
    """What the syntax check let through by mistake would still meet the locked engine in the child process."""
    out = tmp_path / "out"
    generation = city_home.serving / "20261120T080000000000.duckdb"
    with pytest.raises(SqlFailedError):
        sandbox._run_in_child(str(generation), text.format(out=out), 10, 10.0)
    assert not out.exists()


def test_the_child_cannot_write_files_whatever_the_engine_allows(city_home: Home, tmp_path: Path) -> None:
    """The operating system's own limit: here the engine is left open on purpose."""
    out = tmp_path / "out.csv"
    generation = city_home.serving / "20261120T080000000000.duckdb"
    request = {
        "database": str(generation),
        "setup": [],
        "sql": f"copy mart.area to '{out}'",
        "limit": 1,
        "config": {},
        "bounds": BOUNDS,
    }
    done = subprocess.run(
        [sys.executable, "-I", str(Path(sandbox.__file__).with_name("sandbox_child.py"))],
        input=json.dumps(request).encode(),
        capture_output=True,
        env={},
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert not out.exists() or out.stat().st_size == 0


@pytest.mark.case("security.H9", "security.L2")
def test_a_statement_is_stopped_in_time(city_home: Home) -> None:
    endless = "select count(*) from range(1000000) a, range(1000000) b where (a.range + b.range) % 7 = 3"
    with pytest.raises(SqlFailedError, match=r"stopped after 0\.5 s"):
        run_sql(city_home, endless, timeout_s=0.5)


def test_an_error_of_the_statement_is_told(city_home: Home) -> None:
    with pytest.raises(SqlFailedError, match="no_such_column"):
        run_sql(city_home, "select no_such_column from mart.area")


@pytest.mark.case("security.H9")
@pytest.mark.parametrize("text", ["select range(800000000)", "select repeat('x', 3000000000)"])
def test_memory_that_the_engine_does_not_count_is_bounded(
    city_home: Home, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(sandbox, "_ADDRESS_SPACE_BYTES", 2 << 30)
    with pytest.raises(SqlFailedError):
        run_sql(city_home, text)


@pytest.mark.case("security.H9")
def test_large_cells_never_reach_the_parent(city_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_OUTPUT_BYTES", 1 << 20)
    with pytest.raises(SqlFailedError, match="more than 1 MiB"):
        run_sql(city_home, "select repeat('x', 100000) from range(20)")


@pytest.mark.case("security.H9")
def test_the_child_dies_with_its_parent(city_home: Home) -> None:
    endless = "select count(*) from range(1000000) a, range(1000000) b where (a.range + b.range) % 7 = 3"
    code = (
        "import os, sys; sys.path[:0] = ['.', 'tests']; from core.settings import Home; from pathlib import Path\n"
        f"from access.sandbox import run_sql; run_sql(Home(Path({str(city_home.root)!r}), {{}}), {endless!r})"
    )
    parent = psutil.Popen([sys.executable, "-c", code])
    try:
        while not (children := parent.children()):
            assert parent.poll() is None
        child = children[0]
        while child.is_running() and child.cpu_times().user < 0.8:  # past its start
            assert parent.poll() is None
    finally:
        parent.kill()
        parent.wait()
    child.wait(10)


@pytest.mark.case("security.M3")
@pytest.mark.parametrize("name", ["duckdb_databases", "pg_settings", "sqlite_master"])
@pytest.mark.parametrize(
    "text",
    [
        "select * from {0}, (with {0} as (select 1) select * from {0}) x",
        "with {0} as (select * from {0}) select * from {0}",
        "with a as (select * from {0}), {0} as (select 1) select * from a",
        "select * from mart.area where exists (with {0} as (select 1) select 1) or exists (select * from {0})",
    ],
)
def test_a_name_of_with_holds_only_where_it_is_in_scope(text: str, name: str) -> None:
    with pytest.raises(SqlRefusedError, match="is not published"):
        sandbox.check(text.format(name))


@pytest.mark.case("security.M3")
@pytest.mark.parametrize(
    "text",
    [
        "with a as (select 1 x), b as (select * from a) select * from b join a using (x)",
        "with recursive r(n) as (select 1 union all select n + 1 from r where n < 3) select * from r",
        "with a as (select 1) select * from (select * from a)",
        "with a as (select 1) select * from a union all select * from a",
    ],
)
def test_names_of_with_in_scope_are_read(city_home: Home, text: str) -> None:
    assert run_sql(city_home, text).frame.height


@pytest.mark.case("ingest.G1")
def test_a_pivot_without_values_says_what_to_write() -> None:
    with pytest.raises(SqlRefusedError, match=r"PIVOT … ON column IN"):
        sandbox.check("pivot mart.area on level using count(*)")
    sandbox.check("select * from (pivot mart.area on level in ('city', 'county') using count(*))")


@pytest.mark.case("engineer.6")
def test_intervals_come_out_as_text(city_home: Home) -> None:
    frame = run_sql(
        city_home, "select interval '1 month 2 days 90 minutes' a, interval '0 s' b, null::interval c"
    ).frame
    assert frame.row(0) == ("1 months 2 days 01:30:00", "00:00:00", None)


@pytest.mark.case("engineer.6")
def test_civil_times_carry_no_z() -> None:
    from cli.shell import _text

    assert _text(datetime(2026, 11, 20, 19)) == "2026-11-20 19:00:00"  # noqa: DTZ001 - civil on purpose
    assert _text(utc(2026, 11, 20, 11)) == "2026-11-20 11:00:00Z"


def test_nothing_published(home: Home) -> None:
    with pytest.raises(NoGenerationError):
        run_sql(home, "select 1")


def test_a_locked_engine_is_what_pages_use_as_well() -> None:
    assert LOCKED_DOWN["enable_external_access"] == "false"
    assert LOCKED_DOWN["lock_configuration"] == "true"

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from access import sandbox
from access.sandbox import SqlFailedError, SqlRefusedError, run_sql
from access.serving import LOCKED_DOWN, NoGenerationError
from ingest.settings import Home
from published import publish_city, utc

NOW = utc(2026, 11, 20, 8)


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
    "select * from area",
    "select * from main.area",
]


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
        sandbox._run_in_child(generation, text.format(out=out), 10, 10.0)
    assert not out.exists()


def test_the_child_cannot_write_files_whatever_the_engine_allows(city_home: Home, tmp_path: Path) -> None:
    """The operating system's own limit: here the engine is left open on purpose."""
    out = tmp_path / "out.csv"
    generation = city_home.serving / "20261120T080000000000.duckdb"
    request = {"database": str(generation), "sql": f"copy mart.area to '{out}'", "limit": 1, "config": {}}
    done = subprocess.run(
        [sys.executable, "-I", str(Path(sandbox.__file__).with_name("sandbox_child.py"))],
        input=json.dumps(request).encode(), capture_output=True, env={}, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert not out.exists() or out.stat().st_size == 0


def test_a_statement_is_stopped_in_time(city_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_START_UP", sandbox.timedelta(seconds=1))
    endless = "select count(*) from range(1000000) a, range(1000000) b where (a.range + b.range) % 7 = 3"
    with pytest.raises(SqlFailedError, match=r"stopped after 0\.5 s"):
        run_sql(city_home, endless, timeout_s=0.5)


def test_an_error_of_the_statement_is_told(city_home: Home) -> None:
    with pytest.raises(SqlFailedError, match="no_such_column"):
        run_sql(city_home, "select no_such_column from mart.area")


def test_nothing_published(home: Home) -> None:
    with pytest.raises(NoGenerationError):
        run_sql(home, "select 1")


def test_a_locked_engine_is_what_pages_use_as_well() -> None:
    assert LOCKED_DOWN["enable_external_access"] == "false"
    assert LOCKED_DOWN["lock_configuration"] == "true"

"""A generation is audited, new, whole, and the older ones stay while readers may need them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa

from core.settings import Home
from core.store import tables
from core.store.database import open_ops
from orchestration.batch import is_recent
from orchestration.publish import (
    KEPT_GENERATIONS,
    PUBLISHED_TABLES,
    AuditError,
    audit,
    generations,
    is_newest_whole,
    publish,
)

NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)


def make_mart(path: Path, *, tables: tuple[str, ...] = PUBLISHED_TABLES, rows: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema mart")
        for table in tables:
            connection.execute(f"create table mart.{table} as select range as n from range({rows})")


def test_audit_counts_what_is_published(home: Home) -> None:
    make_mart(home.mart, rows=3)
    assert audit(home.mart) == dict.fromkeys(PUBLISHED_TABLES, 3)


def test_audit_refuses_a_missing_table(home: Home) -> None:
    make_mart(home.mart, tables=PUBLISHED_TABLES[:-1])
    with pytest.raises(AuditError, match=PUBLISHED_TABLES[-1]):
        audit(home.mart)


def test_audit_refuses_an_empty_index(home: Home) -> None:
    make_mart(home.mart, rows=0)
    with pytest.raises(AuditError, match="is empty"):
        audit(home.mart)


def test_audit_refuses_a_missing_file(home: Home) -> None:
    with pytest.raises(AuditError, match="does not exist"):
        audit(home.mart)


def test_a_generation_has_a_new_name_and_current_points_to_it(home: Home) -> None:
    engine = open_ops(home.ops_url)
    make_mart(home.mart)
    first = publish(home, engine, "run-1", ["passed", "failed"], NOW)
    second = publish(home, engine, "run-2", ["passed"], NOW + timedelta(seconds=1))
    assert generations(home.serving) == [first, second]
    assert (home.serving / "current").resolve() == second.resolve()
    with engine.connect() as connection:
        rows = connection.execute(
            sa.select(tables.generation.c.name, tables.generation.c.checks_failed).order_by(tables.generation.c.name)
        ).all()
    assert [tuple(row) for row in rows] == [(first.name, 1), (second.name, 0)]
    engine.dispose()


def test_a_name_is_never_used_twice(home: Home) -> None:
    engine = open_ops(home.ops_url)
    make_mart(home.mart)
    publish(home, engine, "run-1", [], NOW)
    with pytest.raises(AuditError, match="never used twice"):
        publish(home, engine, "run-2", [], NOW)
    engine.dispose()


def test_old_generations_go_and_an_open_reader_keeps_its_own(home: Home) -> None:
    engine = open_ops(home.ops_url)
    make_mart(home.mart, rows=7)
    first = publish(home, engine, "run-0", [], NOW)
    with duckdb.connect(str(first), read_only=True) as reader:
        for n in range(1, KEPT_GENERATIONS + 1):
            publish(home, engine, f"run-{n}", [], NOW + timedelta(seconds=n))
        assert len(generations(home.serving)) == KEPT_GENERATIONS
        assert not first.exists()
        assert reader.execute("select count(*) from mart.risk_index").fetchone() == (7,)
    engine.dispose()


@pytest.mark.case("security.H7")
@pytest.mark.parametrize("harm", ["head", "cut"])
def test_a_damaged_newest_generation_is_not_recent(home: Home, harm: str) -> None:
    """Then a run that finds nothing new publishes all the same."""
    engine = open_ops(home.ops_url)
    make_mart(home.mart)
    publish(home, engine, "run-1", [], NOW)
    last = publish(home, engine, "run-2", [], NOW + timedelta(minutes=1))
    later = NOW + timedelta(minutes=2)
    assert is_newest_whole(home, engine)
    assert is_recent(home, engine, later)
    last.chmod(0o644)
    body = last.read_bytes()
    last.write_bytes(body[:-1] if harm == "cut" else bytes(8192) + body[8192:])
    assert not is_newest_whole(home, engine)
    assert not is_recent(home, engine, later)
    publish(home, engine, "run-3", [], later)
    assert is_recent(home, engine, later)
    engine.dispose()

"""Databases: address forms, value forms, large groups of one time, plain errors."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from departments import Database, at, take
from sqlalchemy import exc

from core.settings import Home
from ingest.connect import ConnectError, sql
from ingest.connect.mark import read_mark


@pytest.fixture
def file_db(tmp_path: Path) -> Database:
    return Database(tmp_path, f"sqlite:///{tmp_path / 'department.db'}")


@pytest.mark.parametrize(
    ("given", "driver"),
    [
        ("postgresql://u:p@h/d", "postgresql+psycopg"),
        ("postgres://u:p@h/d", "postgresql+psycopg"),
        ("mysql://u:p@h/d", "mysql+pymysql"),
        ("mariadb://u:p@h/d?charset=utf8mb4", "mysql+pymysql"),
        ("postgresql+psycopg://u:p@h/d", "postgresql+psycopg"),
        ("sqlite:////x/y.db", "sqlite"),
    ],
)
def test_url_forms(given: str, driver: str) -> None:
    url = sql.normalise_url(given)
    assert url.drivername == driver
    assert url.password == sa.make_url(given).password


def test_file_database_is_never_created_nor_written(file_db: Database, tmp_path: Path) -> None:
    file_db.vanish()
    with pytest.raises(ConnectError, match="unable to open"):
        list(file_db.pull())
    assert not list(tmp_path.glob("*.gone"))
    engine = sa.create_engine(sql.normalise_url(f"sqlite:///{tmp_path / 'department.db'}"))
    with engine.connect() as connection, pytest.raises(exc.OperationalError, match="readonly"):
        connection.execute(sa.insert(file_db.table).values(id="x"))
    engine.dispose()


def test_many_rows_of_one_time_are_counted_instead_of_listed(
    file_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "CHUNK_ROWS", 7)
    monkeypatch.setattr(sql, "SEEN_LIMIT", 5)
    file_db.add([("r0", at(0)), *((f"r{i:03d}", at(1)) for i in range(1, 20))])
    payloads = list(file_db.pull())
    assert [payload.cursor is None for payload in payloads] == [True, True, False]
    cursor = payloads[-1].cursor
    assert read_mark(cursor).count == 19
    assert take(file_db, cursor) == ([], cursor)
    file_db.add([("s1", at(2))])
    assert take(file_db, cursor)[0] == ["s1"]
    file_db.add([("a-late", at(1))])
    ids, cursor = take(file_db, cursor)
    assert Counter(ids) == Counter([*(f"r{i:03d}" for i in range(1, 20)), "a-late", "s1"])
    assert take(file_db, cursor)[0] == []


def test_values_as_the_database_gives_them(tmp_path: Path) -> None:
    one = Database(tmp_path, f"sqlite:///{tmp_path / 'types.db'}")
    with sqlite3.connect(tmp_path / "types.db") as connection:
        connection.execute("DROP TABLE t_reading")
        connection.execute("CREATE TABLE t_reading (id, sent, whole, part, raw, words, none)")
        connection.execute(
            "INSERT INTO t_reading VALUES (1, '2026-11-01 00:00:00', 9007199254740993, 0.1, x'00ff', '三峡', NULL)"
        )
    connection.close()
    (payload,) = one.pull()
    assert json.loads(payload.body) == {
        "id": 1,
        "sent": "2026-11-01 00:00:00",
        "whole": 9007199254740993,
        "part": 0.1,
        "raw": "AP8=",
        "words": "三峡",
        "none": None,
    }


@pytest.mark.servers
@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_server_types_become_text(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    one = Database(tmp_path, request.getfixturevalue(f"{kind}_url"))
    one.table.drop(one.engine)
    table = sa.Table(
        "t_reading",
        sa.MetaData(),
        sa.Column("id", sa.String(40)),
        sa.Column("sent", sa.DateTime()),
        sa.Column("price", sa.Numeric(12, 4)),
        sa.Column("raw", sa.LargeBinary()),
        sa.Column("day", sa.Date()),
    )
    table.create(one.engine)
    with one.engine.begin() as connection:
        connection.execute(
            sa.insert(table).values(
                id="r1",
                sent=datetime(2026, 11, 1, 8, 30),  # noqa: DTZ001 - a database without zones
                price=Decimal("12.5"),
                raw=b"\x00\xff",
                day=datetime(2026, 11, 1, tzinfo=UTC).date(),
            )
        )
    (payload,) = one.pull()
    assert json.loads(payload.body) == {
        "id": "r1",
        "sent": "2026-11-01 08:30:00",
        "price": "12.5000",
        "raw": "AP8=",
        "day": "2026-11-01",
    }


@pytest.mark.servers
@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_wrong_password_is_said_at_once_and_not_shown(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    one = Database(tmp_path, request.getfixturevalue(f"{kind}_url"))
    url = sa.make_url(one.home.environment["SAMPLE_DB_URL"]).set(password="not-this-one")
    one.home = Home(tmp_path, {"SAMPLE_DB_URL": url.render_as_string(hide_password=False)})
    started = time.monotonic()
    with pytest.raises(ConnectError) as raised:
        list(one.pull())
    assert time.monotonic() - started < 5
    assert "not-this-one" not in str(raised.value)


def test_table_that_is_not_there(file_db: Database) -> None:
    file_db.table.drop(file_db.engine)
    with pytest.raises(ConnectError, match="no table t_reading"):
        list(file_db.pull())


def test_cursor_field_that_is_not_there(file_db: Database, tmp_path: Path) -> None:
    file_db.table.drop(file_db.engine)
    with sqlite3.connect(tmp_path / "department.db") as connection:
        connection.execute("CREATE TABLE t_reading (id, gone)")
    connection.close()
    with pytest.raises(ConnectError, match="columns id, gone; expected the cursor field sent"):
        list(file_db.pull())


@pytest.mark.parametrize("url", ["nonsense", "oracle://u:secret@h/d", "sqlite+nothing:///x"])
def test_url_that_cannot_be_used(tmp_path: Path, url: str, file_db: Database) -> None:
    file_db.home = Home(tmp_path, {"SAMPLE_DB_URL": url})
    with pytest.raises(ConnectError, match="URL or its driver") as raised:
        list(file_db.pull())
    assert "secret" not in str(raised.value)

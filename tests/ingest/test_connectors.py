"""What every connector promises, held against every kind: HTTP, SQLite, PostgreSQL, MariaDB, files."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from departments import TOKEN, Database, Department, Drop, Service, at, half, service, take
from fsspec.implementations.local import LocalFileSystem
from sqlalchemy import exc

from core.settings import Home, SettingsError
from ingest.connect import ConnectError, cursor_at, rest, sql
from ingest.connect.fault import request_policy_of

TABULAR = [
    "rest",
    "sqlite",
    pytest.param("postgres", marks=pytest.mark.servers),
    pytest.param("mariadb", marks=pytest.mark.servers),
]
KINDS = [*TABULAR, "files"]


@pytest.fixture(params=KINDS)
def department(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Department]:
    """An empty department of each kind, with pages and chunks so small that every border is met."""
    monkeypatch.setattr(rest, "PAYLOAD_RECORDS", 10)
    monkeypatch.setattr(sql, "CHUNK_ROWS", 7)
    monkeypatch.setattr(sql, "FETCH_ROWS", 3)
    match request.param:
        case "rest":
            with service(tmp_path) as one:
                yield one
        case "files":
            yield Drop(tmp_path)
        case "sqlite":
            yield Database(tmp_path, f"sqlite:///{tmp_path / 'department.db'}")
        case kind:
            yield Database(tmp_path, request.getfixturevalue(f"{kind}_url"))


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Service]:
    with service(tmp_path) as one:
        yield one


@pytest.fixture
def file_db(tmp_path: Path) -> Database:
    return Database(tmp_path, f"sqlite:///{tmp_path / 'department.db'}")


@pytest.fixture
def drop(tmp_path: Path) -> Drop:
    return Drop(tmp_path)


# ── every kind ────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_everything_once_and_nothing_again(department: Department) -> None:
    department.add([(f"r{i:03d}", at(i)) for i in range(45)])
    ids, cursor = take(department)
    assert ids == [f"r{i:03d}" for i in range(45)]
    assert take(department, cursor) == ([], cursor)


def test_only_what_is_new(department: Department) -> None:
    department.add([(f"r{i:03d}", at(i)) for i in range(12)])
    _, cursor = take(department)
    department.add([(f"s{i:03d}", at(20 + i)) for i in range(3)])
    ids, cursor = take(department, cursor)
    assert ids == ["s000", "s001", "s002"]
    assert take(department, cursor)[0] == []


def test_rows_of_one_time_at_every_border(department: Department) -> None:
    """Groups of 9 rows share a time, pages hold 10 and chunks 7; later rows join the last group, before and behind."""
    department.add([(f"m{i:03d}", at(i // 9)) for i in range(40)])
    ids, cursor = take(department)
    assert sorted(ids) == [f"m{i:03d}" for i in range(40)]
    department.add([("a-late", at(39 // 9)), ("z-late", at(39 // 9))])
    ids, cursor = take(department, cursor)
    assert sorted(ids) == ["a-late", "z-late"]
    assert take(department, cursor)[0] == []


@pytest.mark.parametrize("n_taken", [1, 2, 3])
def test_stop_in_the_middle(department: Department, n_taken: int) -> None:
    """What landed before a stop does not come again, what did not land does, also inside a group of one time."""
    department.add([(f"r{i:03d}", at(i // 4)) for i in range(38)])
    payloads = department.pull()
    taken = [next(payloads) for _ in range(n_taken)]
    payloads.close()  # type: ignore[attr-defined]
    before = [one for payload in taken for one in department.ids(payload)]
    after, _ = take(department, taken[-1].cursor)
    assert 0 < len(before) < 38
    assert sorted(before + after) == [f"r{i:03d}" for i in range(38)]


def test_every_payload_says_where_it_came_from(department: Department) -> None:
    department.add([(f"r{i:03d}", at(i)) for i in range(23)])
    payloads = list(department.pull())
    assert len(payloads) > 1
    assert len({payload.source_ref for payload in payloads}) == len(payloads)
    assert {payload.feed_id for payload in payloads} == {"sample.reading"}
    assert all(payload.received_at.tzinfo is not None for payload in payloads)


def test_nothing_there_is_no_error(department: Department) -> None:
    assert take(department) == ([], None)


def test_unreachable_is_said_in_words(department: Department) -> None:
    department.vanish()
    with pytest.raises(ConnectError) as raised:
        list(department.pull())
    text = str(raised.value)
    assert text.startswith("sample.reading: ")
    assert "expected" in text
    assert "check" in raised.value.next_step or "create" in raised.value.next_step
    url = department.home.environment.get("SAMPLE_DB_URL")
    password = sa.make_url(url).password if url else None
    assert TOKEN not in text
    assert not password or str(password) not in text


@pytest.mark.parametrize("department", TABULAR, indirect=True)
def test_snapshot_is_one_payload_and_comes_when_it_changes(department: Department) -> None:
    department.as_snapshot()
    department.add([(f"r{i:03d}", at(i)) for i in range(33)])
    (first,) = department.pull()
    assert len(department.ids(first)) == 33
    assert list(department.pull(first.cursor)) == []
    (again,) = department.pull()
    assert again.body == first.body, "equal content has equal bytes"
    department.add([("new", at(99))])
    (second,) = department.pull(first.cursor)
    assert len(department.ids(second)) == 34


@pytest.mark.parametrize("department", TABULAR, indirect=True)
def test_rows_without_a_time_come_once(department: Department) -> None:
    department.add([("n1", None), ("r1", at(1)), ("n2", None)])
    ids, cursor = take(department)
    assert sorted(ids) == ["n1", "n2", "r1"]
    department.add([("n3", None), ("r2", at(2))])
    ids, cursor = take(department, cursor)
    assert sorted(ids) == ["n3", "r2"]
    assert take(department, cursor)[0] == []


@pytest.mark.parametrize("department", TABULAR, indirect=True)
def test_asked_again_from_an_instant(department: Department) -> None:
    department.add([(f"r{i:03d}", at(i)) for i in range(12)])
    ids, _ = take(department, cursor_at(department.contract, datetime(2026, 10, 31, 16, 9, tzinfo=UTC)))
    assert ids == ["r009", "r010", "r011"], "the instant is written in the department's own zone"


# ── a cut line ────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_http_line_cut_in_the_middle(web: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "PAYLOAD_RECORDS", 10)
    web.add([(f"r{i:03d}", at(i)) for i in range(35)])
    web.answers = [None, half, half, None, half]
    ids, cursor = take(web)
    assert ids == [f"r{i:03d}" for i in range(35)]
    assert take(web, cursor)[0] == []


@pytest.mark.servers
@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_database_line_cut_in_the_middle(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows so large that most are still on their way when the server ends the connection."""
    monkeypatch.setattr(sql, "CHUNK_ROWS", 50)
    monkeypatch.setattr(sql, "FETCH_ROWS", 10)
    one = Database(tmp_path, request.getfixturevalue(f"{kind}_url"))
    one.pad = "x" * 60_000
    one.add([(f"r{i:04d}", at(i // 8)) for i in range(600)])
    ids: list[str] = []
    for number, payload in enumerate(one.pull()):
        ids += one.ids(payload)
        if number in (0, 3):
            one.cut()
    assert ids == [f"r{i:04d}" for i in range(600)]


def test_database_file_gone_for_a_moment(file_db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "CHUNK_ROWS", 7)
    monkeypatch.setattr(sql, "FETCH_ROWS", 3)
    file_db.add([(f"r{i:03d}", at(i // 4)) for i in range(30)])
    parts, n_calls = sql._parts, 0

    def torn(connection: sa.Connection, query: Any) -> Iterator[Any]:
        nonlocal n_calls
        for number, part in enumerate(parts(connection, query)):
            yield part
            n_calls += 1
            if n_calls in (4, 6, 7) and number:
                raise exc.OperationalError("", {}, OSError("disk I/O error"))

    monkeypatch.setattr(sql, "_parts", torn)
    ids, cursor = take(file_db)
    assert n_calls > 7
    assert ids == [f"r{i:03d}" for i in range(30)]
    assert take(file_db, cursor)[0] == []


def test_file_read_cut_in_the_middle(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    drop.add([("a", at(1)), ("b", at(2))])
    read, n_cuts = LocalFileSystem.cat_file, 0

    def cut(self: Any, path: str, **options: Any) -> bytes:
        nonlocal n_cuts
        n_cuts += 1
        if n_cuts in (1, 3):
            raise ConnectionResetError("reset by peer")
        return bytes(read(self, path, **options))

    monkeypatch.setattr(LocalFileSystem, "cat_file", cut)
    assert take(drop)[0] == ["a", "b"]


def test_patience_that_is_no_number(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="CITYRISK_CONNECT_DEADLINE_S is 'long'"):
        request_policy_of(Home(tmp_path, {"CITYRISK_CONNECT_DEADLINE_S": "long"}))

"""A bad value costs itself or its row; unreachable is said of a connection alone."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from departments import Database, Drop, Service, at, service, take
from sample_contract import column, contract
from starlette.responses import JSONResponse, Response

from ingest.connect import ConnectError
from ingest.connect.fault import Trouble
from ingest.parse import parse
from ingest.parse.lenient_json import load_json

PEOPLE = contract(column("id", key_position=1), column("v", "number"), file_format="json", options={})


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Service]:
    with service(tmp_path) as one:
        yield one


@pytest.mark.case("ingest.B2", "ingest.B3")
@pytest.mark.parametrize("bad", ["NaN", "-Infinity", '"\\ud83d"'])
def test_one_bad_value_over_http_costs_itself(web: Service, bad: str) -> None:
    records = f'[{{"id":"D1","sent":"{at(1)}","v":1.50}},{{"id":"D2","sent":"{at(2)}","v":{bad}}}]'
    web.answers = [lambda: Response(f'{{"data":{{"records":{records},"total":2}}}}', media_type="application/json")]
    (payload,) = web.pull()
    assert payload.body.decode() == records, "as sent"
    frame = parse(payload.body, "json", PEOPLE).frame
    assert frame["id"].to_list() == ["D1", "D2"]
    assert frame["v"].to_list()[0] == "1.50"


@pytest.mark.case("ingest.B2")
def test_the_same_bytes_by_file_and_by_http_say_the_same(shared_dir: Path) -> None:
    body = (shared_dir / "cases/files/r01.json").read_bytes()
    agreed = replace(PEOPLE, server=replace(PEOPLE.server, options={"recordsPath": "data"}))
    assert parse(body, "json", agreed).frame["v"].to_list() == ["1.5", "NaN", "-Infinity"]
    assert [record["v"] for record in load_json(body)["data"]] == [1.5, "NaN", "-Infinity"]


@pytest.mark.case("ingest.B2", "ingest.B3")
def test_a_register_with_half_a_character_comes_whole(web: Service) -> None:
    web.as_snapshot()
    web.without_options("pageParam", "sizeParam")
    body = '{"data":{"total":2,"records":[{"id":"D1","v":NaN},{"id":"\\ud83d","v":1}]}}'
    web.answers = [lambda: Response(body, media_type="application/json")]
    (payload,) = web.pull()
    first, second = parse(payload.body, "json", PEOPLE).frame["id"].to_list()
    assert (first, set(second)) == ("D1", {"\ufffd"})


@pytest.mark.case("ingest.B1")
@pytest.mark.servers
def test_postgres_values_beyond_python_come_as_text(postgres_url: str, tmp_path: Path) -> None:
    base = Database(tmp_path, postgres_url)
    _made(
        base,
        "CREATE TABLE t_reading (id text, sent timestamp, day date, at timestamptz)",
        f"INSERT INTO t_reading VALUES ('r1', '{at(1)}', 'infinity', '2026-11-01 00:00+00'),"
        f"('r2', '{at(2)}', '20261-01-01', 'infinity')",
    )
    (payload,) = base.pull()
    rows = [json.loads(line) for line in payload.body.splitlines()]
    assert [row["day"] for row in rows] == ["infinity", "20261-01-01"]
    assert [row["at"][:10] for row in rows] == ["2026-11-01", "infinity"]
    assert rows[0]["sent"] == at(1)


@pytest.mark.case("ingest.B6", "ingest.B7")
@pytest.mark.servers
def test_mariadb_zero_dates_are_no_dates_and_bits_are_numbers(mariadb_url: str, tmp_path: Path) -> None:
    base = Database(tmp_path, mariadb_url)
    _made(
        base,
        "SET sql_mode = ''",
        "CREATE TABLE t_reading (id varchar(40), sent datetime, day date, is_on bit(1))",
        f"INSERT INTO t_reading VALUES ('r1', '{at(1)}', '0000-00-00', b'1'), ('r2', '{at(2)}', '2026-11-01', b'0')",
    )
    (payload,) = base.pull()
    rows = [json.loads(line) for line in payload.body.splitlines()]
    assert [(row["day"], row["is_on"]) for row in rows] == [(None, 1), ("2026-11-01", 0)]


@pytest.mark.case("ingest.D4")
@pytest.mark.servers
def test_the_table_of_the_contracts_schema_is_read(postgres_url: str, tmp_path: Path) -> None:
    base = Database(tmp_path, postgres_url)
    base.add([("public", at(1))])
    _made(
        base,
        "CREATE SCHEMA IF NOT EXISTS safety",
        "DROP TABLE IF EXISTS safety.t_reading",
        "CREATE TABLE safety.t_reading (id text, sent timestamp)",
        f"INSERT INTO safety.t_reading VALUES ('safety', '{at(1)}')",
        drop=False,
    )
    base.contract = replace(base.contract, server=replace(base.contract.server, location="safety"))
    assert take(base)[0] == ["safety"]


@pytest.mark.case("ingest.B8")
def test_text_of_another_encoding_in_sqlite_costs_itself(tmp_path: Path) -> None:
    base = Database(tmp_path, f"sqlite:///{tmp_path / 'department.db'}")
    with sqlite3.connect(tmp_path / "department.db") as connection:
        values = f"('r1', '{at(1)}', CAST(x'b0a1' AS TEXT)), ('r2', '{at(2)}', 'x')"
        connection.execute(f"INSERT INTO t_reading VALUES {values}")
    connection.close()
    assert take(base)[0] == ["r1", "r2"]


@pytest.mark.case("ingest.B8")
@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        (lambda: JSONResponse({}, 403), "refused"),
        (lambda: JSONResponse({}, 404), "wrong_answer"),
        (lambda: JSONResponse({"data": {}}), "wrong_answer"),
        (lambda: Response("{", media_type="application/json"), "wrong_answer"),
        (lambda: Response("busy", 503), "wrong_answer"),
    ],
)
def test_what_an_answer_says_is_not_called_unreachable(web: Service, answer: Any, trouble: Trouble) -> None:
    web.home = replace(web.home, environment={**web.home.environment, "CITYRISK_CONNECT_DEADLINE_S": "0.1"})
    web.answers = [answer] * 20
    with pytest.raises(ConnectError) as raised:
        list(web.pull())
    assert raised.value.trouble == trouble


@pytest.mark.case("ingest.B8")
def test_each_way_names_its_trouble(web: Service, tmp_path: Path) -> None:
    web.vanish()
    assert _trouble(web) == "unreachable"
    base = Database(tmp_path, f"sqlite:///{tmp_path / 'department.db'}")
    base.table.drop(base.engine)
    assert _trouble(base) == "wrong_answer"
    base.vanish()
    assert _trouble(base) == "unreachable"
    drop = Drop(tmp_path)
    drop.vanish()
    assert _trouble(drop) == "unreachable"


@pytest.mark.case("ingest.C3")
def test_no_inside_http_200_is_a_failed_fetch(web: Service) -> None:
    options = {**web.contract.server.options, "success": {"path": "code", "values": [200, 0]}}
    web.contract = replace(web.contract, server=replace(web.contract.server, options=options))
    web.add([("r1", at(1))])
    assert take(web)[0] == ["r1"]
    no = {"code": 401, "msg": "令牌已过期", "data": {"records": [], "total": 0}}
    web.answers = [lambda: JSONResponse(no)]
    with pytest.raises(ConnectError, match=r"code 401 in HTTP 200, '令牌已过期'; expected code 200 or 0") as raised:
        list(web.pull())
    assert raised.value.trouble == "refused"


def _trouble(department: Any) -> Trouble:
    with pytest.raises(ConnectError) as raised:
        list(department.pull())
    return raised.value.trouble


def _made(base: Database, *statements: str, drop: bool = True) -> None:
    if drop:
        base.table.drop(base.engine)
    with base.engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))

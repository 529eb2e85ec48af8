"""Rows that page borders, late commits and re-ranking would skip: read again, or said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from departments import Database, Department, Service, at, service, take
from starlette.responses import JSONResponse, Response

from core.contract import ContractError, _overlap
from ingest.connect import ConnectError


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Service]:
    with service(tmp_path) as one:
        yield one


@pytest.fixture(params=["rest", "sqlite"])
def department(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Department]:
    if request.param == "rest":
        with service(tmp_path) as one:
            yield one
    else:
        yield Database(tmp_path, f"sqlite:///{tmp_path / 'department.db'}")


def reranked(web: Service) -> Response:
    """The service's first page, and behind it the first row goes to the end: another row slips to this page."""
    answer = web.page({"page": "1", "size": "10"})
    key, _ = web.rows.pop(0)
    web.rows.append((key, at(200 + len(web.requests))))
    return answer


@pytest.mark.case("ingest.C1")
@pytest.mark.parametrize("is_snapshot", [False, True])
def test_a_row_ranked_anew_between_two_pages_hides_no_other(web: Service, is_snapshot: bool) -> None:
    web.add([(f"r{i:03d}", at(i)) for i in range(15)])
    if is_snapshot:
        web.as_snapshot()
    web.answers = [lambda: reranked(web)]
    ids, cursor = take(web)
    assert set(ids) == {f"r{i:03d}" for i in range(15)}, "r010 slipped from page 2 to page 1"
    assert take(web, cursor)[0] == []


@pytest.mark.case("ingest.C1")
def test_pages_that_never_hold_still_are_said_and_the_cursor_stays(web: Service) -> None:
    first = [{"id": f"r{i:03d}", "sent": at(i)} for i in range(10)]
    pages = [[first, [first[0], {"id": f"hidden{n}", "sent": at(5)}]] for n in range(3)]
    bodies = [{"data": {"total": 12, "records": page}} for reading in pages for page in reading]
    web.answers = [lambda body=body: JSONResponse(body) for body in bodies]  # type: ignore[misc]
    payloads = web.pull()
    landed = next(payloads)
    assert landed.cursor is None
    assert {"hidden0", "hidden1", "hidden2"} <= set(web.ids(landed))
    with pytest.raises(ConnectError, match=r"rows moved from page to page in each of 3 readings") as raised:
        next(payloads)
    assert raised.value.trouble == "wrong_answer"


@pytest.mark.case("ingest.C1")
def test_a_deleted_and_an_added_row_are_seen_by_the_first_page(web: Service) -> None:
    web.add([(f"r{i:03d}", at(i)) for i in range(15)])

    def swapped() -> Response:
        answer = web.page({"page": "1", "size": "10"})
        del web.rows[0]
        web.add([("new", at(300))])
        return answer

    web.answers = [swapped]
    assert set(take(web)[0]) == {f"r{i:03d}" for i in range(15)} | {"new"}


@pytest.mark.case("ingest.C2")
def test_a_late_commit_comes_by_the_overlap_once(department: Department) -> None:
    department.contract = replace(department.contract, overlap=timedelta(minutes=30))
    department.add([("r1", at(60)), ("r2", at(90))])
    ids, cursor = take(department)
    assert sorted(ids) == ["r1", "r2"]
    department.add([("late", at(70)), ("too late", at(10))])
    ids, cursor = take(department, cursor)
    assert ids == ["late"], "30 minutes below the newest, and no more"
    assert take(department, cursor)[0] == []
    department.add([("r3", at(95)), ("later", at(66))])
    ids, cursor = take(department, cursor)
    assert sorted(ids) == ["later", "r3"]
    assert take(department, cursor)[0] == []


@pytest.mark.case("ingest.C2")
def test_an_overlap_of_numbers(tmp_path: Path) -> None:
    base = Database(tmp_path, f"sqlite:///{tmp_path / 'department.db'}")
    columns = tuple(
        replace(c, logical_type="integer") if c.physical_name == "sent" else c for c in base.contract.columns
    )
    base.contract = replace(base.contract, columns=columns, overlap=5)
    with base.engine.begin() as connection:
        base.table.drop(connection)
        connection.exec_driver_sql("CREATE TABLE t_reading (id text, sent integer)")
        connection.exec_driver_sql("INSERT INTO t_reading VALUES ('a', 100), ('c', 110)")
    _, cursor = take(base)
    with base.engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO t_reading VALUES ('b', 107)")
    assert take(base, cursor)[0] == ["b"]


def test_an_overlap_is_a_span_or_a_number() -> None:
    assert [_overlap("x", value) for value in ("30 min", "2 h", 500)] == [
        timedelta(minutes=30),
        timedelta(hours=2),
        500,
    ]
    with pytest.raises(ContractError, match="overlap 'a day', expected a span like"):
        _overlap("x", "a day")


def test_a_service_without_a_total_still_shows_drift(web: Service) -> None:
    web.without_options("totalPath")
    web.add([(f"r{i:03d}", at(i)) for i in range(15)])
    web.answers = [lambda: JSONResponse(_without_total(reranked(web)))]
    assert set(take(web)[0]) == {f"r{i:03d}" for i in range(15)}


def _without_total(answer: Response) -> object:
    return json.loads(bytes(answer.body))

"""HTTP services that are busy, broken, refusing, slow or odd."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from departments import NOW, Service, at, contract_of, service, take
from starlette.responses import JSONResponse, Response

from core.settings import Home, SettingsError
from ingest.connect import ConnectError, rest
from ingest.connect.mark import read_mark
from ingest.connect.progress import Progress


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Service]:
    with service(tmp_path) as one:
        yield one


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
def test_trouble_that_passes(web: Service, status: int) -> None:
    web.add([("r1", at(1))])
    web.answers = [lambda: Response("busy", status)] * 2
    assert take(web)[0] == ["r1"]
    assert len(web.requests) == 3


def test_server_error_for_good(web: Service) -> None:
    web.home = Home(web.home.root, {**web.home.environment, "CITYRISK_CONNECT_DEADLINE_S": "0.3"})
    web.answers = [lambda: Response("broken", 500)] * 200
    with pytest.raises(ConnectError, match=r"HTTP 500.*within 0\.3 s"):
        list(web.pull())


def test_retry_after_is_kept(web: Service) -> None:
    web.add([("r1", at(1))])
    web.answers = [lambda: Response(status_code=429, headers={"Retry-After": "0.4"})]
    started = time.monotonic()
    assert take(web)[0] == ["r1"]
    assert time.monotonic() - started >= 0.4


def test_retry_after_beyond_the_deadline_ends_at_once(web: Service) -> None:
    web.answers = [lambda: Response(status_code=429, headers={"Retry-After": "3600"})]
    with pytest.raises(ConnectError, match="HTTP 429"):
        list(web.pull())
    assert len(web.requests) == 1


@pytest.mark.case("ingest.held.H1")
@pytest.mark.parametrize(
    ("date", "requests"), [("Fri, 01 Jan 2100 00:00:00 GMT", 1), ("Thu, 01 Jan 1970 00:00:00 GMT", 2)]
)
def test_retry_after_as_a_date(web: Service, date: str, requests: int) -> None:
    web.add([("r1", at(1))])
    web.answers = [lambda: Response(status_code=503, headers={"Retry-After": date})]
    if requests == 1:  # beyond the deadline: said at once
        with pytest.raises(ConnectError, match="HTTP 503"):
            list(web.pull())
        assert len(web.requests) == 1
    else:
        assert take(web)[0] == ["r1"]


@pytest.mark.case("ingest.held.H1")
@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("3", 3, 3), (None, None, None), ("soon", None, None), ("Fri, 01 Jan 2100 00:00:00 GMT", 1e8, 1e10), ("-4", 0, 0)],
)
def test_retry_after_forms(text: str | None, low: float | None, high: float | None) -> None:
    seconds = rest._retry_after(text)
    assert seconds is None if low is None or high is None else (seconds is not None and low <= seconds <= high)


@pytest.mark.parametrize("status", [401, 403])
def test_refused_is_said_at_once(web: Service, status: int) -> None:
    web.answers = [lambda: JSONResponse({}, status)]
    with pytest.raises(ConnectError, match=rf"HTTP {status}.*check SAMPLE_TOKEN"):
        list(web.pull())
    assert len(web.requests) == 1


def test_wrong_token(web: Service) -> None:
    web.home = Home(web.home.root, {**web.home.environment, "SAMPLE_TOKEN": "wrong"})
    with pytest.raises(ConnectError, match="HTTP 401"):
        list(web.pull())


def test_no_token_set(web: Service) -> None:
    web.home = Home(web.home.root, {k: v for k, v in web.home.environment.items() if k != "SAMPLE_TOKEN"})
    with pytest.raises(SettingsError, match="SAMPLE_TOKEN"):
        list(web.pull())


def test_no_redirect_is_followed_with_the_token(web: Service) -> None:
    web.answers = [lambda: Response(status_code=302, headers={"Location": "http://127.0.0.1:1/"})]
    with pytest.raises(ConnectError, match="HTTP 302"):
        list(web.pull())


@pytest.mark.parametrize("text", ["{}", '{"data": {"records": {}}}', "[]", '{"data": []}'])
def test_answer_of_another_shape(web: Service, text: str) -> None:
    web.answers = [lambda: Response(text, media_type="application/json")]
    with pytest.raises(ConnectError, match=r"no list at data\.records"):
        list(web.pull())


def test_answer_that_never_ends(web: Service) -> None:
    web.home = Home(
        web.home.root,
        {**web.home.environment, "CITYRISK_CONNECT_ANSWER_S": "0.2", "CITYRISK_CONNECT_DEADLINE_S": "0.5"},
    )

    def slow() -> Response:
        time.sleep(0.6)
        return Response("late")

    web.answers = [slow] * 5
    with pytest.raises(ConnectError, match="ReadTimeout"):
        list(web.pull())
    assert web.answers, "it gave up before it had asked five times"


def test_records_keep_their_bytes(web: Service) -> None:
    record = '{"id": "r1", "sent": "2026-11-01", "value": 10.50, "big": 123456789012345678901234567890, "t": "\\u6c34"}'
    text = f'{{"data" : {{ "x": [1, {{"records": 2}}], "records" :[ {record} ,{record} ], "total": 2}}}}'
    web.answers = [lambda: Response(text, media_type="application/json")]
    (payload,) = web.pull()
    assert payload.body.decode() == f"[{record},{record}]"


def test_answer_in_another_encoding(web: Service) -> None:
    text = '{"data": {"total": 1, "records": [{"id": "三峡", "sent": "2026-11-01 00:00:00"}]}}'
    web.answers = [lambda: Response(text.encode("gb18030"), media_type="application/json; charset=gb18030")]
    assert take(web)[0] == ["三峡"]


@pytest.mark.case("ingest.held.H2")
def test_a_compressed_answer_that_is_cut_and_then_whole_comes_once(web: Service) -> None:
    text = b'{"data": {"total": 1, "records": [{"id": "r1", "sent": "2026-11-01 00:00:00"}]}}'
    whole = gzip.compress(text)
    web.answers = [
        partial(Response, body, headers={"Content-Encoding": "gzip"})
        for body in (whole[: len(whole) // 2], whole[: len(whole) * 3 // 4], whole)
    ]
    assert take(web)[0] == ["r1"]
    assert len(web.requests) >= 3


def test_compressed_answer(web: Service) -> None:
    text = b'{"data": {"total": 1, "records": [{"id": "r1", "sent": "2026-11-01 00:00:00"}]}}'
    web.answers = [lambda: Response(gzip.compress(text), headers={"Content-Encoding": "gzip"})]
    assert take(web)[0] == ["r1"]


def test_pages_without_a_total(web: Service) -> None:
    web.without_options("totalPath")
    web.add([(f"r{i:03d}", at(i)) for i in range(20)])
    assert len(take(web)[0]) == 20
    assert [request["page"] for request in web.requests] == ["1", "2", "3", "1"], (
        "the first page once more: whether it moved"
    )


def test_service_without_pages(web: Service) -> None:
    web.without_options("pageParam", "sizeParam")
    web.add([(f"r{i:03d}", at(i)) for i in range(20)])
    assert len(take(web)[0]) == 20
    assert len(web.requests) == 1


def test_service_that_always_gives_the_same_page(web: Service) -> None:
    web.add([(f"r{i:03d}", at(i)) for i in range(30)])
    web.answers = [lambda: web.page({"size": "10"})] * 5
    with pytest.raises(ConnectError, match="page 2 repeats"):
        list(web.pull())


@pytest.mark.parametrize("is_inclusive", [True, False])
def test_service_that_does_or_does_not_include_since(web: Service, is_inclusive: bool) -> None:
    web.is_inclusive = is_inclusive
    web.add([("r1", at(1)), ("r2", at(2))])
    _, cursor = take(web)
    web.add([("a-late", at(2)), ("r3", at(3))])
    ids, cursor = take(web, cursor)
    assert ids == ["a-late", "r3"]
    assert take(web, cursor)[0] == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (17, "16"),
        ("2026-11-01 00:00:00", "2026-10-31 23:59:59"),
        ("2026-11-01T00:00:00+08:00", "2026-10-31T23:59:59+08:00"),
        ("2026-11-01T00:00:00.5Z", "2026-10-31T23:59:59.500000+00:00"),
        ("A-17", "A-17"),
    ],
)
def test_just_before_a_cursor(value: int | str, text: str) -> None:
    assert Progress(contract_of({"type": "api", "location": "x"}), NOW).before(value) == text


def test_service_that_ignores_since(web: Service) -> None:
    web.without_options("sinceParam")
    web.add([(f"r{i:03d}", at(i)) for i in range(12)])
    _, cursor = take(web)
    web.add([("new", at(50))])
    assert take(web, cursor)[0] == ["new"]


def test_register_that_changes_while_it_is_read(web: Service) -> None:
    web.as_snapshot()
    web.add([(f"r{i:03d}", at(i)) for i in range(15)])

    def grown() -> Response:
        web.add([("x-new", at(70))])
        return web.page({"page": "2", "size": "10"})

    web.answers = [None, grown]
    (payload,) = web.pull()
    assert len(web.ids(payload)) == 16, "read again from its first page"


def test_register_that_is_not_whole(web: Service) -> None:
    web.as_snapshot()
    short = {"data": {"total": 9, "records": [{"id": "r1"}]}}
    empty = {"data": {"total": 9, "records": []}}
    web.answers = [lambda: JSONResponse(short), lambda: JSONResponse(empty), lambda: JSONResponse(short)]
    with pytest.raises(ConnectError, match=r"1 records.*expected 9"):
        list(web.pull())


def test_equal_register_has_equal_bytes_whatever_the_order_of_keys(web: Service) -> None:
    web.as_snapshot()
    web.answers = [
        lambda: Response('{"data": {"total": 1, "records": [{"id": "r1", "n": {"b": 1, "a": 2}}]}}'),
        lambda: Response('{"data":{"records":[{"n":{"a":2,"b":1},"id":"r1"}],"total":1}}'),
    ]
    (first,) = web.pull()
    assert list(web.pull(first.cursor)) == []


def test_records_out_of_order_are_not_lost_by_a_stop(web: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cursor can stand in the middle of records without order: the stop repeats them, and never skips one."""
    monkeypatch.setattr(rest, "PAYLOAD_RECORDS", 10)
    order = [5, 9, 1, 7, 3, 0, 8, 2, 6, 4]
    pages = [[{"id": f"p{page}-{i}", "sent": at(i)} for i in order] for page in range(3)]
    web.answers = [lambda page=page: JSONResponse({"data": {"total": 30, "records": page}}) for page in pages]  # type: ignore[misc]
    payloads = list(web.pull())
    assert [payload.cursor is None for payload in payloads] == [True, True, False]
    assert sum(len(web.ids(payload)) for payload in payloads) == 30
    last = read_mark(payloads[-1].cursor)
    assert last.since == at(9)
    assert len(last.seen) == 3


def test_a_wrong_clock_does_not_hide_what_follows(web: Service) -> None:
    web.add([("r1", at(1)), ("future", "2099-01-01 00:00:00"), ("none", None)])
    ids, cursor = take(web)
    assert sorted(ids) == ["future", "none", "r1"]
    web.add([("r2", at(2))])
    ids, cursor = take(web, cursor)
    assert ids == ["r2"], "the wrong clock came once, and what is older than it still comes"
    assert take(web, cursor)[0] == []


def test_times_are_compared_as_instants(web: Service) -> None:
    utc, local = "2026-11-01T00:30:00+00:00", "2026-11-01 08:10:00"
    records = [{"id": "local", "sent": local}, {"id": "utc", "sent": utc}]
    web.answers = [lambda: JSONResponse({"data": {"total": 2, "records": records}})]
    (payload,) = web.pull()
    assert read_mark(payload.cursor).since == utc


def test_a_repeat_of_the_department_is_handed_over_as_often_as_it_came(web: Service) -> None:
    web.add([("r1", at(1)), ("r1", at(1))])
    ids, cursor = take(web)
    assert ids == ["r1", "r1"]
    web.add([("r1", at(1))])
    assert take(web, cursor)[0] == ["r1"]


def test_address_with_a_query_of_its_own(web: Service) -> None:
    server = replace(web.contract.server, location="${SAMPLE_URL}/readings?kind=rain")
    web.contract = replace(web.contract, server=server)
    list(web.pull())
    assert web.requests[0]["kind"] == "rain"

"""The HTTP departments: tokens, pages, cursors, limits and faults."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from city.build import CityBuild
from city.http_service import Limits, make_app

OBSERVATIONS = "/weather/v1/observations"
CALM = Limits(per_second=1e6, burst=10**6, error_every=10**6, slow_every=10**6)
Get = Callable[..., httpx.Response]


def getter(built: CityBuild, limits: Limits, clock: Callable[[], float] = time.monotonic) -> Get:
    """Asks an app of its own: `get(path, token=…, **query)`."""
    app = make_app(built, limits, clock)

    async def ask(path: str, token: str, query: dict[str, Any]) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://city") as client:
            return await client.get(path, params=query, headers=headers)

    def get(path: str, token: str | None = None, **query: Any) -> httpx.Response:
        department = path.split("/")[1]
        return asyncio.run(ask(path, built.tokens[department] if token is None else token, query))

    return get


def test_without_the_departments_own_token_nothing_is_served(built: CityBuild) -> None:
    get = getter(built, CALM)
    assert get(OBSERVATIONS, token="").status_code == 401
    assert get(OBSERVATIONS, token=built.tokens["emergency"]).status_code == 401
    assert get(OBSERVATIONS).json()["code"] == 0


def test_pages_hold_every_row_once(built: CityBuild) -> None:
    get = getter(built, CALM)
    total = get(OBSERVATIONS, page=1, size=1).json()["data"]["total"]
    pages = [get(OBSERVATIONS, page=n, size=500).json()["data"] for n in range(1, total // 500 + 3)]
    sent = [(record["uploadTime"], record["stationId"], record["obsTime"]) for p in pages for record in p["records"]]
    assert len(sent) == total > 1000
    assert [row[0] for row in sent] == sorted(row[0] for row in sent)
    assert pages[-1]["records"] == []


@pytest.mark.parametrize("size", [0, 5001, "many"])
def test_bad_page_sizes_are_refused(built: CityBuild, size: object) -> None:
    assert getter(built, CALM)(OBSERVATIONS, size=size).status_code == 400


@pytest.mark.parametrize("form", ["{}", "{:.19}"])
def test_since_gives_only_rows_sent_later(built: CityBuild, form: str) -> None:
    get = getter(built, CALM)
    everything = get(OBSERVATIONS, page=1, size=5000).json()["data"]["records"]
    mark = everything[len(everything) // 2]["uploadTime"]
    later = [record for record in everything if record["uploadTime"] > mark]
    given = form.format(mark).replace("T", " ") if form != "{}" else mark
    data = get(OBSERVATIONS, since=given, page=1, size=5000).json()["data"]
    assert data["total"] == len(later) > 0
    assert data["records"] == later


def test_nothing_is_left_after_the_newest_cursor(built: CityBuild) -> None:
    get = getter(built, CALM)
    for path, cursor in ((OBSERVATIONS, "uploadTime"), ("/weather/v1/warnings", "sent")):
        newest = get(path, size=5000).json()["data"]["records"][-1][cursor]
        assert get(path, since=newest).json()["data"]["total"] == 0


def test_bursts_are_limited_and_the_limit_passes(built: CityBuild) -> None:
    now = [1000.0]
    get = getter(built, Limits(per_second=2.0, burst=3, error_every=10**6, slow_every=10**6), lambda: now[0])
    answers = [get(OBSERVATIONS, size=1) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert get("/emergency/api/v2/hazards", size=1).status_code == 200
    now[0] += int(answers[-1].headers["Retry-After"])
    assert get(OBSERVATIONS, size=1).status_code == 200


def test_now_and_then_an_error_at_the_same_requests_every_time(built: CityBuild) -> None:
    limits = Limits(per_second=1e6, burst=10**6, error_every=4, slow_every=10**6)
    runs = []
    for _ in range(2):
        get = getter(built, limits)
        runs.append([get(OBSERVATIONS, size=1).status_code for _ in range(9)])
    assert runs[0] == runs[1] == [200, 200, 200, 500, 200, 200, 200, 500, 200]


def test_now_and_then_a_slow_answer(built: CityBuild) -> None:
    get = getter(built, Limits(per_second=1e6, burst=10**6, error_every=10**6, slow_every=2, slow_s=0.2))
    spent = []
    for _ in range(4):
        begin = time.perf_counter()
        assert get(OBSERVATIONS, size=1).status_code == 200
        spent.append(time.perf_counter() - begin)
    assert min(spent[1], spent[3]) >= 0.2


def test_a_full_page_is_answered_quickly(built: CityBuild) -> None:
    get = getter(built, CALM)
    get(OBSERVATIONS, size=1)
    spent = []
    for _ in range(5):
        begin = time.process_time()
        assert len(get(OBSERVATIONS, size=2000).json()["data"]["records"]) > 1000
        spent.append(time.process_time() - begin)
    assert min(spent) < 0.05


def test_hazards_and_warnings_are_nested(built: CityBuild) -> None:
    get = getter(built, CALM)
    hazards = get("/emergency/api/v2/hazards", size=100).json()["data"]["records"]
    assert {"name", "uscc"} <= set(hazards[0]["company"])
    assert {"lng", "lat", "adcode"} <= set(hazards[0]["location"])
    assert any(len(hazard["substances"]) > 1 for hazard in hazards)
    warning = get("/weather/v1/warnings", size=1).json()["data"]["records"][0]
    assert warning["info"]["area"]["geocode"].startswith("42")

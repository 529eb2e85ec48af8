"""Departments after the built days: rows and files come with the time, good ones, where the last ones ended."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import polars as pl
import pytest
from doors import files, served
from judge import Judge
from sample_city import AS_OF

from city.build import CityBuild, build_city
from city.declared import declared
from city.geography import load_counties
from city.http_service import Limits, make_app
from city.onward import Onward
from core.catalogue import contract_path

CALM = Limits(per_second=1e6, burst=10**6, error_every=10**6, slow_every=10**6)
GOING_ON = (
    "weather.observation",
    "resources.geo_reading",
    "emergency.tailings_reading",
    "housing.attendance",
    "fire.inspection",
)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> CityBuild:
    """The smallest city of Yichang with two days before it, without defects."""
    home = tmp_path_factory.mktemp("onward")
    return build_city(home, "yichang", 2, 7, 0.02, AS_OF, defects=False)


def counts(city: CityBuild) -> dict[str, int]:
    """Rows behind the doors that are no memory of the service."""
    return {id: sum(1 for _ in served(city, id, set())) for id in GOING_ON if city.doors[id].kind != "http"}


def test_every_feed_that_would_turn_late_in_a_demo_goes_on() -> None:
    simulated = declared()
    quick = {
        id
        for id, one in simulated.contracts.items()
        if not one.is_stream and one.event_time is not None and one.late_after <= timedelta(days=2)
    }
    assert quick == set(GOING_ON)
    assert quick == {id for id, one in simulated.departments.items() if one.goes_on is not None}


def test_time_passes_behind_every_door_and_only_once(city: CityBuild) -> None:
    before, simulated = counts(city), declared()
    onward = Onward(city, simulated)
    assert onward.advance(AS_OF) == {}
    assert counts(city) == before
    by_hour = [onward.advance(AS_OF + timedelta(hours=hour)) for hour in range(1, 34)]
    after = counts(city)
    assert all(after[feed_id] > before[feed_id] for feed_id in before)
    names = [path.name for path in files(city, "emergency.tailings_reading")]
    assert "2026112208.csv" in names  # Beijing time, and AS_OF is midnight of the 22nd there
    # A service that starts anew serves all of it by HTTP again, and gives no file and no row of a database twice.
    again = Onward(city, simulated).advance(AS_OF + timedelta(hours=33))
    told = pl.concat([one["weather.observation"] for one in by_hour if one])
    assert sorted(again["weather.observation"]["body"]) == sorted(told["body"])
    assert counts(city) == after


def test_what_comes_is_good_and_goes_on_where_the_history_ended(city: CityBuild) -> None:
    until = AS_OF + timedelta(hours=34)
    told = Onward(city, declared()).advance(until)["weather.observation"]
    codes = {county.code for county in load_counties("420500")}
    assert told.height > 12 * 24
    newest = max(datetime.fromisoformat(json.loads(body)["obsTime"]) for body in told["body"])
    assert until - newest < timedelta(hours=2)
    for feed_id in GOING_ON:
        judge = Judge(contract_path(feed_id), codes, set(), until)
        rows = [row for _, row in served(city, feed_id, set())]
        if feed_id == "weather.observation":
            rows += [json.loads(body) for body in told["body"]]
        assert [reason for row in rows for reason in judge.reasons(row)] == [], feed_id
    moved: dict[str, list[tuple[str, float]]] = {}
    for _, row in served(city, "resources.geo_reading", set()):
        if row["disp"] is not None and row["state"] == "0":
            moved.setdefault(row["dev_sn"], []).append((row["mon_time"], row["disp"]))
    end = AS_OF.astimezone(UTC) + timedelta(hours=8)
    for rows_of in moved.values():
        later = [value for at, value in rows_of if at >= f"{end:%Y-%m-%d %H:%M:%S}"]
        assert not later or max(later) == min(later)


def test_the_service_takes_the_time_that_it_is_given(city: CityBuild) -> None:
    def newest(now: Callable[[], datetime] | None) -> datetime:
        async def ask() -> httpx.Response:
            app = make_app(city, CALM, now=now)
            async with app.router.lifespan_context(app):
                transport = httpx.ASGITransport(app)
                async with httpx.AsyncClient(transport=transport, base_url="http://city") as client:
                    since = (AS_OF - timedelta(hours=2)).isoformat()
                    return await client.get(
                        "/weather/v1/observations",
                        params={"since": since, "size": 5000},
                        headers={"Authorization": f"Bearer {city.tokens['weather']}"},
                    )

        records = asyncio.run(ask()).json()["data"]["records"]
        return max(datetime.fromisoformat(record["uploadTime"]) for record in records)

    assert newest(None) < AS_OF
    now = AS_OF + timedelta(hours=35)
    assert timedelta(0) <= now - newest(lambda: now) < timedelta(hours=2)


def test_a_city_without_templates_stands_still(city: CityBuild, tmp_path: Path) -> None:
    older = build_city(tmp_path, "yichang", 1, 7, 0.02, AS_OF, defects=False)
    for path in (older.root / "onward").iterdir():
        path.unlink()
    assert Onward(older, declared()).advance(AS_OF + timedelta(hours=5)) == {}

"""What a system's page reads: counts, search, pages, the reader's branch, gaps, generations of before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa

from access import alerts_view, serving, system_page
from access.rights import CITY_WIDE, Reader
from access.serving import Home, Mart
from access.systems import CitySystem, city_systems
from published import publish_city
from published_systems import DEVICES, HOURS, OBJECTS, object_id, publish_systems

NOW = datetime(2026, 11, 24, 4, 30, tzinfo=UTC)
SYSTEMS = city_systems(Home(Path("/nowhere"), {})).built
GAS, FIRE_UNITS, FIRE_DEVICES = SYSTEMS["L02"], SYSTEMS["P01"], SYSTEMS["P02"]
XILING = Reader(area_code="420502")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    made = Home(tmp_path_factory.mktemp("systems"), {})
    publish_city(made, NOW)
    publish_systems(made, NOW, (GAS, FIRE_UNITS, FIRE_DEVICES))
    return made


@pytest.fixture
def mart(home: Home) -> Iterator[Mart]:
    with serving.open_mart(home) as opened:
        yield opened


def test_objects_are_counted_paged_and_found(mart: Mart) -> None:
    counts = system_page.object_counts(mart, CITY_WIDE, GAS)
    assert counts == dict.fromkeys(("red", "orange", "yellow", "blue", None), OBJECTS // 5)
    first = system_page.object_page(mart, CITY_WIDE, GAS)
    second = system_page.object_page(mart, CITY_WIDE, GAS, page=1)
    assert (first.n_matching, len(first.rows), len(second.rows)) == (OBJECTS, 20, OBJECTS - 20)
    assert first.rows[0].object_id == object_id(GAS, "gas_space", 0), "red, and of those the highest score"
    assert [row.score for row in second.rows] == [None] * 5, "what has no colour comes last"
    assert (first.rows[0].devices, first.rows[0].devices_online) == (1, 1)
    found = system_page.object_page(mart, CITY_WIDE, GAS, text=" GAS_SPACE-02 ", colours=("red", "none"))
    assert [row.object_id[-3:] for row in found.rows] == ["020", "024"]
    assert system_page.object_page(mart, CITY_WIDE, GAS, text="100%").n_matching == 0


def test_devices_belong_to_the_system_whose_feed_lists_them(mart: Mart) -> None:
    assert system_page.device_counts(mart, CITY_WIDE, FIRE_UNITS) == {}
    states = system_page.device_counts(mart, CITY_WIDE, FIRE_DEVICES)
    assert sum(states.values()) == DEVICES
    page = system_page.device_page(mart, CITY_WIDE, FIRE_DEVICES, statuses=("silent", "faulty"))
    assert page.n_matching == states["silent"] + states["faulty"]
    assert page.rows[0].status == "faulty"
    assert page.rows[0].metrics == tuple(metric.metric for metric in FIRE_DEVICES.metrics)
    assert system_page.device_page(mart, CITY_WIDE, GAS, text="燃气监测对象003").n_matching == 1


def test_a_branch_sees_its_own_only(mart: Mart) -> None:
    for counts in (system_page.object_counts, system_page.device_counts):
        assert sum(counts(mart, XILING, GAS).values()) == 2  # every thirteenth lies there
    assert {row.area_name_zh for row in system_page.object_page(mart, XILING, GAS).rows} == {"西陵区"}
    assert len(system_page.device_places(mart, XILING, GAS, 100)) == 2
    seen = system_page.trend(mart, XILING, GAS, "methane_pct_lel", timedelta(days=2), NOW)
    assert (seen.devices, {hour.mean for hour in seen.hours}) == (1, {10.0})
    assert system_page.index_factors(mart, XILING, GAS, "420500", 30) == ()


def test_a_trend_ends_where_readings_end(mart: Mart) -> None:
    later = NOW + timedelta(hours=10)
    found = system_page.trend(mart, CITY_WIDE, GAS, "methane_pct_lel", timedelta(hours=12), later)
    assert (found.last_hour, found.devices) == (NOW.replace(minute=0), 2)
    assert [hour.hour for hour in found.hours] == [NOW.replace(minute=0) - timedelta(hours=n) for n in (1, 0)]
    assert (found.hours[0].low, found.hours[0].mean, found.hours[0].high) == (8.0, 10.5, 13.0)
    gone = system_page.trend(mart, CITY_WIDE, GAS, "methane_pct_lel", timedelta(hours=1), NOW + timedelta(days=9))
    assert (gone.hours, gone.last_hour) == ((), NOW.replace(minute=0))
    whole = system_page.trend(mart, CITY_WIDE, GAS, "methane_pct_lel", timedelta(days=30), NOW)
    assert len(whole.hours) == HOURS
    assert system_page.trend(mart, CITY_WIDE, GAS, "no_such", timedelta(days=30), NOW).last_hour is None


def test_factors_of_the_systems_kind(mart: Mart) -> None:
    found = system_page.index_factors(mart, CITY_WIDE, GAS, "420500", 3)
    assert {one.factor for one in found} == set(system_page.FACTORS)
    assert len({one.as_of_date for one in found}) == 3


def test_a_generation_of_before_gives_devices_by_kind_of_risk(tmp_path: Path) -> None:
    home = Home(tmp_path, {})
    publish_city(home, NOW)
    publish_systems(home, NOW, (GAS, FIRE_UNITS))
    generation = serving.newest(home)
    assert generation is not None
    with duckdb.connect(str(generation)) as old:
        old.execute("alter table mart.device drop column feed_id")
    with serving.open_mart(home) as mart:
        assert sum(system_page.device_counts(mart, CITY_WIDE, GAS).values()) == DEVICES
        assert system_page.device_counts(mart, CITY_WIDE, FIRE_UNITS) == {}


def test_alerts_of_a_system_are_those_of_its_rules_and_of_its_kind_when_people_enter_them() -> None:
    def query(system: CitySystem) -> str:
        wanted = alerts_view.AlertFilter(system=system)
        return str(sa.and_(*alerts_view._where(CITY_WIDE, wanted)).compile(compile_kwargs={"literal_binds": True}))

    text = query(replace(GAS, rule_ids=("gas_methane_lel",)))
    assert "alert.rule_id IN ('gas_methane_lel')" in text
    assert "alert.origin = 'person' AND alert.domain = 'lifeline' AND alert.subdomain = 'gas'" in text
    assert "'person'" in query(FIRE_UNITS)


def test_a_folder_that_cannot_be_read_takes_no_other_page_away(tmp_path: Path) -> None:
    good, bad = tmp_path / "lifeline" / "well", tmp_path / "lifeline" / "broken"
    contract = Path(__file__).parents[2] / "systems" / "lifeline" / "gas" / "feeds" / "gas_device.odcs.yaml"
    (good / "feeds").mkdir(parents=True)
    (good / "feeds" / contract.name).write_text(contract.read_text("utf-8"), "utf-8")
    bad.mkdir()
    text = (contract.parents[1] / "system.yaml").read_text("utf-8")
    (good / "system.yaml").write_text(text, "utf-8")
    (bad / "system.yaml").write_text(text.replace("id: L02", "id: gas"), "utf-8")
    found = city_systems(Home(tmp_path, {"CITYRISK_SYSTEMS": str(tmp_path)}))
    assert list(found.built) == ["L02"]
    (fault,) = found.faults
    assert "broken/system.yaml" in fault
    assert found.planned == ()

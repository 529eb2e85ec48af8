from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta

import duckdb
import polars as pl
import pytest

from access import city
from access import map as risk
from access.rights import CITY_WIDE, Reader
from access.serving import Mart, open_mart
from access.why_changed import Difference, why_changed
from core.settings import Home
from published import CITY, COUNTIES, publish_city, utc

NOW = utc(2026, 11, 20, 8)
XILING = "420502"


@pytest.fixture
def mart(home: Home) -> Iterator[Mart]:
    publish_city(home, NOW)
    with open_mart(home) as opened:
        yield opened


def moved(mart: Mart, reader: Reader, domain: str, days: int) -> Difference | None:
    """Why the newest index of the city moved against some days before."""
    today = city.edition(mart).as_of_date
    assert today is not None
    return why_changed(mart, reader, CITY[0], domain, today - timedelta(days=days), today)


def test_edition_says_what_the_data_are(mart: Mart) -> None:
    edition = city.edition(mart)
    assert str(edition.as_of_date) == "2026-11-20"
    assert edition.published_at == NOW
    assert edition.last_observed_at is not None
    assert edition.last_observed_at < NOW
    assert edition.method_version == "1.0"


def test_index_of_the_city_with_its_changes(mart: Mart) -> None:
    area = city.top_area(mart, CITY_WIDE)
    assert area is not None
    assert (area.area_code, area.name_zh) == CITY[:2]
    today = city.index_today(mart, CITY_WIDE, area.area_code)
    assert [one.domain for one in today] == list(city.DOMAINS)
    history = city.trend(mart, CITY_WIDE, area.area_code)
    for one in today:
        values = history.filter(pl.col("domain") == one.domain)["index_value"].to_list()
        assert len(values) == 30
        assert one.index_value == values[-1]
        assert one.change_1d == pytest.approx(values[-1] - values[-2])
        assert one.change_7d == pytest.approx(values[-1] - values[-8])


def test_the_shares_of_a_change_add_up_to_it(mart: Mart) -> None:
    for days in (1, 7):
        for one in city.index_today(mart, CITY_WIDE, CITY[0]):
            found = moved(mart, CITY_WIDE, one.domain, days)
            assert found is not None
            change = one.change_1d if days == 1 else one.change_7d
            assert len(found.steps) == 3
            assert found.value_to - found.value_from == pytest.approx(change, abs=1e-9)
            assert sum(step.points for step in found.steps) == pytest.approx(change, abs=1e-9)


def test_no_earlier_day_gives_no_shares(mart: Mart) -> None:
    assert moved(mart, CITY_WIDE, "all", 90) is None


def test_contributions_are_of_the_newest_day(mart: Mart) -> None:
    frame = city.contributions(mart, CITY_WIDE, CITY[0], "all")
    value = city.index_today(mart, CITY_WIDE, CITY[0])[0].index_value
    assert frame["contribution"].sum() == pytest.approx(math.log(value / 100), abs=1e-9)
    assert (frame["weight"] * frame["factor_value"]).is_sorted(descending=True)


@pytest.mark.case("pages.20")
def test_a_city_above_its_worst_county_says_why(home: Home) -> None:
    with duckdb.connect(str(publish_city(home, NOW))) as edited:
        edited.execute("update mart.risk_index set index_value = 99 where area_code = ? and domain = 'all'", CITY[:1])
    with open_mart(home) as mart:
        above = city.above_worst(mart, CITY_WIDE, "all", CITY[0])
        worst = city.area_ranking(mart, CITY_WIDE, "all", CITY[0]).row(0, named=True)
        assert above is not None
        assert (above.index_value, above.worst_value) == (99, worst["index_value"])
        assert (above.area_name_zh, above.area_name_en) == (worst["name_zh"], worst["name_en"])
        assert above.factor_value != above.worst_factor_value
        assert above.reason_zh
        assert city.above_worst(mart, CITY_WIDE, "lifeline", CITY[0]) is None


def test_what_changed_since_yesterday_is_said_with_both_days(mart: Mart) -> None:
    day, week = (moved(mart, CITY_WIDE, "all", days) for days in (1, 7))
    assert day is not None
    assert week is not None
    assert "昨 19.4 m/s → 今 9 m/s" in day.steps[0].reason_zh
    assert "yesterday 19.4 m/s → today 9 m/s" in day.steps[0].reason_en
    assert not any("昨" in step.reason_zh for step in week.steps)  # the week before was another gust


def test_counties_are_ranked_worst_first(mart: Mart) -> None:
    frame = city.area_ranking(mart, CITY_WIDE, "work_safety", CITY[0])
    assert frame.height == len(COUNTIES)
    assert frame["index_value"].is_sorted(descending=True)
    assert CITY[0] not in frame["area_code"]


def test_a_reader_of_a_branch_sees_the_branch(mart: Mart) -> None:
    reader = Reader(name="xiling", area_code=XILING)
    area = city.top_area(mart, reader)
    assert area is not None
    assert area.area_code == XILING
    assert city.index_today(mart, reader, CITY[0]) == []
    assert city.trend(mart, reader, CITY[0]).is_empty()
    assert moved(mart, reader, "all", 1) is None
    assert city.contributions(mart, reader, "420503", "all").is_empty()
    assert city.area_ranking(mart, reader, "all", CITY[0])["area_code"].to_list() == [XILING]
    objects = risk.objects(mart, reader, risk.ObjectFilter()).frame
    assert set(objects["area_code"]) == {XILING}
    assert risk.object_facts(mart, reader, "emergency:W0001") is None
    assert risk.object_facts(mart, CITY_WIDE, "emergency:W0001") is not None


@pytest.mark.case("pages.14")
def test_any_object_of_the_branch_is_found_by_name_or_id(mart: Mart) -> None:
    by_id = risk.find(mart, CITY_WIDE, "EMERGENCY:w0001", 5)
    assert by_id["object_id"].to_list() == ["emergency:W0001"]
    name = by_id["name_zh"][0]
    assert risk.find(mart, CITY_WIDE, name, 5)["object_id"][0] == "emergency:W0001"
    assert risk.find(mart, CITY_WIDE, "电梯", 7).height == 7
    assert risk.find(mart, CITY_WIDE, "没有的东西", 5).is_empty()
    assert risk.find(mart, Reader(area_code="420502"), name, 5).is_empty()


def test_objects_are_bounded_worst_first_and_counted(mart: Mart) -> None:
    page = risk.objects(mart, CITY_WIDE, risk.ObjectFilter(), limit=40)
    assert page.frame.height == 40
    assert page.n_matching == 262
    assert page.frame["object_id"][0] == "emergency:W0001"
    assert set(page.frame["residual_colour"]) == {"red"}


@pytest.mark.parametrize("colours", [("red",), ("red", None), (None,), ()])
def test_objects_by_colour(mart: Mart, colours: tuple[str | None, ...]) -> None:
    wanted = risk.ObjectFilter(domain="work_safety", colours=colours)
    page = risk.objects(mart, CITY_WIDE, wanted)
    counts = risk.colour_counts(mart, CITY_WIDE, wanted)
    assert set(page.frame["residual_colour"]) == set(colours)
    assert page.n_matching == page.frame.height == sum(counts[colour] for colour in colours)


@pytest.mark.case("pages.17")
def test_an_open_alert_is_the_colour_of_its_object_where_it_is_worse(mart: Mart) -> None:
    before = risk.colour_counts(mart, CITY_WIDE, risk.ObjectFilter())
    none, blue = (
        risk.objects(mart, CITY_WIDE, risk.ObjectFilter(colours=(colour,))).frame["object_id"][0]
        for colour in (None, "blue")
    )
    alerted = {none: "yellow", blue: "red", "emergency:W0001": "blue"}
    after = risk.colour_counts(mart, CITY_WIDE, risk.ObjectFilter(), alerted)
    assert {colour: after[colour] - before[colour] for colour in before} == {
        "red": 1,
        "orange": 0,
        "yellow": 1,
        "blue": -1,
        None: -1,
    }
    reds = risk.objects(mart, CITY_WIDE, risk.ObjectFilter(colours=("red",)), alerted=alerted)
    assert dict(reds.frame.select("object_id", "colour").iter_rows())[blue] == "red"
    assert reds.n_matching == after["red"]


@pytest.mark.case("engineer.10")
def test_an_object_without_colour_and_area_is_shown_to_who_sees_the_city(mart: Mart) -> None:
    wanted = risk.ObjectFilter(domain="lifeline", colours=(None,))
    assert "urban:G0001" in set(risk.objects(mart, CITY_WIDE, wanted).frame["object_id"])
    facts = risk.object_facts(mart, CITY_WIDE, "urban:G0001")
    assert facts is not None
    assert (facts["unscored_reason"], facts["area_reason"]) == ("kind_not_weighed", "outside_known_areas")
    assert risk.object_facts(mart, Reader(name="xiling", area_code=XILING), "urban:G0001") is None


def test_objects_by_county(mart: Mart) -> None:
    page = risk.objects(mart, CITY_WIDE, risk.ObjectFilter(area_code="420505"))
    assert set(page.frame["area_name_en"]) == {"Xiaoting"}


def test_facts_of_an_object_name_devices_and_grade(mart: Mart) -> None:
    facts = risk.object_facts(mart, CITY_WIDE, "emergency:W0001")
    assert facts is not None
    assert (facts["n_devices"], facts["n_devices_online"], facts["hazard_grade"]) == (2, 1, 2)
    assert facts["department_zh"]
    assert risk.object_facts(mart, CITY_WIDE, "no such") is None


def test_outlines_cover_every_county_and_stay_small() -> None:
    outlines = risk.county_polygons(tuple(county[0] for county in COUNTIES))
    assert {feature["properties"]["name"] for feature in outlines["features"]} == {county[0] for county in COUNTIES}
    n_points = str(outlines).count("(")
    assert 500 < n_points < 6000
    assert risk.aspect_scale(outlines) == pytest.approx(0.86, abs=0.01)

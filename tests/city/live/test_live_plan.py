"""Plans: incidents that every rule can be seen by, each at a device of its own, and all of them in the truth."""

from __future__ import annotations

import csv
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from city.build import build_city
from city.live.fleet import Fleet
from city.live.noise import hour_of
from city.live.opening import told_within_s
from city.live.plan import make_plan
from city.live.play import note_truth
from city.profiles import CITIES
from core.severity import RANKS
from live_city import AS_OF
from orchestration.project import PROJECT, table_of


@pytest.fixture(scope="module", params=CITIES)
def fleet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """A city at a tenth of its size."""
    root = tmp_path_factory.mktemp(request.param)
    build_city(root, request.param, 1, 3, 0.1, AS_OF)
    return Fleet.load(root)


def rule_rows(name: str) -> list[dict[str, str]]:
    with table_of(PROJECT, name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_expected_alerts_are_rules_and_colours_that_exist(fleet: Fleet) -> None:
    colours: dict[str, set[str]] = defaultdict(set)
    for row in rule_rows("alert_conditions.csv"):
        colours[row["rule_id"]].add(row["colour"])
    plan = make_plan(fleet, AS_OF, AS_OF + timedelta(days=3))
    assert len(plan.incidents) > 50
    for incident in plan.incidents:
        for rule_id, colour in ((incident.rule_id, incident.colour), *incident.also):
            assert not rule_id or colour in colours[rule_id], (rule_id, colour)


def test_every_rule_on_a_live_feed_is_played(fleet: Fleet) -> None:
    """But those on devices that are saturated together: such a city is proven where engines are."""
    live = {one.raw_feed for one in fleet.speakers()} | {"fire.device_reading", "transport.driver_behaviour"}
    live |= {"water.rain_reading"}
    # A protocol without a word for the device's own state cannot say that it is broken.
    flagged = {id for id, one in fleet.declared.contracts.items() if one.by_concept("quality_flag") is not None}
    wanted = {
        row["rule_id"]
        for row in rule_rows("alert_rules.csv")
        if row["is_member_only"] != "true"
        and row["kind"] != "over_range"
        and (row["kind"] != "fault" or row["feeds"] in flagged)
        and set(row["feeds"].split("|")) & live
    }
    plan = make_plan(fleet, AS_OF, AS_OF + timedelta(days=3))
    played = {incident.rule_id for incident in plan.incidents}
    assert wanted
    assert wanted - played == set()
    assert {"flood_composite", "tailings_pond"} <= {rule for incident in plan.incidents for rule, _ in incident.also}


def test_no_two_incidents_share_a_device_and_all_lie_in_the_span(fleet: Fleet) -> None:
    plan = make_plan(fleet, AS_OF, AS_OF + timedelta(days=3))
    devices = [incident.device_id for incident in plan.incidents]
    assert len(devices) == len(set(devices))
    assert all(plan.starts_at < i.starts_at < i.ends_at < plan.ends_at for i in plan.incidents)
    noise = [i for i in plan.incidents if i.rule_id == "site_noise" and i.colour == "yellow"]
    assert noise
    assert all(8 <= hour_of(i.starts_at) < 17 for i in noise)


def test_a_plan_is_the_same_again_and_quiet_on_request(fleet: Fleet) -> None:
    span = AS_OF, AS_OF + timedelta(hours=5)
    assert make_plan(fleet, *span) == make_plan(fleet, *span)
    short = make_plan(fleet, *span)
    assert {i.rule_id for i in short.incidents} > {"gas_methane_lel", "tunnel_h2s", "rain_station"}
    assert not {i.rule_id for i in short.incidents} & {"site_pm10", "tailings_displacement"}
    assert make_plan(fleet, *span, "quiet").incidents == ()


@pytest.mark.parametrize("end", [AS_OF, (AS_OF + timedelta(hours=1)).replace(tzinfo=None)])
def test_impossible_spans_are_refused(fleet: Fleet, end: datetime) -> None:
    with pytest.raises(ValueError, match="aware instants"):
        make_plan(fleet, AS_OF, end)


def test_truth_gets_every_expected_alert_once(fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "city").mkdir()
    plan = make_plan(fleet, AS_OF, AS_OF + timedelta(hours=5))
    note_truth(tmp_path, plan)
    note_truth(tmp_path, plan)
    rows = pl.read_parquet(tmp_path / "city" / "truth.parquet")
    assert set(rows["kind"]) == {"incident"}
    expected = [(i.rule_id, i.colour) for i in plan.incidents if i.rule_id]
    expected += [also for i in plan.incidents for also in i.also]
    assert sorted(rows.select("rule_hint", "colour").rows()) == sorted(expected)
    assert rows["starts_at"].min() >= AS_OF


@pytest.mark.parametrize("hour", range(0, 24, 3))
def test_every_colour_is_told_of_soon_and_red_at_once_whenever_a_city_starts(fleet: Fleet, hour: int) -> None:
    """By what is declared; that the rule engine keeps to it is shown in `test_live_alerts.py`."""
    start = AS_OF + timedelta(hours=hour, seconds=17)
    plan = make_plan(fleet, start, start + timedelta(hours=2))
    entries = {(e["rule"], e["colour"], e["minutes"] * 60): e for _, e in fleet.declared.incidents}
    told: dict[str, int] = {}
    for one in plan.incidents:
        entry = entries.get((one.rule_id, one.colour, one.ends_at - one.starts_at))
        within_s = told_within_s(fleet, entry, one) if entry is not None else None
        if within_s is not None:
            told[one.colour] = min(told.get(one.colour, 10**6), one.starts_at - plan.starts_at + within_s)
    assert told.keys() == set(RANKS)
    assert max(told.values()) <= 300
    assert told["red"] <= 60
    opening = [one for one in plan.incidents if one.starts_at < plan.starts_at + 600]
    assert sorted(one.colour for one in opening) == sorted(RANKS), "one of each, the rest after ten quiet minutes"

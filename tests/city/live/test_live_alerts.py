"""The rule engine on the city's own bytes: every incident at its colour, and nothing in a quiet week."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from alerting.engine.episode import Change, EpisodeChange
from alerting.rules import RULE_FILES, RuleSet, load_rules
from city.live.history import history
from city.live.plan import Plan, make_plan
from core.severity import RANKS
from live_city import AS_OF, LiveCity, folded, landed_city
from orchestration.project import PROJECT, table_of

pytestmark = pytest.mark.slow
# Where most devices of a gateway are left out of the play, one silent device silences the gateway.
GATEWAYS = {"gas_gateway_silent", "tunnel_gateway_silent"}


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    """The rules as committed."""
    folder = tmp_path_factory.mktemp("rules")
    for name in RULE_FILES:
        shutil.copy(table_of(PROJECT, name), folder / name)
    return load_rules(folder)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCity]:
    """Zunyi at a tenth of its size with landed registers; Yichang is played in `tests/systems/test_conditions.py`."""
    yield from landed_city(tmp_path_factory.mktemp("zunyi-alerts") / "var", "zunyi", 0.1)


def worst(changes: Sequence[EpisodeChange]) -> dict[tuple[str, str], str]:
    """The worst colour of each rule and object that an alert was opened for."""
    told = [c for c in changes if c.change in (Change.OPENED, Change.UPGRADED)]
    return {(c.rule_id, c.object_id): c.colour for c in sorted(told, key=lambda c: c.severity_rank)}


def expected(plan: Plan) -> dict[tuple[str, str], str]:
    """Rule and object of every expected alert, as the unified model names them."""
    return {
        (rule_id, f"{i.feed_id.partition('.')[0]}:{i.object_id}"): colour
        for i in plan.incidents
        if i.rule_id
        for rule_id, colour in ((i.rule_id, i.colour), *i.also)
    }


def test_every_incident_is_found_at_its_colour_and_nothing_else(city: LiveCity, rules: RuleSet) -> None:
    plan = make_plan(city.fleet, AS_OF, AS_OF + timedelta(hours=64))
    wanted = expected(plan)
    assert len(wanted) > 50
    found = worst(folded(city, rules, history(city.fleet, plan, thin=20.0, bystanders=0.02)))
    assert {key: found.get(key) for key in wanted} == wanted
    assert {key for key in found if key not in wanted and key[0] not in GATEWAYS} == set()


def test_a_city_is_in_alarm_within_minutes_of_its_start(city: LiveCity, rules: RuleSet) -> None:
    """What is placed first rings when it was placed for: red within a minute, each colour within five."""
    plan = make_plan(city.fleet, AS_OF, AS_OF + timedelta(hours=2))
    soon = replace(plan, ends_at=plan.starts_at + 300)
    changes = folded(city, rules, history(city.fleet, soon, bystanders=0.0), tick_s=5)
    told = [(c.colour, c.known_at - AS_OF) for c in changes if c.change in (Change.OPENED, Change.UPGRADED)]
    first = {colour: min(after for one, after in told if one == colour) for colour, _ in told}
    assert first.keys() == set(RANKS)
    assert first["red"] <= timedelta(seconds=60)


def test_every_alert_of_an_incident_ends_on_evidence(city: LiveCity, rules: RuleSet) -> None:
    """Clearing is no silence: each episode of a value ends on readings that are well again."""
    plan = make_plan(city.fleet, AS_OF, AS_OF + timedelta(hours=6))
    changes = folded(city, rules, history(city.fleet, plan, thin=20.0, bystanders=0.0))
    opened = {c.episode_id: c for c in changes if c.change is Change.OPENED}
    cleared = {c.episode_id: c.evidence for c in changes if c.change is Change.CLEARED}
    gas = [key for key, c in opened.items() if c.rule_id == "gas_methane_lel"]
    assert gas
    assert {cleared.get(key) for key in gas} == {"reading"}


def test_a_quiet_week_raises_nothing(city: LiveCity, rules: RuleSet) -> None:
    """Maintenance, calibration, late, swapped and doubled reports are in it."""
    plan = make_plan(city.fleet, AS_OF, AS_OF + timedelta(days=7), "quiet")
    changes = folded(city, rules, history(city.fleet, plan, thin=20.0, bystanders=0.1), tick_s=600)
    assert [c for c in changes if c.rule_id not in GATEWAYS] == []

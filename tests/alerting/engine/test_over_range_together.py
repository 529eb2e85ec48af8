"""Many devices of one sender beyond their range are one alert that counts them; one of them alone is its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from alerting.engine import Engine, Registry
from alerting.engine.episode import Change, EpisodeChange
from alerting.lifecycle.steps import Verb
from alerting.policy.notification_policies import load_notification_policies
from alerting.rules import RuleError, RuleSet, load_rules
from alerting.timers import Timers
from alerting.workflow import commands
from alerting.workflow.changes import apply
from alerting.workflow.quiet_limits import covered_by_labels
from alerting.workflow.subjects import Subjects
from alerting.workflow.suppression import settle
from core.settings import Home
from core.store import database, tables
from core.stream.live import LiveBatch
from rule_parts import SEEDS, SHAPES, asset, batch, rules_folder, set_cell

T0 = datetime(2026, 7, 6, 2, 0, tzinfo=UTC)
GROUP, SINGLE = "gas_over_range_gateway", "gas_methane_lel"
OVER = {"methane_pct_lel": 105.0, "_flags": "out_of_range:methane_pct_lel"}
CITY = Registry(
    SHAPES,
    {},
    {
        f"urban:{gateway}D{n}": asset(
            f"urban:{gateway}D{n}", f"urban:{gateway}O{n}", area_code="420502001", gateway_id=gateway
        )
        for gateway in ("GW1", "GW2")
        for n in range(12)
    },
)

TWO_COUNTIES = replace(
    CITY,
    devices={
        key: replace(one, area_code="420503001" if "GW2" in key else "420502001") for key, one in CITY.devices.items()
    },
)


@pytest.fixture(scope="module")
def rules() -> Iterator[RuleSet]:
    with tempfile.TemporaryDirectory() as folder:
        yield load_rules(rules_folder(Path(folder)))


def said(second: float, devices: Sequence[str], **cells: Any) -> LiveBatch:
    at = T0 + timedelta(seconds=second)
    row = {"observed_at": at, "methane_pct_lel": 1.0, "quality_flag": "normal", "_flags": "", **cells}
    return batch("urban.gas_reading", at, [{**row, "device_id": device} for device in devices])


def devices(gateway: str, n: int) -> list[str]:
    return [f"{gateway}D{number}" for number in range(n)]


def over(engine: Engine, names: Sequence[str], start: float = 0, **cells: Any) -> list[EpisodeChange]:
    """Readings for as long as a hold takes."""
    stream = [said(start + second, names, **(cells or OVER)) for second in range(0, 16, 3)]
    clock = LiveBatch("clock", T0 + timedelta(seconds=start + 17), "", {})
    return [c for one in (*stream, clock) for c in engine.fold(one) if c.change is not Change.PENDING]


def of(changes: Sequence[EpisodeChange], rule_id: str) -> list[tuple[str, Change, str, float | None]]:
    return [(c.object_id, c.change, c.colour, c.value) for c in changes if c.rule_id == rule_id]


@pytest.mark.case("live.B7")
def test_so_many_of_one_gateway_are_one_alert_with_its_members(rules: RuleSet) -> None:
    engine = Engine(rules, CITY)
    changes = over(engine, [*devices("GW1", 7), *devices("GW2", 4)])
    assert of(changes, GROUP) == [("urban:GW1", Change.OPENED, "red", 7.0)]
    assert len(of(changes, SINGLE)) == 11, "each device keeps an episode of its own"
    (group,) = (c for c in changes if c.rule_id == GROUP)
    members = group.details["members"]
    assert isinstance(members, list)
    assert [m["device_id"] for m in members] == [f"urban:{device}" for device in devices("GW1", 7)]
    assert group.details["marks"] == ["over_range"], "nothing of it is public without people"
    assert (group.threshold, group.unit, group.area_code) == (5.0, "devices", "420502001")
    assert {c.passed_on_by for c in changes if c.object_id.startswith("urban:GW1")} == {"urban:GW1"}


@pytest.mark.case("live.B7")
def test_it_ends_when_fewer_are_left_also_after_a_restart(rules: RuleSet) -> None:
    engine = Engine(rules, CITY)
    over(engine, devices("GW1", 6))
    engine = Engine.restore(engine.snapshot(), rules, CITY)
    well = [c for second in range(20, 200, 10) for c in engine.fold(said(second, devices("GW1", 4)))]
    well += engine.fold(LiveBatch("clock", T0 + timedelta(seconds=300), "", {}))
    assert [change for _, change, _, _ in of(well, GROUP)] == [Change.CLEARED]


@pytest.mark.case("live.B7")
def test_it_goes_on_between_its_number_and_the_one_that_ends_it(rules: RuleSet) -> None:
    engine = Engine(rules, CITY)
    over(engine, devices("GW1", 5))
    well = [c for second in range(20, 200, 10) for c in engine.fold(said(second, devices("GW1", 2)))]
    assert not of(well, GROUP), "three are left"
    again = over(engine, devices("GW1", 2), start=200)
    assert [change for _, change, _, _ in of(again, GROUP)] == [Change.PEAK], "no second alert"
    well = [c for second in range(220, 400, 10) for c in engine.fold(said(second, devices("GW1", 3)))]
    assert [change for _, change, _, _ in of(well, GROUP)] == [Change.CLEARED]


@pytest.mark.case("live.B7")
def test_each_device_that_joins_is_named_once_also_where_the_number_was_worse_before(rules: RuleSet) -> None:
    engine = Engine(rules, CITY)
    over(engine, devices("GW1", 6))
    [c for second in range(20, 200, 10) for c in engine.fold(said(second, devices("GW1", 2)))]
    engine = Engine.restore(engine.snapshot(), rules, CITY)
    grown = [c for c in over(engine, ["GW1D7", "GW1D0"], start=200) if c.rule_id == GROUP]
    assert [m["device_id"] for c in grown for m in c.details["members"]] == ["urban:GW1D0", "urban:GW1D7"]  # type: ignore[attr-defined]
    assert [c.value for c in grown][-1] == 6.0


@pytest.mark.case("live.B7")
def test_danger_within_the_range_is_counted_by_nobody(rules: RuleSet) -> None:
    changes = over(Engine(rules, CITY), devices("GW1", 9), methane_pct_lel=66.0)
    assert not of(changes, GROUP)
    assert {c.passed_on_by for c in changes} == {""}


@pytest.mark.case("live.B7")
def test_people_are_told_of_one_alert_and_the_single_ones_wait_behind_it(home: Home, rules: RuleSet) -> None:
    store, policies = database.open_ops(home.ops_url), load_notification_policies(*SEEDS)
    changes = over(Engine(rules, CITY), [*devices("GW1", 8), *devices("GW2", 1)])
    apply(store, policies, changes, Subjects(rules, CITY, policies.routing, "420500"), T0)
    clock = Timers(store)
    for second in range(30):
        clock.tick(policies, T0 + timedelta(seconds=second))
    with store.connect() as connection:
        alerts = list(connection.execute(sa.select(tables.alert)).mappings())
        bodies = [orjson.loads(body) for body in connection.scalars(sa.select(tables.alert_notice.c.body))]
    told = {one["object_id"] for body in bodies for one in body["alerts"]}
    assert told == {"urban:GW1", "urban:GW2O0"}
    assert {row["state"] for row in alerts if row["rule_id"] == SINGLE and "GW1" in row["object_id"]} == {"suppressed"}
    (group,) = (row for row in alerts if row["rule_id"] == GROUP)
    assert (group["state"], group["colour"], group["marks"]) == ("open", "red", "over_range")
    assert "8 台设备" in group["matters_zh"]
    store.dispose()


@pytest.mark.case("live.B7")
@pytest.mark.parametrize("acknowledged", [False, True])
def test_a_group_that_grows_is_told_again(home: Home, rules: RuleSet, acknowledged: bool) -> None:
    store, policies = database.open_ops(home.ops_url), load_notification_policies(*SEEDS)
    engine, subjects, clock = Engine(rules, CITY), Subjects(rules, CITY, policies.routing, "420500"), Timers(store)
    apply(store, policies, over(engine, devices("GW1", 5)), subjects, T0)
    clock.tick(policies, T0 + timedelta(seconds=30))
    with store.connect() as connection:
        (group_id,) = connection.scalars(sa.select(tables.alert.c.alert_id).where(tables.alert.c.rule_id == GROUP))
    if acknowledged:
        commands.act(store, policies, group_id, Verb.ACKNOWLEDGED, "li", "on the way", T0 + timedelta(seconds=60))
    later = T0 + timedelta(seconds=120)
    apply(store, policies, over(engine, ["GW1D8", "GW1D9"], start=100), subjects, later)
    clock.stale()
    for minute in range(12):
        clock.tick(policies, later + timedelta(minutes=minute))
    with store.connect() as connection:
        query = sa.select(tables.notification_queue.c.kind).where(
            tables.notification_queue.c.alert_id == group_id,
            tables.notification_queue.c.notice_id.like("%"),
            tables.notification_queue.c.notice_id != "kept quiet",
        )
        kinds = set(connection.scalars(query))
        group = connection.execute(sa.select(tables.alert).where(tables.alert.c.alert_id == group_id)).one()
    assert "new_member" in kinds
    assert "7 台设备" in group.matters_zh
    store.dispose()


@pytest.mark.case("live.B7")
def test_a_group_of_a_feed_is_of_one_county_and_hides_nothing_of_another(home: Home, tmp_path: Path) -> None:
    folder = rules_folder(tmp_path)
    set_cell(folder, "alert_rules.csv", GROUP, "key", "feed")
    rules = load_rules(folder)
    changes = over(Engine(rules, TWO_COUNTIES), [*devices("GW1", 6), *devices("GW2", 6)])
    assert {(c.object_id, c.area_code, c.value) for c in changes if c.rule_id == GROUP} == {
        ("urban.gas_reading:420502", "420502001", 6.0),
        ("urban.gas_reading:420503", "420503001", 6.0),
    }
    policies = load_notification_policies(*SEEDS)
    subject = Subjects(rules, TWO_COUNTIES, policies.routing, "420500")
    names = {subject(c).object_name_zh for c in changes if c.rule_id == GROUP}
    assert names == {policies.routing.areas[code]["name_zh"] for code in ("420502", "420503")}


@pytest.mark.case("live.B7")
def test_a_gateway_over_two_counties_hides_no_single_alert(home: Home, rules: RuleSet) -> None:
    city = replace(
        TWO_COUNTIES,
        devices={key: replace(one, attributes={"gateway_id": "GW1"}) for key, one in TWO_COUNTIES.devices.items()},
    )
    store, policies = database.open_ops(home.ops_url), load_notification_policies(*SEEDS)
    changes = over(Engine(rules, city), [*devices("GW1", 3), *devices("GW2", 3)])
    apply(store, policies, changes, Subjects(rules, city, policies.routing, "420500"), T0)
    settle(store, policies, T0)
    with store.connect() as connection:
        alerts = connection.execute(sa.select(tables.alert)).all()
    assert {row.area_code for row in alerts if row.rule_id == GROUP} == {"420500"}
    assert {row.state for row in alerts} == {"open"}
    store.dispose()


@pytest.mark.case("live.B7")
def test_an_alert_is_hidden_only_while_the_group_tells_all_of_it(home: Home, rules: RuleSet) -> None:
    """Two devices at one object: one behind the gateway over range, its colleague measures danger within range."""
    shared = {"urban:GW1D0": "urban:GW1O0", "urban:GW2D0": "urban:GW1O0"}
    city = replace(
        CITY, devices={k: replace(one, object_id=shared.get(k, one.object_id)) for k, one in CITY.devices.items()}
    )
    store, policies = database.open_ops(home.ops_url), load_notification_policies(*SEEDS)
    engine, subjects = Engine(rules, city), Subjects(rules, city, policies.routing, "420500")

    def state(changes: Sequence[EpisodeChange]) -> tuple[str, str]:
        apply(store, policies, changes, subjects, T0)
        settle(store, policies, T0)
        a = tables.alert.c
        with store.connect() as connection:
            query = sa.select(a.state, a.passed_on_by).where(a.object_id == "urban:GW1O0", a.rule_id == SINGLE)
            return tuple(connection.execute(query).one())  # type: ignore[return-value]

    assert state(over(engine, ["GW2D0"], methane_pct_lel=66.0)) == ("open", "")
    assert state(over(engine, devices("GW1", 6), start=20)) == ("open", ""), "the newest of two is no word for both"
    well = [c for second in range(40, 200, 10) for c in engine.fold(said(second, ["GW2D0"]))]
    assert state(well) == ("suppressed", "urban:GW1")
    assert state(over(engine, ["GW2D0"], start=220, methane_pct_lel=66.0)) == ("open", "")
    store.dispose()


@pytest.mark.case("live.B7")
@pytest.mark.parametrize("by", ["silence", "maintenance"])
def test_a_group_that_is_quiet_hides_nobody_and_counts_its_members(home: Home, rules: RuleSet, by: str) -> None:
    store, policies = database.open_ops(home.ops_url), load_notification_policies(*SEEDS)
    changes = over(Engine(rules, CITY), devices("GW1", 6))
    apply(store, policies, changes, Subjects(rules, CITY, policies.routing, "420500"), T0)
    settle(store, policies, T0)
    assert covered_by_labels(store, {"object_id": "urban:GW1"}, T0).n_devices == 6
    hour = timedelta(hours=1)
    if by == "silence":
        commands.silence(store, policies, {"object_id": "urban:GW1"}, "li", "work", T0, T0 + hour, T0)
    else:
        commands.announce_maintenance(store, "object", "urban:GW1", "li", "work", T0, T0 + hour, T0)
    settle(store, policies, T0 + timedelta(seconds=1))
    with store.connect() as connection:
        singles = set(connection.scalars(sa.select(tables.alert.c.state).where(tables.alert.c.rule_id == SINGLE)))
    assert singles == {"open"}
    store.dispose()


def test_the_number_is_a_row_and_what_groups_must_be_said(tmp_path: Path) -> None:
    folder = rules_folder(tmp_path)
    set_cell(folder, "alert_conditions.csv", f"{GROUP}_red", "threshold", "3")
    changes = over(Engine(load_rules(folder), CITY), devices("GW2", 3))
    assert of(changes, GROUP) == [("urban:GW2", Change.OPENED, "red", 3.0)]
    set_cell(folder, "alert_rules.csv", GROUP, "key", "device")
    with pytest.raises(RuleError, match="the key gateway or feed"):
        load_rules(folder)

"""Many devices of one sender beyond their range are one alert that counts them; one of them alone is its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from alerting import tables
from alerting.clock import Clock
from alerting.desk import load_desk
from alerting.engine import Engine, Registry
from alerting.episode import Change, EpisodeChange
from alerting.rules import RuleError, RuleSet, load_rules
from alerting.store import apply
from alerting.subjects import Subjects
from ingest import ops
from ingest.settings import Home
from ingest.stream.live import LiveBatch
from rule_parts import SEEDS, SHAPES, batch, rules_folder, set_cell, thing

T0 = datetime(2026, 7, 6, 2, 0, tzinfo=UTC)
GROUP, SINGLE = "gas_over_range_gateway", "gas_methane_lel"
OVER = {"methane_pct_lel": 105.0, "_flags": "out_of_range:methane_pct_lel"}
CITY = Registry(
    SHAPES,
    {},
    {
        f"urban:{gateway}D{n}": thing(f"urban:{gateway}D{n}", f"urban:{gateway}O{n}", area_code="420502001",
                                      gateway_id=gateway)
        for gateway in ("GW1", "GW2") for n in range(12)
    },
)  # fmt: skip


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
    well = [c for second in range(20, 200, 10) for c in engine.fold(said(second, devices("GW1", 2)))]
    well += engine.fold(LiveBatch("clock", T0 + timedelta(seconds=300), "", {}))
    assert [change for _, change, _, _ in of(well, GROUP)] == [Change.CLEARED]


@pytest.mark.case("live.B7")
def test_danger_within_the_range_is_counted_by_nobody(rules: RuleSet) -> None:
    changes = over(Engine(rules, CITY), devices("GW1", 9), methane_pct_lel=66.0)
    assert not of(changes, GROUP)
    assert {c.passed_on_by for c in changes} == {""}


@pytest.mark.case("live.B7")
def test_people_are_told_of_one_alert_and_the_single_ones_wait_behind_it(home: Home, rules: RuleSet) -> None:
    store, desk = ops.open_ops(home.ops_url), load_desk(SEEDS / "alerting", SEEDS)
    changes = over(Engine(rules, CITY), [*devices("GW1", 8), *devices("GW2", 1)])
    apply(store, desk, changes, Subjects(rules, CITY, desk.routing, "420500"), T0)
    clock = Clock(store)
    for second in range(30):
        clock.tick(desk, T0 + timedelta(seconds=second))
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


def test_the_number_is_a_row_and_what_groups_must_be_said(tmp_path: Path) -> None:
    folder = rules_folder(tmp_path)
    set_cell(folder, "alert_conditions.csv", f"{GROUP}_red", "threshold", "3")
    changes = over(Engine(load_rules(folder), CITY), devices("GW2", 3))
    assert of(changes, GROUP) == [("urban:GW2", Change.OPENED, "red", 3.0)]
    set_cell(folder, "alert_rules.csv", GROUP, "key", "device")
    with pytest.raises(RuleError, match="the key gateway or feed"):
        load_rules(folder)

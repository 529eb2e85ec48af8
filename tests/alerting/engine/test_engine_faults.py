"""A device that goes on saying that it is broken is a device fault: one episode, never danger, over when it is well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerting.engine import Engine, Registry
from alerting.engine.episode import Change, EpisodeChange
from alerting.engine.evaluators import fault
from alerting.engine.evaluators.fault import with_faults
from alerting.marks import NEVER_PUBLIC
from alerting.rules import RuleError, RuleSet, load_rules
from alerting.rules.check import check_rules
from core.stream.live import LiveBatch
from rule_parts import SHAPES, asset, batch, rules_folder

T0 = datetime(2026, 7, 6, 2, 0, tzinfo=UTC)
CITY = Registry(SHAPES, {}, {"urban:D1": asset("urban:D1", "urban:O1"), "urban:D2": asset("urban:D2", "urban:O1")})


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    return load_rules(rules_folder(tmp_path_factory.mktemp("faults")))


def gas(minute: float, device: str = "D1", **cells: Any) -> LiveBatch:
    at = T0 + timedelta(minutes=minute)
    row = {"device_id": device, "observed_at": at, "methane_pct_lel": 1.0, "quality_flag": "normal", "_flags": ""}
    return batch("urban.gas_reading", at, [{**row, **cells}])


BROKEN: Sequence[dict[str, Any]] = (
    {"quality_flag": "fault"},
    {"methane_pct_lel": None, "_flags": "device_fault:methane_pct_lel"},
    {"_flags": "clock_wrong,device_fault:air_temperature_c"},
)


def told(engine: Engine, *stream: LiveBatch) -> list[tuple[str, str, str | None]]:
    return [(c.rule_id, c.change.value, c.device_id) for c in changes(engine, *stream)]


def changes(engine: Engine, *stream: LiveBatch) -> list[EpisodeChange]:
    return [c for one in stream for c in engine.fold(one) if c.change not in (Change.PENDING, Change.WITHDRAWN)]


@pytest.mark.case("live.B4")
@pytest.mark.parametrize("broken", BROKEN, ids=["status", "code", "code of a neighbour"])
def test_a_device_that_stays_broken_is_one_fault_until_it_speaks_sensibly(
    rules: RuleSet, broken: dict[str, Any]
) -> None:
    engine = Engine(rules, CITY)
    opened = changes(engine, *(gas(minute, **broken) for minute in range(12)))
    assert [(c.rule_id, c.change, c.colour, c.device_id) for c in opened] == [
        ("gas_detector_fault", Change.OPENED, "blue", "urban:D1")
    ]
    assert NEVER_PUBLIC & set(opened[0].details["marks"])  # type: ignore[call-overload]
    assert told(engine, *(gas(minute, **broken) for minute in range(12, 200))) == [], "one episode"
    engine = Engine.restore(engine.snapshot(), rules, CITY)
    assert told(engine, gas(200), gas(202)) == [("gas_detector_fault", "cleared", "urban:D1")]


@pytest.mark.case("live.B4")
def test_each_device_has_its_own_and_a_short_one_is_none(rules: RuleSet) -> None:
    engine = Engine(rules, CITY)
    broken = BROKEN[0]
    flicker = (gas(minute, **(broken if minute % 3 else {})) for minute in range(60))
    assert told(engine, *flicker) == []
    both = [gas(60 + minute, device, **broken) for minute in range(12) for device in ("D1", "D2")]
    assert {device for _, _, device in told(engine, *both)} == {"urban:D1", "urban:D2"}


@pytest.mark.case("live.B4")
def test_a_fault_is_no_danger_and_hides_none(rules: RuleSet) -> None:
    code = {"methane_pct_lel": None, "_flags": "device_fault:methane_pct_lel"}
    engine = Engine(rules, CITY)
    assert {rule for rule, _, _ in told(engine, *(gas(minute, **code) for minute in range(30)))} == {
        "gas_detector_fault"
    }
    beside = {"methane_pct_lel": 66.0, "_flags": "device_fault:air_temperature_c"}
    found = told(engine, *(gas(30 + second / 60, **beside) for second in range(0, 30, 2)))
    assert ("gas_methane_lel", "opened", "urban:D1") in found


def test_whoever_works_on_it_or_sends_the_past_is_not_told_of_it(rules: RuleSet) -> None:
    at_work = [gas(minute, quality_flag="calibration", _flags="device_fault:air_temperature_c") for minute in range(30)]
    past = [gas(minute, quality_flag="fault", _flags="late") for minute in range(30)]
    for stream in (at_work, past):
        assert told(Engine(rules, CITY), *stream) == []


def test_a_rule_that_calls_a_fault_danger_is_refused(rules: RuleSet) -> None:
    rule = rules.by_id["gas_detector_fault"]
    red = replace(rule, conditions=tuple(replace(c, colour="red") for c in rule.conditions))
    with pytest.raises(RuleError, match="a device's fault is no danger"):
        check_rules(RuleSet((red,)))


def test_a_batch_in_which_nobody_is_broken_is_not_looked_through(
    rules: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []

    def counted(shape: Any, columns: Any, received: int) -> Any:
        looked.append(received)
        return with_faults(shape, columns, received)

    monkeypatch.setattr(fault, "with_faults", counted)
    engine = Engine(rules, CITY)
    engine.fold(gas(0))
    assert not looked
    engine.fold(gas(1, quality_flag="fault"))
    engine.fold(gas(2))
    assert len(looked) == 2, "with a fault in it, and while one is known"

"""Danger of unknown devices and alarms that could not be read: told by sender, until a person has looked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alert_parts import an_alert
from alerting.engine import Engine, Registry
from alerting.engine.episode import Change, EpisodeChange
from alerting.lifecycle.joining import step_for
from alerting.lifecycle.steps import Verb
from alerting.rules import RuleSet, load_rules
from core.stream.live import LiveBatch
from rule_parts import SHAPES, batch, rules_folder

T0 = datetime(2026, 7, 6, 2, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    return load_rules(rules_folder(tmp_path_factory.mktemp("senders")))


def at(second: float) -> datetime:
    return T0 + timedelta(seconds=second)


def stranger(second: float, device: str, lel: float) -> LiveBatch:
    row = {
        "device_id": device,
        "observed_at": at(second),
        "methane_pct_lel": lel,
        "quality_flag": "normal",
        "_flags": "unknown_device",
        "_sender": "urban",
    }
    return batch("urban.gas_reading", at(second), [row])


def lost(second: float, **cells: Any) -> LiveBatch:
    row = {
        "feed_id": "transport.vehicle_position",
        "sender": "jt808:013800138000",
        "device_id": None,
        "reason": "bad_frame",
        "found": "SOS",
        "place": "7.0",
        "_received_at": at(second),
        "_flags": "",
        **cells,
    }
    return batch("intake.unreadable_alarm", at(second), [row])


def opened(changes: list[EpisodeChange]) -> list[EpisodeChange]:
    return [c for c in changes if c.change is Change.OPENED]


@pytest.mark.case("live.D3")
def test_unknown_devices_in_alarm_are_one_alert_of_their_sender(rules: RuleSet) -> None:
    engine = Engine(rules, Registry(SHAPES))
    changes = [c for s in range(0, 20, 2) for d in ("X1", "X2") for c in engine.fold(stranger(s, d, 66.0))]
    found = opened(changes)
    assert {(c.rule_id, c.object_id, c.colour) for c in found} == {("unknown_device_alarm", "sender:urban", "red")}
    assert {c.device_id for c in found} == {"X1", "X2"}
    assert all(c.details["marks"] == ["unknown_device"] and c.lon is None for c in changes)
    calm = [c for s in range(20, 120, 2) for c in engine.fold(stranger(s, "X1", 1.0))]
    assert [(c.change, c.evidence) for c in calm] == [(Change.CLEARED, "rule")]
    alert = an_alert(marks="unknown_device")
    step = step_for(alert, calm[-1], "holding", [])
    assert step is not None
    assert (step.event.kind, step.event.to_state) == (Verb.MEMBER_CLEARED, "open")


def test_an_unknown_device_says_nothing_of_silence_or_of_registered_ones(rules: RuleSet) -> None:
    engine = Engine(rules, Registry(SHAPES))
    assert not [c for s in range(0, 20, 2) for c in engine.fold(stranger(s, "X1", 1.0))]
    assert not engine.fold(LiveBatch("clock", at(86400), "", {}))
    assert engine.open_count == 0


@pytest.mark.case("live.C6")
def test_an_alarm_that_could_not_be_read_rings_again_while_it_comes(rules: RuleSet) -> None:
    engine = Engine(rules, Registry(SHAPES))
    first = engine.fold(lost(0)) + engine.fold(lost(5))
    assert [(c.rule_id, c.change, c.colour) for c in first] == [("unreadable_alarm", Change.OPENED, "red")]
    assert first[0].object_id == "sender:transport.vehicle_position jt808:013800138000 bad_frame"
    assert (first[0].details["found"], first[0].details["marks"]) == ("SOS", ["unreadable"])
    engine = Engine.restore(engine.snapshot(), rules, Registry(SHAPES))
    later = engine.fold(lost(900))
    assert [(c.change, c.evidence) for c in later] == [(Change.CLEARED, "rule"), (Change.OPENED, "reading")]
    other = engine.fold(lost(901, sender="jt808:013900139000"))
    assert [c.change for c in other] == [Change.OPENED]

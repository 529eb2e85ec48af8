"""Values beyond their physical range: on the dangerous side they alarm, whatever the rule and its neighbours.

Generated from the committed rule tables, so that a new rule is tested by standing there.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alerting.engine import Asset, Engine, Registry
from alerting.engine.episode import Change, EpisodeChange
from alerting.engine.rule import Condition, Rule
from alerting.rules import RuleSet, load_rules
from core.stream.live import LiveBatch
from rule_parts import SHAPES, asset, batch, gas, rules_folder

T0 = datetime(2026, 7, 6, 2, 0, tzinfo=UTC)


@functools.cache
def rules() -> RuleSet:
    with tempfile.TemporaryDirectory() as folder:
        return load_rules(rules_folder(Path(folder)))


def at(second: float) -> datetime:
    return T0 + timedelta(seconds=second)


def fold(
    ruleset: RuleSet, registry: Registry, stream: Sequence[LiveBatch], until: datetime | None = None
) -> list[EpisodeChange]:
    engine = Engine(ruleset, registry)
    out = [change for found in stream for change in engine.fold(found)]
    out += engine.fold(LiveBatch("clock", until or stream[-1].received_at + timedelta(hours=1), "", {}))
    return [c for c in out if not c.rule_id.endswith("_silent")]


# ── every metric of every rule ────────────────────────────────────────────────────────────────────────────────────────
def numeric() -> Iterator[tuple[str, str, str]]:
    """Rule, metric and direction of all comparisons with numbers that come first in their group: the danger."""
    for rule in rules().rules:
        if rule.feeds and rule.kind == "reading":
            groups = {(c.rank, c.group): c for c in reversed(rule.conditions)}  # the first one stays
            pairs = {(c.metric, direction(c)) for c in groups.values() if c.comparison not in ("in", "bits")}
            yield from ((rule.rule_id, *pair) for pair in sorted(pairs))


def direction(condition: Condition) -> str:
    return "high" if condition.comparison in ("ge", "gt") and condition.aggregate != "drop" else "low"


def device_of(rule: Rule, department: str, conditions: Sequence[Condition]) -> Asset:
    """A device to which the first of the conditions applies, with all the limits that the rule asks for."""
    attributes: dict[str, Any] = {c.limit_attribute: 50.0 for c in rule.conditions if c.limit_attribute}
    for name, words in conditions[0].applies_to.items():
        low, span, high = words[0].partition("..")
        attributes[name] = (float(low or 0) + float(high or 999)) / 2 if span else words[0]
    return asset(f"{department}:D1", f"{department}:O1", **attributes)


@pytest.mark.case("live.B5")
@pytest.mark.case("live.B6")
@pytest.mark.parametrize(("rule_id", "metric", "side"), list(numeric()))
@pytest.mark.parametrize("neighbours", ["null", "flagged"])
def test_far_beyond_the_range_still_alarms(rule_id: str, metric: str, side: str, neighbours: str) -> None:
    rule = rules().by_id[rule_id]
    conditions = [c for c in rule.conditions if c.metric == metric and direction(c) == side]
    shape = SHAPES[rule.feeds[0]]
    low, high = shape.ranges.get(metric, (0.0, 1000.0))
    quiet = (low or 0.0) if side == "high" else (high if high is not None else 100.0)
    beyond = max(high or 0.0, 1000.0) * 10 + 1 if side == "high" else min(low or 0.0, 0.0) - 500
    windows = [c for c in conditions if c.aggregate not in ("last",)]
    step_s, n_quiet, n_beyond = (300, 600, 900) if windows else (60, 0, 40)
    key = shape.device or shape.object or ""
    others = [name for name in shape.ranges if name != metric]
    rows = []
    for n in range(n_quiet + n_beyond):
        row: dict[str, Any] = {key: "D1", shape.at or "": at(n * step_s), **dict.fromkeys(others)}
        row[metric] = quiet if n < n_quiet else beyond
        flags = [] if n < n_quiet else [f"out_of_range:{metric}"]
        flags += [f"device_fault:{name}" for name in others] if neighbours == "flagged" else []
        rows.append(batch(shape.feed_id, at(n * step_s), [{**row, "_flags": ",".join(flags)}]))
    registry = Registry(SHAPES, {}, {"D": device_of(rule, shape.department, conditions)})
    registry = replace(registry, devices={t.id: t for t in registry.devices.values()})
    told = next((r.rule_id for r in rules().rules if rule_id in r.members and rule.is_member_only), rule_id)
    opened = [c for c in fold(only(told, rule_id), registry, rows) if c.change is Change.OPENED and c.rule_id == told]
    assert opened, f"{beyond} of {metric} says nothing"
    assert opened[0].at >= at(n_quiet * step_s)
    assert "over_range" in marks(opened[0]) or rule.is_member_only


def only(*rule_ids: str) -> RuleSet:
    return replace(rules(), rules=tuple(rule for rule in rules().rules if rule.rule_id in rule_ids))


def marks(change: EpisodeChange) -> Sequence[str]:
    found = change.details.get("marks", ())
    assert isinstance(found, list | tuple)
    return found


# ── the cases ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def leak(values: Sequence[float], flags: str, every_s: float = 1.5) -> list[LiveBatch]:
    return [gas(at(i * every_s), value, flags=flags) for i, value in enumerate(values)]


@pytest.mark.case("live.B1")
def test_a_saturated_gas_detector_alarms() -> None:
    changes = fold(rules(), Registry(SHAPES), leak([105.0] * 9, "out_of_range:methane_pct_lel"), at(14))
    assert [(c.change, c.colour) for c in changes] == [(Change.PENDING, "yellow"), (Change.OPENED, "red")]
    assert marks(changes[-1]) == ["over_range"]


@pytest.mark.case("live.B2")
def test_an_impossible_cod_alarms() -> None:
    registry = Registry(SHAPES, {}, {"ecology:M1": asset("ecology:M1", "ecology:O1", cod_limit_mg_l=100.0)})
    stream = [
        batch(
            "ecology.outfall_reading",
            at(600 * i),
            [{"device_id": "M1", "observed_at": at(600 * i), "cod_mg_l": 99999.0, "_flags": "out_of_range:cod_mg_l"}],
        )
        for i in range(3)
    ]
    opened = [c for c in fold(rules(), registry, stream) if c.change is Change.OPENED]
    assert [(c.rule_id, marks(c)) for c in opened] == [("outfall_cod", ["over_range"])]


@pytest.mark.case("live.B3")
@pytest.mark.parametrize("flag", ["device_fault:air_temperature_c", "out_of_range:air_temperature_c"])
def test_a_broken_probe_costs_itself(flag: str) -> None:
    value = None if flag.startswith("device_fault") else -127.0
    stream = [
        batch(
            "urban.gas_reading",
            at(i * 1.5),
            [
                {
                    "device_id": "D1",
                    "observed_at": at(i * 1.5),
                    "methane_pct_lel": 60.0,
                    "air_temperature_c": value,
                    "quality_flag": "normal",
                    "_flags": flag,
                }
            ],
        )
        for i in range(10)
    ]
    changes = [c for c in fold(rules(), Registry(SHAPES), stream) if c.rule_id == "gas_methane_lel"]
    assert [c.change for c in changes] == [Change.PENDING, Change.OPENED]
    assert not marks(changes[-1]), "the broken value is no part of this alert"


def test_over_range_on_the_safe_side_says_nothing() -> None:
    """It neither starts an alarm nor ends one."""
    flag = "out_of_range:methane_pct_lel"
    registry = Registry(SHAPES)
    assert not fold(rules(), registry, leak([-5.0] * 40, flag))
    stream = [*leak([60.0] * 9, ""), *(gas(at(20 + i), -5.0, flags=flag) for i in range(200))]
    assert [c.change for c in fold(rules(), registry, stream)] == [Change.PENDING, Change.OPENED]


def test_a_rule_of_several_metrics_of_which_one_is_null() -> None:
    """The gale's mean wind is gone, its gusts still alarm."""
    stream = [
        batch(
            "weather.observation",
            at(3600 * i),
            [{"station_id": "W1", "observed_at": at(3600 * i), "wind_speed_m_s": None, "gust_speed_m_s": 40.0}],
        )
        for i in range(3)
    ]
    opened = [c for c in fold(rules(), Registry(SHAPES), stream) if c.change is Change.OPENED]
    assert [(c.rule_id, c.colour) for c in opened] == [("weather_gale", "red")]


def test_an_unknown_word_of_quality_mutes_nothing() -> None:
    rows = [
        {"device_id": "D1", "observed_at": at(s), "methane_pct_lel": 60.0, "quality_flag": "??"}
        for s in range(0, 30, 5)
    ]
    stream = [batch("urban.gas_reading", at(5 * i), [row]) for i, row in enumerate(rows)]
    assert [c.change for c in fold(rules(), Registry(SHAPES), stream)] == [Change.PENDING, Change.OPENED]

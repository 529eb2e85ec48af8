"""Checks are derived from the contract and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from core.contract import Contract, Rule
from quality.checks import Check, UnknownRuleError, checks_of


def with_rules(contract: Contract, *rules: Rule) -> list[Check]:
    return [c for c in checks_of(replace(contract, rules=rules)) if c.id in {r.id for r in rules}]


def volume(contract: Contract, **limits: Any) -> Check:
    (check,) = with_rules(contract, Rule("volume", "rowCount", "error", limits))
    return check


def test_every_promise_of_every_contract_becomes_one_check(contracts: dict[str, Contract]) -> None:
    for contract in contracts.values():
        checks = checks_of(contract)
        assert len({c.id for c in checks}) == len(checks)
        assert {c.id for c in checks} >= {r.id for r in contract.rules}
        plain = [c for c in contract.landed_columns if c.mask == "none"]
        assert sum(c.kind == "not_null" for c in checks) == sum(c.required for c in contract.landed_columns)
        assert sum(c.kind == "allowed" for c in checks) == sum(bool(c.allowed) for c in plain)
        assert sum(c.kind == "pattern" for c in checks) == sum(bool(c.pattern) for c in plain)
        # What devices send is marked when it is out of range, and lands: it may be the danger.
        ranged = [c for c in plain if not contract.is_stream and (c.minimum is not None or c.maximum is not None)]
        assert sum(c.kind == "range" for c in checks) == len(ranged)


def test_a_hashed_column_keeps_only_its_presence(contracts: dict[str, Contract]) -> None:
    contract = contracts["housing.attendance"]
    person = replace(contract.column("person_id_no"), pattern="^[0-9]{17}[0-9X]$", allowed=("x",), minimum=1)
    checks = checks_of(
        replace(contract, columns=tuple(person if c.name == person.name else c for c in contract.columns))
    )
    assert [(c.id, c.column) for c in checks if c.column == "person_id_no_hash" and c.kind != "sum"] == [
        ("not_null_person_id_no", "person_id_no_hash")
    ]


def test_what_is_dropped_is_not_checked(contracts: dict[str, Contract]) -> None:
    contract = contracts["housing.attendance"]
    face = replace(contract.column("face_image"), required=True)
    columns = tuple(face if c.name == face.name else c for c in contract.columns)
    assert not [c for c in checks_of(replace(contract, columns=columns)) if "face_image" in c.id]


@pytest.mark.parametrize(
    ("limits", "low", "high", "expected"),
    [
        ({"mustBeBetween": [5, 20000]}, 5, 20000, "5 … 20000 rows"),
        ({"mustBe": 0}, 0, 0, "= 0 rows"),
        ({"mustBeGreaterThan": 9}, 10, None, "≥ 10 rows"),
        ({"mustBeGreaterOrEqualTo": 9}, 9, None, "≥ 9 rows"),
        ({"mustBeLessThan": 9}, None, 8, "≤ 8 rows"),
        ({"mustBeLessOrEqualTo": 9}, None, 9, "≤ 9 rows"),
    ],
)
def test_limits_of_a_count(
    contracts: dict[str, Contract], limits: dict[str, Any], low: float | None, high: float | None, expected: str
) -> None:
    check = volume(contracts["weather.station"], **limits)
    assert (check.low, check.high, check.expected) == (low, high, expected)
    for value in (low, high):
        assert value is None or check.admits(value)
    assert low is None or not check.admits(low - 1)
    assert high is None or not check.admits(high + 1)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (Rule("r", "entropy", "error", {}), "kind 'entropy' found"),
        (Rule("r", "rowCount", "error", {}), "say how many rows"),
        (Rule("r", "freshness", "error", {}), "needs a column with an event time"),
        (Rule("r", "distribution_drift", "error", {"column": "elevation_m", "max_shift_sd": 3}), "event time"),
        (Rule("r", "sum", "error", {"column": "elevation_m", "max_ratio": 3}), "event time"),
        (Rule("r", "reference", "error", {"feed": "a.b", "to": "c"}), "no 'column' given"),
        (Rule("r", "rowCount", "error", {"mustBe": 1, "max_missing_pct": 5}), "max_missing_pct found"),
    ],
)
def test_a_rule_that_no_check_can_stand_on_is_refused(contracts: dict[str, Contract], rule: Rule, said: str) -> None:
    with pytest.raises(UnknownRuleError, match=said) as refusal:
        with_rules(contracts["weather.station"], rule)
    assert "weather.station: rule r" in str(refusal.value)

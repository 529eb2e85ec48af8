"""Sources of rules: as well known as the row of the threshold, and what has been seen since is so marked."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.declarations import read_declaration
from orchestration.project import PROJECT, seed_folders


def rules() -> dict[str, dict[str, Any]]:
    """Every rule of every system by its id."""
    root = Path(__file__).resolve().parents[2] / "systems"
    return {
        name: rule
        for path in root.glob("*/*/rules.yaml")
        for name, rule in read_declaration(path, "rules")["rules"].items()
    }


def _graded() -> Iterator[tuple[str, str, str]]:
    for name, rule in rules().items():
        for condition in rule["conditions"]:
            own = {**rule["basis"], **condition.get("basis", {})}
            if "threshold" in condition:
                yield name, condition["threshold"], own["grade"]


def test_a_condition_is_as_well_known_as_its_threshold() -> None:
    (seed,) = [path for folder in seed_folders(PROJECT) for path in folder.rglob("thresholds.csv")]
    with seed.open(encoding="utf-8", newline="") as lines:
        known = {row["rule_id"]: row["evidence_grade"] for row in csv.DictReader(lines)}
    graded = list(_graded())
    assert len(graded) > 50
    assert [one for one in graded if known[one[1]] != one[2]] == []


@pytest.mark.parametrize(
    ("rule_id", "standard", "clause"),
    [
        ("fire_alarm", "GB/T 26875.3-2011", "8.2.1.2"),
        ("fire_confirmed", "GB 50116-2013", "4.1.6"),
        ("vehicle_sos", "JT/T 808-2013", "table 24"),
        ("driver_fatigue", "T/JSATL 12-2017", "table 4-17"),
    ],
)
def test_a_clause_that_was_seen_is_no_longer_unconfirmed(rule_id: str, standard: str, clause: str) -> None:
    basis = rules()[rule_id]["basis"]
    assert (basis["standard"], basis["clause"], basis["grade"]) == (standard, clause, "secondary")

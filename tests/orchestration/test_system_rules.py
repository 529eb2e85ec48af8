"""`rules.yaml` of a system and the tables that come of it."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

import pytest

from core.declarations import DeclarationError, seconds
from core.severity import COLOURS, RANKS
from core.system import SYSTEMS_ROOT, load_system
from orchestration.derive.rules import tables
from orchestration.system_check import check_folders

ROW = "gas_combustible_gas_detector_concentration_2"
RULES = """
version: "1"
rules:
  gas_methane:
    name: {zh: 甲烷, en: Methane}
    about: gas_space
    feeds: [urban.gas_reading]
    basis: {standard: GB/T 50493-2019, clause: "5.5.2", grade: secondary, source: design}
    hold: 10 s
    each: {metric: methane_pct_lel, unit: "%LEL", source_label: level, why: two levels}
    conditions:
      - {colour: yellow, at_least: 25, clears: 20}
      - {id: gas_methane_worst, colour: red, group: 2, above: {attribute: limit_pct, factor: 1.5},
         threshold: gas_combustible_gas_detector_concentration_2}
"""


@pytest.fixture
def gas(tmp_path: Path) -> Path:
    """The folder of one system with rules of one's own."""
    folder = tmp_path / "lifeline" / "gas"
    shutil.copytree(SYSTEMS_ROOT / "lifeline" / "gas", folder)
    (folder / "rules.yaml").write_text(RULES, encoding="utf-8")
    return folder


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    text = tables([load_system(folder)])[f"alert_{name}.csv"]
    return [{column: value for column, value in row.items() if value} for row in csv.DictReader(io.StringIO(text))]


def test_a_rule_and_its_conditions_are_rows(gas: Path) -> None:
    assert rows(gas, "rules") == [
        {
            "rule_id": "gas_methane",
            "name_zh": "甲烷",
            "name_en": "Methane",
            "domain": "lifeline",
            "subdomain": "gas",
            "object_type": "gas_space",
            "kind": "reading",
            "key": "device",
            "feeds": "urban.gas_reading",
            "is_member_only": "false",
            "hold_s": "10",
            "clear_s": "0",
            "clear_by": "reading",
            "max_late_s": "600",
            "standard": "GB/T 50493-2019",
            "clause": "5.5.2",
            "evidence_grade": "secondary",
            "source": "design",
            "version": "1",
        }
    ]
    common = {
        "rule_id": "gas_methane",
        "metric": "methane_pct_lel",
        "unit": "%LEL",
        "aggregate": "last",
        "source_label": "level",
        "basis": "two levels",
        "version": "1",
    }
    yellow, red = rows(gas, "conditions")
    assert yellow == {
        **common,
        "condition_id": "gas_methane_yellow",
        "group_no": "1",
        "colour": "yellow",
        "severity_rank": "2",
        "comparison": "ge",
        "threshold": "25",
        "clear_threshold": "20",
        "standard": "GB/T 50493-2019",
        "clause": "5.5.2",
        "evidence_grade": "secondary",
    }
    assert red == {  # its standard is that of its row of thresholds.csv
        **common,
        "condition_id": "gas_methane_worst",
        "group_no": "2",
        "colour": "red",
        "severity_rank": "4",
        "comparison": "gt",
        "limit_attribute": "limit_pct",
        "factor": "1.5",
        "threshold_id": ROW,
    }


def test_no_systems_no_rules() -> None:
    assert [text.count("\n") for text in tables([]).values()] == [1, 1]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("at_least: 25, ", "", r"rules.yaml: gas_methane: condition 1: no comparison found, expected one of at_least"),
        ("at_least: 25, ", "at_least: 25, below: 3, ", r"condition 1: at_least and below found"),
        ("metric: methane_pct_lel, ", "", r"condition 1: no metric; say it there or under `each`"),
        ("hold: 10 s", "hold: 10 seconds", r'rules.yaml:9: rules/gas_methane/hold: "10 seconds" does not match'),
        ("colour: yellow", "colour: pink", r"rules.yaml:12: rules/gas_methane/conditions/0"),
    ],
)
def test_a_slip_in_a_rule_is_said_with_its_place(gas: Path, before: str, after: str, said: str) -> None:
    assert before in RULES
    (gas / "rules.yaml").write_text(RULES.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(DeclarationError, match=said):
        rows(gas, "rules")
    faults, _ = check_folders(gas.parent.parent)
    assert len(faults) == 1


def test_a_rule_on_a_feed_that_nobody_has(gas: Path) -> None:
    (gas / "rules.yaml").write_text(RULES.replace("urban.gas_reading", "urban.gas"), encoding="utf-8")
    (fault,), n_checked = check_folders(gas.parent.parent)
    assert fault.startswith(f"{gas}/rules.yaml: gas_methane: feed 'urban.gas' has no contract; ")
    assert n_checked == 1


def test_durations_and_colours() -> None:
    assert [seconds(text) for text in ("10 s", "2 min", "3 h", "1 d")] == [10, 120, 10_800, 86_400]
    with pytest.raises(ValueError, match=r"'5 m' is no duration"):
        seconds("5 m")
    assert [COLOURS[rank] for rank in sorted(COLOURS)] == ["blue", "yellow", "orange", "red"]
    assert RANKS["red"] == 4


def test_what_nothing_reads_is_said(gas: Path) -> None:
    (gas / "rules.yaml").rename(gas / "rules.yml")
    (gas / "feeds" / "gas_reading.odcs.yaml").rename(gas / "feeds" / "gas_reading.odcs.yml")
    faults, _ = check_folders(gas.parent.parent)
    assert [fault.partition(":")[0] for fault in faults] == [
        f"{gas}/feeds/gas_reading.odcs.yml",
        f"{gas}/rules.yml",
        f"{gas}/system.yaml",  # its page shows a trend of that feed
    ]


def test_rules_are_judged_as_the_engine_will_read_them(gas: Path) -> None:
    (gas / "rules.yaml").write_text(RULES.replace(ROW, "no_such_row"), "utf-8")
    (fault,), _ = check_folders(gas.parent.parent)
    assert "'no_such_row' is no row of thresholds.csv" in fault


def test_an_owner_that_is_never_asked(gas: Path) -> None:
    path = gas / "system.yaml"
    path.write_text(path.read_text("utf-8").replace("owner: urban", "owner: transport"), "utf-8")
    (fault,), _ = check_folders(gas.parent.parent)
    assert "owner is 'transport', its feeds are of 'urban'" in fault

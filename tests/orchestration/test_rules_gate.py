"""Rules generations: published whole or not at all, newest counts, and what a person sees of them."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alerting.rules import RuleError
from alerting.rules.generations import generations, load_newest
from cli import app
from core.settings import Home
from orchestration.project import PROJECT
from orchestration.rules import RulesError, publish_rules, tables_of

AT = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


def over(folder: Path, name: str, **changes: str) -> Path:
    """A folder that holds one table of the seeds with its first row changed."""
    with tables_of(PROJECT)[name].open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    rows[0] |= changes
    with (folder / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def test_a_new_home_has_the_rules_of_the_seeds(home: Home) -> None:
    folder, is_new = publish_rules(home, AT)
    assert is_new
    assert folder.name == "20261122T040000000000"
    assert load_newest(home.root).generation == folder.name
    assert {path.name for path in folder.iterdir()} == set(tables_of(PROJECT))


def test_what_says_the_same_is_not_published_again(home: Home) -> None:
    folder, _ = publish_rules(home, AT)
    assert publish_rules(home, AT + timedelta(hours=1)) == (folder, False)


def test_a_changed_threshold_is_a_generation_of_its_own(home: Home, tmp_path: Path) -> None:
    publish_rules(home, AT)
    changed = over(tmp_path, "alert_rules.csv", hold_s="17")
    folder, is_new = publish_rules(home, AT + timedelta(hours=1), changed)
    assert is_new
    assert load_newest(home.root).generation == folder.name
    assert min(rule.hold_s for rule in load_newest(home.root).rules if rule.hold_s) <= 17
    assert len(generations(home.root)) == 2


@pytest.mark.parametrize(
    ("table", "changes", "named"),
    [
        ("alert_rules.csv", {"kind": "guess"}, "alert_rules.csv row 2, kind"),
        ("alert_rules.csv", {"name_zh": ""}, "alert_rules.csv row 2, name_zh"),
        ("alert_rules.csv", {"hold_s": "soon"}, "alert_rules.csv row 2, hold_s"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_and_nothing_changes(
    home: Home, tmp_path: Path, table: str, changes: dict[str, str], named: str
) -> None:
    folder, _ = publish_rules(home, AT)
    with pytest.raises(RuleError, match=named):
        publish_rules(home, AT + timedelta(hours=1), over(tmp_path, table, **changes))
    assert generations(home.root) == [folder]
    assert not list((home.root / "rules").glob(".*"))


def test_a_clock_that_went_back_is_told(home: Home, tmp_path: Path) -> None:
    publish_rules(home, AT)
    with pytest.raises(RulesError, match="set the clock right"):
        publish_rules(home, AT - timedelta(hours=1), over(tmp_path, "alert_rules.csv", hold_s="17"))


def test_rules_from_the_shell(home: Home) -> None:
    shell = CliRunner()
    assert shell.invoke(app, ["rules", "list"]).exit_code == 1  # none published yet
    assert shell.invoke(app, ["rules", "publish"]).exit_code == 0
    listed = shell.invoke(app, ["rules", "list", "--json"])
    assert listed.exit_code == 0, listed.output
    found = {row["rule_id"] for row in json.loads(listed.stdout)}
    assert {"gas_detector_silent", "vehicle_speeding", "fire_alarm"} <= found
    shown = shell.invoke(app, ["rules", "show", "vehicle_speeding", "--json"])
    assert shown.exit_code == 0, shown.output
    assert "vehicle_speeding" in shown.stdout
    assert shell.invoke(app, ["rules", "show", "no_such_rule"]).exit_code == 2

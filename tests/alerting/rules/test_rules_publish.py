"""Rules generations: published whole or not at all, newest counts, and the verbs that show them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alerting.rules import RuleError
from alerting.rules.generations import NoRulesError, generation_named, generations, load_newest
from cli import app
from core.settings import Home
from orchestration.rules import RulesError, publish_rules
from rule_parts import rules_folder, set_cell

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def test_the_newest_generation_counts_and_the_same_is_not_published_twice(home: Home, tmp_path: Path) -> None:
    with pytest.raises(NoRulesError, match="cityrisk rules publish"):
        load_newest(home.root)
    first, is_new = publish_rules(home, NOW)
    assert is_new
    assert publish_rules(home, NOW + timedelta(minutes=1)) == (first, False)
    other = rules_folder(tmp_path)
    set_cell(other, "alert_rules.csv", "gas_methane_lel", "hold_s", "20")
    second, is_new = publish_rules(home, NOW + timedelta(minutes=2), other)
    assert is_new
    assert load_newest(home.root).by_id["gas_methane_lel"].hold_s == 20
    assert load_newest(home.root).generation == second.name
    assert generations(home.root) == [first, second]
    assert generation_named(home.root, first.name) == first
    assert generation_named(home.root, "20200101T000000000000") is None


def test_tables_that_do_not_load_leave_the_last_good_ones(home: Home, tmp_path: Path) -> None:
    first, _ = publish_rules(home, NOW)
    broken = rules_folder(tmp_path)
    set_cell(broken, "alert_conditions.csv", "gas_methane_lel_red", "colour", "pink")
    with pytest.raises(RuleError, match="pink"):
        publish_rules(home, NOW + timedelta(minutes=1), broken)
    assert generations(home.root) == [first]
    assert [path.name for path in (home.root / "rules").iterdir()] == [first.name]


def test_a_clock_that_went_back_publishes_nothing(home: Home, tmp_path: Path) -> None:
    publish_rules(home, NOW)
    other = rules_folder(tmp_path)
    set_cell(other, "alert_rules.csv", "gas_methane_lel", "hold_s", "20")
    with pytest.raises(RulesError, match="set the clock right"):
        publish_rules(home, NOW - timedelta(days=1), other)


def test_the_verbs(home: Home, tmp_path: Path) -> None:
    run = CliRunner().invoke
    assert run(app, ["rules", "list"]).exit_code == 1
    assert run(app, ["rules", "publish"]).output.startswith("published 2")
    assert run(app, ["rules", "publish"]).output.startswith("nothing new")
    listed = run(app, ["rules", "list", "--feed", "fire.device_state"])
    assert "fire_alarm" in listed.output
    assert "gas_methane_lel" not in listed.output
    shown = run(app, ["rules", "show", "gas_methane_lel"])
    assert "methane_pct_lel ge 50.0 %LEL" in shown.output
    assert "GB/T 50493" in shown.output
    assert run(app, ["rules", "show", "no_such_rule"]).exit_code == 2
    unmatched = run(app, ["rules", "list", "--unmatched", "30", "--json"])
    assert "gas_methane_lel" in unmatched.output
    broken = rules_folder(tmp_path)
    set_cell(broken, "alert_rules.csv", "gas_methane_lel", "kind", "guess")
    refused = run(app, ["rules", "publish", "--from", str(broken)])
    assert refused.exit_code == 1
    assert "alert_rules.csv row 2, kind: 'guess'" in refused.output


def test_replay_on_a_home_without_rows_finds_nothing(home: Home, tmp_path: Path) -> None:
    run = CliRunner().invoke
    assert run(app, ["replay", "--from", "2026-06-01", "--to", "2026-06-02"]).exit_code == 1
    run(app, ["rules", "publish"])
    found = run(app, ["replay", "--from", "2026-06-01", "--to", "2026-06-02"])
    assert found.exit_code == 0, found.output
    assert "hits 0" in found.output
    assert run(app, ["replay", "--from", "2026-06-02", "--to", "2026-06-01"]).exit_code == 2
    table = tmp_path / "strange.csv"
    table.write_text("a\n1\n", encoding="utf-8")
    refused = run(app, ["replay", "--from", "2026-06-01", "--to", "2026-06-02", "--rules", str(table)])
    assert "strange.csv found, expected alert_rules.csv" in refused.output

"""The committed rule tables, and what loading says about broken ones."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from alerting.engine import Engine, Registry
from alerting.engine.limits import RuleLimits
from alerting.rules import RuleError, RuleSet, load_rules
from orchestration.project import PROJECT, table_of
from rule_parts import CONTRACTS, SHAPES, asset, batch, rules_folder, set_cell

GRADES = {"text read", "secondary", "unconfirmed", "design"}
PROBED = ("reading", "event")


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    return load_rules(rules_folder(tmp_path_factory.mktemp("tables")))


def test_every_condition_has_its_standard_clause_and_grade(rules: RuleSet) -> None:
    conditions = [c for rule in rules.rules for c in rule.conditions]
    assert len(conditions) > 150
    for c in conditions:
        assert "" not in (c.standard, c.clause, c.source_label), c.condition_id
        assert c.evidence_grade in GRADES, c.condition_id


def test_rules_read_columns_that_their_feeds_have(rules: RuleSet) -> None:
    contracts = CONTRACTS
    for rule in rules.rules:
        for feed_id in rule.feeds:
            names = {c.landed_name for c in contracts[feed_id].landed_columns}
            wanted = {c.metric for c in rule.conditions} if rule.kind in PROBED else set()
            wanted |= {n for n in (rule.part_column, rule.reset_when and rule.reset_when[0]) if n}
            assert wanted <= names, rule.rule_id
            assert (rule.domain, rule.subdomain) == (contracts[feed_id].domain, contracts[feed_id].subdomain) or (
                rule.kind == "silence"
            ), rule.rule_id


def test_register_attributes_and_their_words_exist(rules: RuleSet) -> None:
    """A limit or a word that no register has would never match, and nobody would notice."""
    registers = [c for c in CONTRACTS.values() if c.is_register]
    for rule in rules.rules:
        departments = {feed_id.partition(".")[0] for feed_id in rule.feeds}
        columns = {
            column.name: column for c in registers if c.department_code in departments for column in c.landed_columns
        }
        for c in rule.conditions:
            assert c.limit_attribute is None or c.limit_attribute in columns, c.condition_id
            for name, words in c.applies_to.items():
                allowed = columns[name].allowed
                assert not allowed or set(words) <= set(allowed), c.condition_id
        if rule.group_by:
            assert rule.group_by in columns, rule.rule_id


def test_all_live_feeds_are_watched(rules: RuleSet) -> None:
    watched = {feed_id for rule in rules.rules for feed_id in rule.feeds}
    assert {c.id for c in CONTRACTS.values() if c.is_stream} <= watched


def test_unconfirmed_numbers_travel_with_the_alert(rules: RuleSet) -> None:
    unconfirmed = [r for r in rules.rules if {c.evidence_grade for c in r.conditions} == {"unconfirmed"} and r.feeds]
    assert unconfirmed
    device = asset("urban:D", "urban:S", space_type="adjacent_space")
    engine = Engine(rules, Registry(SHAPES, {}, {device.id: device}))
    told = []
    for second in (0, 20):
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
        row = {"device_id": "D", "observed_at": at, "methane_pct_vol": 2.0}
        told += engine.fold(batch("urban.gas_reading", at, [row]))
    assert [(c.rule_id, c.evidence_grade) for c in told if c.change == "opened"] == [
        ("gas_adjacent_methane_vol", "unconfirmed")
    ]


def test_narrower_and_dated_overrides_win(tmp_path: Path) -> None:
    folder = rules_folder(tmp_path)
    header = (folder / "alert_overrides.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header.startswith("override_id,condition_id,scope,code,threshold,clear_threshold,valid_from,valid_to")
    lines = [
        header,
        "a,gas_methane_lel_red,city,420500,45,,,,local practice,art. 1,unconfirmed,test,1",
        "b,gas_methane_lel_red,area,420502,40,,,,local practice,art. 2,unconfirmed,test,1",
        "c,gas_methane_lel_red,object,urban:S,35,,2026-06-01,2026-06-30,local practice,art. 3,unconfirmed,test,1",
    ]
    (folder / "alert_overrides.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    rules = load_rules(folder)
    here = asset("urban:D", "urban:S", area_code="420502003")
    near = asset("urban:E", "urban:T", area_code="420503001")
    far = asset("urban:F", "urban:U", area_code="520302001")
    registry = Registry(SHAPES, {}, {t.id: t for t in (here, near, far)})
    limits = RuleLimits(rules.by_id["gas_methane_lel"], rules.overrides, registry)
    assert limits.is_dated

    def red(asset_id: str, on: date) -> tuple[float | None, str]:
        limit = limits.of(asset_id, on)[1]
        assert limit is not None
        return limit.threshold, limit.condition.clause

    june, july = date(2026, 6, 30), date(2026, 7, 1)
    assert red("urban:D", june) == (35.0, "art. 3")
    assert red("urban:D", july) == (40.0, "art. 2")
    assert red("urban:E", july) == (45.0, "art. 1")
    assert red("urban:F", july) == (50.0, "5.5.2")


def test_the_worst_level_may_be_called_one_or_two(rules: RuleSet) -> None:
    """Level 2 is the worse gas alarm (GB/T 50493), level 1 the worse one of lifelines: the rank decides."""
    by_rule = {
        rule_id: {c.source_label: c.rank for c in rules.by_id[rule_id].conditions}
        for rule_id in ("gas_methane_lel", "gas_adjacent_methane_vol")
    }
    assert by_rule["gas_methane_lel"] == {"1": 2, "2": 4}
    assert by_rule["gas_adjacent_methane_vol"] == {"yellow(3)": 2, "red(1)": 4}


def test_levels_of_bridges_run_both_ways() -> None:
    """In JT/T 1037 level 1 is the mildest class, in the lifeline project's documents the worst."""
    with table_of(PROJECT, "thresholds.csv").open(encoding="utf-8", newline="") as file:
        found = {row["rule_id"]: (float(row["threshold"]), row["severity_rank"]) for row in csv.DictReader(file)}
    lifeline = [found[f"bridge_bearing_reaction_drop_vs_base_{level}"] for level in (1, 2, 3)]
    jtt_1037 = [found[f"bridge_main_girder_or_cable_ratio_to_design_value_{level}"] for level in (1, 2, 3)]
    assert lifeline == [(15.0, "4"), (10.0, "3"), (5.0, "2")]
    assert jtt_1037 == [(0.8, "2"), (1.0, "3"), (1.2, "4")]


def test_a_worse_colour_lies_further_on_the_dangerous_side(rules: RuleSet) -> None:
    """Of the levels that compare the same thing for the same objects, whatever the standard calls them."""
    families: dict[tuple[object, ...], list[tuple[int, float]]] = defaultdict(list)
    for rule in rules.rules:
        alone = Counter((c.rank, c.group) for c in rule.conditions)
        for c in rule.conditions:
            number = c.threshold if c.limit_attribute is None else c.factor
            if number is None or alone[c.rank, c.group] > 1 or rule.kind in ("rollup", "composite"):
                continue
            key = (
                rule.rule_id,
                c.metric,
                c.comparison,
                c.aggregate,
                c.window_s,
                c.limit_attribute,
                c.offset,
                c.hours,
                tuple(sorted(c.applies_to.items())),
                c.active_above,
            )
            families[key].append((c.rank, number if c.comparison in ("ge", "gt") else -number))
    several = {key: sorted(levels) for key, levels in families.items() if len({rank for rank, _ in levels}) > 1}
    assert len(several) > 15
    for key, levels in several.items():
        numbers = [number for _, number in levels]
        assert numbers == sorted(set(numbers)), key


@pytest.mark.parametrize(
    ("table", "key", "column", "value", "said"),
    [
        ("alert_rules.csv", "gas_methane_lel", "hold_s", "soon", "alert_rules.csv row 2, hold_s: 'soon' is not"),
        ("alert_rules.csv", "gas_methane_lel", "hold_s", "-1", "expected a whole number from 0"),
        ("alert_rules.csv", "gas_methane_lel", "kind", "guess", "'guess' found, expected one of composite, event"),
        ("alert_rules.csv", "gas_methane_lel", "name_zh", "", "name_zh: empty"),
        ("alert_rules.csv", "gas_methane_lel", "valid_from", "June", "'June' is not a date"),
        ("alert_rules.csv", "gas_methane_lel", "n_of", "2", "expected both"),
        ("alert_rules.csv", "gas_methane_lel", "rule_id", "gas_other", "'gas_other' has no row in alert_conditions"),
        ("alert_rules.csv", "tailings_pond", "members", "tailings_pond", "looks at itself"),
        ("alert_rules.csv", "tailings_pond", "members", "nothing", "member 'nothing' is no rule"),
        ("alert_rules.csv", "gas_gateway_silent", "group_by", "", "needs group_by"),
        ("alert_rules.csv", "gas_detector_silent", "silence_s", "0", "needs feeds and silence_s"),
        ("alert_conditions.csv", "gas_methane_lel_red", "threshold_id", "gas_x", "'gas_x' is no row of thresholds.csv"),
        ("alert_conditions.csv", "gas_methane_lel_red", "colour", "pink", "'pink' found, expected one of"),
        ("alert_conditions.csv", "gas_methane_lel_red", "severity_rank", "1", "red is 4"),
        ("alert_conditions.csv", "gas_methane_lel_red", "clear_threshold", "55", "lies on the dangerous side"),
        ("alert_conditions.csv", "gas_methane_lel_red", "comparison", "in", "words are needed"),
        ("alert_conditions.csv", "gas_methane_lel_red", "aggregate", "sum", "needs window_minutes and bucket_minutes"),
        ("alert_conditions.csv", "gas_methane_lel_red", "hours", "night", "'night' is not a span of hours"),
        ("alert_conditions.csv", "gas_methane_lel_red", "applies_to", "indoor", "expected attribute=value"),
        ("alert_conditions.csv", "tunnel_sump_yellow", "standard", "", "standard: empty here and in its threshold row"),
        ("alert_conditions.csv", "tunnel_sump_yellow", "limit_attribute", "", "nothing to compare with"),
        ("alert_conditions.csv", "vehicle_fatigue_orange", "rest_minutes", "", "a run needs rest_minutes"),
        ("alert_overrides.csv", "tongzhou_rain_red", "condition_id", "no_such", "condition 'no_such' does not exist"),
        ("alert_overrides.csv", "tongzhou_rain_red", "clause", "", "clause: empty"),
    ],
)
def test_a_broken_row_is_named(tmp_path: Path, table: str, key: str, column: str, value: str, said: str) -> None:
    folder = rules_folder(tmp_path)
    set_cell(folder, table, key, column, value)
    with pytest.raises(RuleError) as caught:
        load_rules(folder)
    assert said in str(caught.value)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    folder = rules_folder(tmp_path)
    path = folder / "alert_rules.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row[:-1] for row in csv.reader(file)]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    with pytest.raises(RuleError, match="version: no such column"):
        load_rules(folder)


def test_what_decides_changes_the_fingerprint_and_nothing_else_does(tmp_path: Path) -> None:
    folder = rules_folder(tmp_path)
    before = {r.rule_id: r.fingerprint for r in load_rules(folder).rules}
    assert {r.rule_id: r.fingerprint for r in load_rules(folder).rules} == before
    threshold = "gas_combustible_gas_detector_concentration_2"
    set_cell(folder, "thresholds.csv", threshold, "evidence_grade", "text read")
    after = {r.rule_id: r.fingerprint for r in load_rules(folder).rules}
    assert {rule_id for rule_id in before if before[rule_id] != after[rule_id]} == {"gas_methane_lel"}

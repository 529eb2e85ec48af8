"""The rule tables in the warehouse: loaded as they stand, and every kind of broken row fails the build."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestration.build import ALL_HOLD, build
from orchestration.manifest import write_manifest
from orchestration.project import PROJECT, seed_folders, table_of
from rule_parts import set_cell
from warehouse.built import Warehouse, copy_project, open_warehouse

pytestmark = pytest.mark.slow

TABLES = ("alert_rules", "alert_conditions", "alert_overrides", "maintenance_windows", "thresholds", "colour_ranks")
CHECKS = ("alert_conditions_have_authority", "alert_rules_have_conditions")
KEYS_OF_METRIC = "key_holds_metric_metric"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A copy of the project, so that rows can be broken."""
    root = tmp_path_factory.mktemp("alert-seeds")
    project = copy_project(root)
    for name in (*CHECKS, ALL_HOLD):
        shutil.copy(PROJECT / "tests" / f"{name}.sql", project / "tests")
    warehouse = open_warehouse(root / "home", project)
    yield warehouse
    warehouse.engine.dispose()


@pytest.fixture
def failures(made: Warehouse) -> Iterator[Callable[[], set[str]]]:
    """Names of the data tests that fail for the tables as they stand now; afterwards they stand as committed again."""

    def failed() -> set[str]:
        write_manifest(made.home, made.engine, made.contracts, made.now, "run", "420500", False)
        result = build(made.home, full_refresh=True, select=(*TABLES, *CHECKS), project=made.project)
        tests = [node for node in result.nodes if node.name.startswith("test.")]
        assert len(tests) > 30 or not result.success
        return {node.name.split(".")[2] for node in result.nodes if node.status not in ("success", "pass", "skipped")}

    yield failed
    for given, broken in zip(seed_folders(PROJECT), seed_folders(made.project), strict=True):
        shutil.copytree(given, broken, dirs_exist_ok=True)


def test_all_rows_load_and_hold(made: Warehouse, failures: Callable[[], set[str]]) -> None:
    assert failures() == set()
    for name in TABLES[:2]:
        with table_of(PROJECT, f"{name}.csv").open(encoding="utf-8", newline="") as file:
            n = len(list(csv.DictReader(file)))
        (schema,) = made.ask(f"select table_schema from information_schema.tables where table_name = '{name}'")[0]
        assert made.ask(f"select count(*) from {schema}.{name}") == [(n,)]


BROKEN = [
    ("alert_rules", "gas_methane_lel", "clause", "", "not_null_alert_rules_clause"),
    ("alert_rules", "site_noise", "rule_id", "site_pm10", "unique_alert_rules_rule_id"),
    ("alert_rules", "river_level", "evidence_grade", "surely", "accepted_values_alert_rules_evidence_grade"),
    ("alert_rules", "tailings_beach", "members", "", "alert_rules_have_conditions"),
    ("alert_conditions", "gas_methane_lel_red", "rule_id", "gas", "relationships_alert_conditions_rule_id"),
    ("alert_conditions", "gas_methane_lel_red", "threshold_id", "gas", "relationships_alert_conditions_threshold"),
    ("alert_conditions", "gas_methane_lel_red", "comparison", "near", "accepted_values_alert_conditions_comparison"),
    ("alert_conditions", "tunnel_sump_yellow", "standard", "", "alert_conditions_have_authority"),
    ("alert_overrides", "tongzhou_rain_red", "condition_id", "rain", "relationships_alert_overrides_condition_id"),
]


def test_every_broken_row_fails_the_build(made: Warehouse, failures: Callable[[], set[str]]) -> None:
    for table, key, column, value, _ in BROKEN:
        set_cell(table_of(made.project, f"{table}.csv").parent, f"{table}.csv", key, column, value)
    found = failures()
    assert {check for *_, check in BROKEN if not any(name.startswith(check) for name in found)} == set()


def test_a_whole_build_asks_of_all_tests_at_once_and_names_those_that_fail(
    made: Warehouse, failures: Callable[[], set[str]]
) -> None:
    write_manifest(made.home, made.engine, made.contracts, made.now, "run", "420500", False)
    for table, key, column, value, _ in BROKEN:
        set_cell(table_of(made.project, f"{table}.csv").parent, f"{table}.csv", key, column, value)
    model = made.project / "models" / "core" / "metric.sql"
    text = model.read_text("utf-8")
    model.write_text(f"with twice as ({text})\nselect * from twice union all select * from twice", "utf-8")
    try:
        broken = build(made.home, full_refresh=True, project=made.project)
    finally:
        model.write_text(text, "utf-8")
    found = {node.name.split(".")[2] for node in broken.nodes if node.status == "fail"}
    expected = {check for *_, check in BROKEN} | {KEYS_OF_METRIC}
    assert not broken.success
    assert {check for check in expected if not any(name.startswith(check) for name in found)} == set()
    assert {name for name in found if not name.startswith(tuple(expected))} == set()
    assert not broken.success


def test_a_rank_that_is_not_its_colours_fails_the_build(made: Warehouse, failures: Callable[[], set[str]]) -> None:
    folder = table_of(made.project, "alert_conditions.csv").parent
    set_cell(folder, "alert_conditions.csv", "gas_methane_lel_red", "severity_rank", "1")
    assert failures() == {"alert_conditions_have_authority"}


def test_the_tables_of_the_engine_are_the_seeds() -> None:
    """What alerting loads and what the warehouse shows are one file each."""
    assert len([table_of(PROJECT, f"{name}.csv") for name in TABLES[:4]]) == 4
    assert not list(Path(PROJECT / "models").rglob("*alert_rule*")), "the warehouse computes no rule"

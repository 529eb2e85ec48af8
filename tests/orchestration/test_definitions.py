"""The Dagster graph is what the contracts say, and its steps run."""

from __future__ import annotations

import os
from datetime import date, timedelta

import dagster as dg
import pytest

from core.catalogue import load_contracts
from core.settings import Home
from orchestration.definitions import definitions
from orchestration.feed_assets import cron_of, feed_asset, feed_checks, feed_job_name, feed_key
from orchestration.stream_assets import EPISODES
from orchestration.warehouse_assets import PUBLISHED, WAREHOUSE_JOB
from quality.checks import checks_of

pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning", "ignore::dagster.PreviewWarning")


@pytest.fixture(scope="module")
def repository() -> dg.RepositoryDefinition:
    return definitions().get_repository_def()


def test_every_contract_is_an_asset_with_its_checks_job_and_trigger(repository: dg.RepositoryDefinition) -> None:
    contracts = load_contracts()
    triggers = {s.name for s in repository.schedule_defs} | {s.name for s in repository.sensor_defs}
    checks = {(key.asset_key, key.name) for key in repository.asset_graph.asset_check_keys}
    for contract in contracts.values():
        assert feed_key(contract) in repository.assets_defs_by_key
        assert {(feed_key(contract), check.id) for check in checks_of(contract)} <= checks
        if contract.is_stream:  # intake fills it, no run does
            assert not repository.assets_defs_by_key[feed_key(contract)].is_materializable
            continue
        assert repository.has_job(feed_job_name(contract))
        assert triggers & {f"{contract.slug}__schedule", f"{contract.slug}__drop"}


@pytest.mark.case("engineer.12")
def test_lineage_is_that_of_the_models_with_their_descriptions(repository: dg.RepositoryDefinition) -> None:
    graph = repository.asset_graph
    assert graph.get(dg.AssetKey(["staging", "stg_urban__pipe"])).parent_keys == {dg.AssetKey(["urban", "pipe"])}
    assert dg.AssetKey(["core", "risk_object"]) in graph.get(dg.AssetKey(["mart", "risk_object"])).parent_keys
    assert EPISODES in graph.get(dg.AssetKey(["mart", "alert"])).parent_keys
    every = set(graph.get_all_asset_keys())
    feeds = {feed_key(c) for c in load_contracts().values()}
    for key in PUBLISHED:
        assert graph.get(key).description
        assert not graph.get(key).parent_keys & feeds
    assert all(graph.get(key).parent_keys <= every for key in every)
    read = {parent for key in every for parent in graph.get(key).parent_keys if key.path[0] == "staging"}
    assert read == feeds
    assert repository.has_job(WAREHOUSE_JOB)


def test_facts_have_daily_partitions_and_backfill_in_one_run(repository: dg.RepositoryDefinition) -> None:
    for contract in (c for c in load_contracts().values() if not c.is_stream):
        node = repository.asset_graph.get(feed_key(contract))
        assert node.is_partitioned is not contract.is_register
        if node.is_partitioned:
            assert node.backfill_policy == dg.BackfillPolicy.single_run()


@pytest.mark.parametrize(
    ("cadence", "pattern"),
    [
        (timedelta(minutes=5), r"\*/5 \* \* \* \*"),
        (timedelta(hours=1), r"\d+ \* \* \* \*"),
        (timedelta(hours=6), r"\d+ \*/6 \* \* \*"),
        (timedelta(days=1), r"\d+ 1 \* \* \*"),
        (timedelta(days=7), r"\d+ 1 \* \* 1"),
        (timedelta(days=30), r"\d+ 1 1 \* \*"),
    ],
)
def test_the_schedule_is_the_cadence(cadence: timedelta, pattern: str) -> None:
    import re
    from dataclasses import replace

    contract = replace(load_contracts()["weather.observation"], cadence=cadence)
    assert re.fullmatch(pattern, cron_of(contract))


def test_an_unreachable_department_fails_its_own_asset(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    contract = load_contracts()["emergency.tailings_point"]
    monkeypatch.setenv("CITYRISK_EMERGENCY_DROP", str(home.root / "nowhere"))
    assert os.environ["CITYRISK_HOME"] == str(home.root)
    (home.root / "nowhere" / "point").mkdir(parents=True)
    asset = feed_asset(contract, date(2026, 6, 1), dg.RetryPolicy(max_retries=1, delay=0))
    assert dg.materialize([asset], raise_on_error=False).success
    monkeypatch.delenv("CITYRISK_EMERGENCY_DROP")
    with dg.DagsterInstance.ephemeral() as instance:
        failed = dg.materialize([asset], raise_on_error=False, instance=instance)
    assert not failed.success


def test_thirty_days_are_one_run_and_its_checks_tell_their_verdicts(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    contracts = load_contracts()
    contract = contracts["emergency.tailings_reading"]
    drop = home.root / "drop" / "reading"
    drop.mkdir(parents=True)
    header = ",".join(column.physical_name for column in contract.columns)
    rows = [f"P1,2026-06-{day:02d} 08:00:00,82.1,6.4,88.5,12.5,105.3,0.0,正常" for day in range(1, 31)]
    (drop / "june.csv").write_bytes("\n".join([header, *rows, ""]).encode("gb18030"))
    monkeypatch.setenv("CITYRISK_EMERGENCY_DROP", str(drop.parent))
    june = {"dagster/asset_partition_range_start": "2026-06-01", "dagster/asset_partition_range_end": "2026-06-30"}
    with dg.DagsterInstance.ephemeral() as instance:
        run = dg.materialize(
            [feed_asset(contract, date(2026, 6, 1)), feed_checks(contract, contracts)],
            instance=instance,
            tags=june,
            raise_on_error=False,
        )
    event = run.asset_materializations_for_node("emergency__tailings_reading")[0]
    assert event.metadata["dagster/row_count"].value == 30
    verdicts = {evaluation.check_name: evaluation.passed for evaluation in run.get_asset_check_evaluations()}
    assert verdicts.keys() == {check.id for check in checks_of(contract)}
    assert [name for name, passed in verdicts.items() if not passed] == ["reference_point_id", "freshness"]


@pytest.mark.case("engineer.1", "engineer.12")
def test_a_refused_delivery_fails_its_run_and_no_verdict_is_no_pass(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    contracts = load_contracts()
    contract = contracts["emergency.tailings_reading"]
    drop = home.root / "drop" / "reading"
    drop.mkdir(parents=True)
    header = ",".join(["测点号", *(column.physical_name for column in contract.columns[1:])])
    row = "P1,2026-06-01 08:00:00,82.1,6.4,88.5,12.5,105.3,0.0,正常"
    (drop / "june.csv").write_bytes(f"{header}\n{row}\n".encode("gb18030"))
    monkeypatch.setenv("CITYRISK_EMERGENCY_DROP", str(drop.parent))
    assets = [feed_asset(contract, date(2026, 6, 1)), feed_checks(contract, contracts)]
    day = "2026-06-01"
    with dg.DagsterInstance.ephemeral() as instance:
        failed = dg.materialize(assets, instance=instance, partition_key=day, raise_on_error=False)
        assert not failed.success
        assert not failed.asset_materializations_for_node("emergency__tailings_reading")
        again = dg.materialize(assets, instance=instance, partition_key=day, raise_on_error=False)
    checks = {e.check_name: e for e in again.get_asset_check_evaluations()}
    assert {name for name, found in checks.items() if found.passed} == set()
    assert checks["rows_refused"].severity == dg.AssetCheckSeverity.ERROR
    assert not again.success


@pytest.mark.case("engineer.12")
def test_checks_that_hold_a_batch_are_marked_as_blocking(repository: dg.RepositoryDefinition) -> None:
    for contract in load_contracts().values():
        for check in checks_of(contract):
            spec = repository.asset_graph.get_check_spec(dg.AssetCheckKey(feed_key(contract), check.id))
            assert spec.blocking is (check.severity == "error")
            assert check.kind in str(spec.description)

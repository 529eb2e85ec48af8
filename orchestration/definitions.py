"""The Dagster graph, made from the contracts: one asset per feed, the warehouse, and what it publishes.

Load with `dagster dev -m orchestration.definitions`. Loading reads contracts, dbt models and the first day that has
landed; keys are opened inside a run. Alerts never pass through a run (docs/adr/0003-stream.md).
"""

import os
from datetime import UTC, datetime

import dagster as dg

from core.catalogue import load_contracts
from core.civil_time import CIVIL_ZONE
from core.contract import Contract
from core.settings import open_home
from core.store import database
from core.store.ledger import read_cursor
from core.system import systems_root
from ingest.connect.files import pending
from orchestration.feed_assets import (
    feed_asset,
    feed_checks,
    feed_job_name,
    feed_key,
    feed_schedule,
)
from orchestration.lineage import read_models
from orchestration.partitions import first_day
from orchestration.project import open_project
from orchestration.shell_reports import shell_sensor
from orchestration.stream_assets import episode_spec, report_sensor, stream_spec
from orchestration.warehouse_assets import (
    WAREHOUSE_JOB,
    built_keys,
    hourly_build,
    landed_sensor,
    view_specs,
    warehouse_asset,
)


@dg.definitions
def definitions() -> dg.Definitions:
    """Every asset, check, job, schedule and sensor of this checkout's contracts."""
    contracts = load_contracts(systems_root(os.environ))
    feeds = list(contracts.values())
    home = open_home(os.environ)
    start = first_day(home, datetime.now(UTC))
    with open_project(home) as project:
        models = read_models(project)
    pulled, streams = [c for c in feeds if not c.is_stream], [c for c in feeds if c.is_stream]
    return dg.Definitions(
        assets=[
            *(feed_asset(c, start) for c in pulled),
            *(stream_spec(c) for c in streams),
            episode_spec(feeds),
            *view_specs(models, contracts),
            warehouse_asset(models, contracts),
        ],
        asset_checks=[feed_checks(c, contracts) for c in feeds],
        jobs=[
            *(dg.define_asset_job(feed_job_name(c), dg.AssetSelection.assets(feed_key(c))) for c in pulled),
            dg.define_asset_job(WAREHOUSE_JOB, dg.AssetSelection.assets(*built_keys(models))),
        ],
        schedules=[*(feed_schedule(c) for c in feeds if c.server.kind in ("api", "sql")), hourly_build()],
        sensors=[
            *(drop_sensor(c) for c in feeds if c.server.kind == "files"),
            landed_sensor(contracts),
            report_sensor(contracts),
            shell_sensor(contracts),
        ],
        executor=dg.in_process_executor,
    )


def drop_sensor(contract: Contract) -> dg.SensorDefinition:
    """Look at a file drop; ask for a pull when it holds files that have not landed."""

    @dg.sensor(
        name=f"{contract.slug}__drop",
        job_name=feed_job_name(contract),
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def look(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        home = open_home(os.environ)
        with database.opened(home.ops_url) as engine:
            waiting = pending(contract, home, read_cursor(engine, contract.id))
        if not waiting:
            return dg.SkipReason("no new files")
        today = f"{datetime.now(CIVIL_ZONE):%Y-%m-%d}"
        return dg.RunRequest(partition_key=None if contract.is_register else today)

    return look

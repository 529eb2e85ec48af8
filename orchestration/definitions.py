"""The Dagster graph, made from the contracts: one asset per feed, the warehouse, and what it publishes.

Load with `dagster dev -m orchestration.definitions`. Reading contracts is all that happens at load; homes, keys and
stores are opened inside a run. Alerts never pass through a run (docs/adr/0003-stream.md).
"""

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import sqlalchemy as sa

from ingest import ops
from ingest.catalogue import CONTRACT_ROOT, load_contracts
from ingest.connect.files import pending
from ingest.contract import Contract
from ingest.landing import read_cursor
from ingest.settings import open_home
from orchestration import batch as batches
from orchestration.feed_assets import (
    feed_asset,
    feed_checks,
    feed_job_name,
    feed_key,
    feed_schedule,
)
from orchestration.publish import PUBLISHED_TABLES, audit
from orchestration.stream_assets import EPISODES, episode_spec, report_sensor, stream_spec

WAREHOUSE_JOB = "warehouse__build"
PUBLISHED = [dg.AssetKey(["mart", table]) for table in PUBLISHED_TABLES]


@dg.definitions
def definitions() -> dg.Definitions:
    """Every asset, check, job, schedule and sensor of this checkout's contracts."""
    contracts = load_contracts(Path(os.environ.get("CITYRISK_CONTRACTS") or CONTRACT_ROOT))
    feeds = list(contracts.values())
    pulled, streams = [c for c in feeds if not c.is_stream], [c for c in feeds if c.is_stream]
    return dg.Definitions(
        assets=[
            *(feed_asset(c) for c in pulled),
            *(stream_spec(c) for c in streams),
            episode_spec(feeds),
            warehouse_asset(contracts),
        ],
        asset_checks=[feed_checks(c, contracts) for c in feeds if c.rules],
        jobs=[
            *(dg.define_asset_job(feed_job_name(c), dg.AssetSelection.assets(feed_key(c))) for c in pulled),
            dg.define_asset_job(WAREHOUSE_JOB, dg.AssetSelection.assets(*PUBLISHED)),
        ],
        schedules=[*(feed_schedule(c) for c in feeds if c.server.kind in ("api", "sql")), hourly_build()],
        sensors=[
            *(drop_sensor(c) for c in feeds if c.server.kind == "files"),
            landed_sensor(),
            report_sensor(contracts),
        ],
        executor=dg.in_process_executor,
    )


def warehouse_asset(contracts: Mapping[str, Contract]) -> dg.AssetsDefinition:
    """Check, admit, build, audit and publish: one step, since only one process may write the warehouse.

    It reads what the ledger calls admitted, so a feed that failed does not stop the others.
    """

    @dg.multi_asset(
        name="warehouse",
        specs=[
            dg.AssetSpec(key, group_name="mart", deps=[*(feed_key(c) for c in contracts.values()), EPISODES])
            for key in PUBLISHED
        ],
        can_subset=False,
    )
    def build(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        home = open_home(os.environ)
        batch = batches.Batch(
            home,
            ops.open_ops(home.ops_url),
            contracts,
            context.run.run_id,
            lambda: datetime.now(UTC),
            home.environment.get("CITYRISK_CITY_CODE", "420500"),
        )
        result = batches.BatchResult(context.run.run_id)
        with batches.only_run(home):
            batches.check(batch, result)
            batches.build_and_publish(batch, result)
        counts = audit(home.mart)
        for table, key in zip(PUBLISHED_TABLES, PUBLISHED, strict=True):
            yield dg.MaterializeResult(
                asset_key=key,
                metadata={
                    "dagster/row_count": counts[table],
                    "generation": result.generation.name if result.generation else "unchanged",
                    "held": ", ".join(result.held) or "none",
                },
            )

    return build


def hourly_build() -> dg.ScheduleDefinition:
    """Feed health ages even when nothing lands."""
    return dg.ScheduleDefinition(
        name="warehouse__schedule",
        job_name=WAREHOUSE_JOB,
        cron_schedule="0 * * * *",
        execution_timezone="Asia/Shanghai",
    )


def drop_sensor(contract: Contract) -> dg.SensorDefinition:
    """Look at a file drop; ask for a pull when it holds files that have not landed."""

    @dg.sensor(name=f"{contract.slug}__drop", job_name=feed_job_name(contract), minimum_interval_seconds=60)
    def look(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        home = open_home(os.environ)
        waiting = pending(contract, home, read_cursor(ops.open_ops(home.ops_url), contract.id))
        if not waiting:
            return dg.SkipReason("no new files")
        today = f"{datetime.now(batches.CIVIL_ZONE):%Y-%m-%d}"
        return dg.RunRequest(partition_key=None if contract.is_register else today)

    return look


def landed_sensor() -> dg.SensorDefinition:
    """Ask for a build when batches wait in the ledger."""

    @dg.sensor(name="warehouse__landed", job_name=WAREHOUSE_JOB, minimum_interval_seconds=30)
    def look(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        home = open_home(os.environ)
        with ops.open_ops(home.ops_url).connect() as connection:
            newest = connection.execute(
                sa.select(sa.func.max(ops.batch.c.received_at)).where(ops.batch.c.state == "landed")
            ).scalar()
        if newest is None or str(newest) == context.cursor:
            return dg.SkipReason("nothing waits")
        context.update_cursor(str(newest))
        return dg.RunRequest()

    return look

"""The warehouse as one Dagster step, and when it is built: after what was fetched, and after what devices said."""

import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import dagster as dg
import sqlalchemy as sa

from core.civil_time import CIVIL_ZONE_NAME
from core.contract import Contract
from core.settings import open_home
from core.store import database, tables
from orchestration import batch as batches
from orchestration.feed_assets import feed_key
from orchestration.graph_upkeep import KEEP, OVER, forget_history
from orchestration.lineage import Model
from orchestration.publish import PUBLISHED_TABLES, audit
from orchestration.stream_assets import EPISODES

WAREHOUSE_JOB = "warehouse__build"
PUBLISHED = [dg.AssetKey(["mart", table]) for table in PUBLISHED_TABLES]
ALERT_TABLES = "alert"  # how tables of the ops store begin that alerting writes
LOOK_EVERY_S = 30
# Devices speak all the time: what they said waits this long for a build, so that builds do not follow one another.
STREAM_BUILD_EVERY = timedelta(minutes=10)
_UNDER_WAY = [status for status in dg.DagsterRunStatus if status not in OVER]
WAIT_FOR_RUN_S = 900.0  # a batch from a shell holds the home for minutes, not for hours


def model_key(model: Model) -> dg.AssetKey:
    """`mart_risk_object` → asset `mart/risk_object`."""
    return dg.AssetKey([model.layer, model.table])


def built_keys(models: Mapping[str, Model]) -> list[dg.AssetKey]:
    """What a build writes as tables, each after those that it reads."""
    return [model_key(model) for model in models.values() if not model.is_view]


def view_specs(models: Mapping[str, Model], contracts: Mapping[str, Contract]) -> list[dg.AssetSpec]:
    """Views between the landed files and the tables: nothing writes them, they stand for the lineage."""
    return [_spec(model, models, contracts) for model in models.values() if model.is_view]


def _spec(model: Model, models: Mapping[str, Model], contracts: Mapping[str, Contract]) -> dg.AssetSpec:
    feeds = {contract.slug: contract for contract in contracts.values()}
    deps = [
        *(model_key(models[name]) for name in model.models),
        *(feed_key(feeds[s]) for s in model.feeds if s in feeds),
    ]
    if any(table.startswith(ALERT_TABLES) for table in model.ops):
        deps.append(EPISODES)
    return dg.AssetSpec(
        model_key(model),
        deps=deps,
        group_name=model.layer,
        description=model.description,
        skippable=not model.is_view,
        kinds={"dbt", "view" if model.is_view else "table"},
    )


def warehouse_asset(models: Mapping[str, Model], contracts: Mapping[str, Contract]) -> dg.AssetsDefinition:
    """Restore, check, admit, build, audit, publish, upkeep: one step, since one process may write the warehouse.

    It reads what the ledger calls admitted, so a feed that failed does not stop the others.
    """

    @dg.multi_asset(
        name="warehouse",
        specs=[_spec(model, models, contracts) for model in models.values() if not model.is_view],
        can_subset=False,
    )
    def build(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        home = open_home(os.environ)
        city_code = home.environment.get("CITYRISK_CITY_CODE", "420500")
        with database.opened(home.ops_url) as engine:
            batch = batches.Batch(home, engine, contracts, context.run.run_id, lambda: datetime.now(UTC), city_code)
            result = batches.run_batch(batch, select=(), wait_s=WAIT_FOR_RUN_S)
        forget_history(context.instance, datetime.now(UTC) - KEEP)
        counts = audit(home.mart)
        for key in built_keys(models):
            if key in PUBLISHED:
                said: dict[str, str | int] = {
                    "dagster/row_count": counts[key.path[-1]],
                    "generation": result.generation.name if result.generation else "unchanged",
                    "held": ", ".join(result.held) or "none",
                }
                yield dg.MaterializeResult(asset_key=key, metadata=said)
            elif result.built:
                yield dg.MaterializeResult(asset_key=key)

    return build


def hourly_build() -> dg.ScheduleDefinition:
    """Feed health ages even when nothing lands."""

    @dg.schedule(
        name="warehouse__schedule",
        job_name=WAREHOUSE_JOB,
        cron_schedule="0 * * * *",
        execution_timezone=CIVIL_ZONE_NAME,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def ask(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return dg.SkipReason("a build is under way") if _is_building(context.instance) else dg.RunRequest()

    return ask


def landed_sensor(contracts: Mapping[str, Contract]) -> dg.SensorDefinition:
    """Ask for a build when batches wait in the ledger: of fetched feeds at once, of streams every ten minutes."""
    streams = [contract.id for contract in contracts.values() if contract.is_stream]

    @dg.sensor(
        name="warehouse__landed",
        job_name=WAREHOUSE_JOB,
        minimum_interval_seconds=LOOK_EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def look(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        with database.opened(open_home(os.environ).ops_url) as engine:
            fetched, pushed = (_newest_waiting(engine, streams, is_stream) for is_stream in (False, True))
        asked: dict[str, str] = json.loads(context.cursor or "{}")
        now = datetime.now(UTC)
        is_rested = not asked or now - datetime.fromisoformat(asked["at"]) >= STREAM_BUILD_EVERY
        is_due = fetched > asked.get("fetched", "") or (is_rested and pushed > asked.get("pushed", ""))
        if not is_due:
            return dg.SkipReason("nothing waits, or only what devices said since the last build a moment ago")
        if _is_building(context.instance):
            return dg.SkipReason("a build is under way")
        context.update_cursor(json.dumps({"fetched": fetched, "pushed": pushed, "at": now.isoformat()}))
        return dg.RunRequest()

    return look


def _newest_waiting(engine: sa.Engine, streams: list[str], is_stream: bool) -> str:
    """When the newest batch came that no check has seen yet, '' for none."""
    batch = tables.batch.c
    whose = batch.feed_id.in_(streams) if is_stream else batch.feed_id.not_in(streams)
    with engine.connect() as connection:
        query = sa.select(sa.func.max(batch.received_at)).where(batch.state == "landed", whose)
        newest = connection.scalar(query)
    return newest.isoformat() if newest else ""


def _is_building(instance: dg.DagsterInstance) -> bool:
    return bool(instance.get_runs(filters=dg.RunsFilter(job_name=WAREHOUSE_JOB, statuses=_UNDER_WAY), limit=1))

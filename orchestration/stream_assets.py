"""Streams and alerts as assets that others fill: what intake and alerting did, reported by a sensor without any run.

Nothing that must alert passes through a run (docs/adr/0003-stream.md); the graph only shows what the processes say of
themselves in the ops store.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any

import dagster as dg
import sqlalchemy as sa

from core.contract import Contract
from core.settings import open_home
from core.store import database, tables
from orchestration.feed_assets import feed_key

EPISODES = dg.AssetKey(["alerting", "episode"])
REPORT_EVERY_S = 120  # each report stays in Dagster's history for days; nobody waits for it
NEVER = ""  # where alerting has not begun


def stream_spec(contract: Contract) -> dg.AssetSpec:
    """One feed that devices push: intake lands it, the sensor says how far it is."""
    return dg.AssetSpec(
        feed_key(contract),
        group_name=contract.department_code,
        description=f"{contract.name_zh} / {contract.name_en}: {contract.grain}",
        owners=[f"team:{contract.owner}"],
        kinds={"stream", contract.server.dialect},
        metadata={"contract_version": contract.version, "drift_mode": contract.drift_mode},
        freshness_policy=dg.FreshnessPolicy.time_window(
            fail_window=contract.silent_after, warn_window=contract.late_after
        ),
    )


def episode_spec(feeds: Iterable[Contract]) -> dg.AssetSpec:
    """What the rule engine made of all readings; dbt loads it and computes none of it."""
    return dg.AssetSpec(
        EPISODES,
        deps=[feed_key(contract) for contract in feeds],
        group_name="alerting",
        description="告警时段 / Episodes: stretches of time in which a rule held, as alerting computed them live",
        kinds={"stream"},
    )


def report_sensor(contracts: Mapping[str, Contract]) -> dg.SensorDefinition:
    """Say what landed and what alerted since the last look; asks for no run."""

    @dg.sensor(
        name="stream__report",
        minimum_interval_seconds=REPORT_EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def report(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        home = open_home(os.environ)
        seen: dict[str, Any] = json.loads(context.cursor or "{}")
        with database.opened(home.ops_url) as engine, engine.connect() as connection:
            events = [*_feeds(connection, contracts, seen), *_episodes(connection, seen)]
        if not events:
            return dg.SkipReason("nothing came since the last look")
        return dg.SensorResult(asset_events=events, cursor=json.dumps(seen))

    return report


def _feeds(
    connection: sa.Connection, contracts: Mapping[str, Contract], seen: dict[str, Any]
) -> list[dg.AssetMaterialization]:
    """Feeds whose row intake has written since the last look; counts are those since then."""
    events = []
    for row in connection.execute(sa.select(tables.stream_progress).order_by(tables.stream_progress.c.feed_id)):
        contract, before = contracts.get(row.feed_id), seen.get(row.feed_id, {})
        if contract is None or before.get("at") == row.updated_at.isoformat():
            continue
        counts = {name: getattr(row, name) for name in ("rows_landed", "rows_quarantined", "rows_ignored", "late")}
        since = {name: count - before.get(name, 0) for name, count in counts.items()}
        metadata: dict[str, Any] = {"dagster/row_count": since.pop("rows_landed"), **since, "lag_messages": row.lag}
        if row.watermark_at is not None:
            metadata["watermark"] = dg.MetadataValue.timestamp(row.watermark_at)
            metadata["behind_s"] = round((row.updated_at - row.watermark_at).total_seconds(), 3)
        events.append(dg.AssetMaterialization(feed_key(contract), metadata=metadata))
        seen[row.feed_id] = {"at": row.updated_at.isoformat(), **counts}
    return events


def _episodes(connection: sa.Connection, seen: dict[str, Any]) -> list[dg.AssetMaterialization]:
    """Changes of alerts since the last look, and how far alerting is behind the stream."""
    event = tables.alert_event.c
    last, newest = seen.get("alert_event", 0), connection.scalar(sa.select(sa.func.max(event.event_id))) or 0
    position = connection.execute(sa.select(tables.alert_position)).first()
    moved = position.moved_at.isoformat() if position else NEVER
    if newest == last and seen.get("alert_position", NEVER) == moved:
        return []
    kinds = connection.execute(
        sa.select(event.kind, sa.func.count())
        .where(event.event_id > last, event.event_id <= newest)
        .group_by(event.kind)
    )
    metadata: dict[str, Any] = {f"changes_{kind}": count for kind, count in kinds}
    metadata["episodes"] = connection.scalar(sa.select(sa.func.count()).select_from(tables.member)) or 0
    metadata["open_alerts"] = (
        connection.scalar(
            sa.select(sa.func.count()).select_from(tables.alert).where(tables.alert.c.state.in_(tables.OPEN_STATES))
        )
        or 0
    )
    if position is not None:
        metadata["watermark"] = dg.MetadataValue.timestamp(position.stream_at.astimezone(UTC))
        metadata["behind_s"] = round((position.moved_at - position.stream_at).total_seconds(), 3)
    seen |= {"alert_event": newest, "alert_position": moved}
    return [dg.AssetMaterialization(EPISODES, metadata=metadata)]

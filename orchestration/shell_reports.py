"""What a shell fetched or landed, told to the graph: a sensor reads the ledger and asks for no run.

Without it a feed that `cityrisk run` or `fetch` brought would stand as never materialised, and its freshness would not
be judged.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import sqlalchemy as sa

from core.contract import Contract
from core.settings import open_home
from core.store import database, tables
from orchestration.feed_assets import feed_key

REPORT_EVERY_S = 60
MOST_AT_ONCE = 200  # a look takes seconds; a home that is years old is told in several
Event = dg.AssetMaterialization | dg.AssetObservation


def shell_sensor(contracts: Mapping[str, Contract]) -> dg.SensorDefinition:
    """Say what was fetched since the last look by anybody but a run of the graph."""

    @dg.sensor(
        name="shell__report",
        minimum_interval_seconds=REPORT_EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def report(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        seen = int(context.cursor or 0)
        outcome = tables.fetch_outcome.c
        with database.opened(open_home(os.environ).ops_url) as engine, engine.connect() as connection:
            query = sa.select(tables.fetch_outcome).where(outcome.id > seen).order_by(outcome.id).limit(MOST_AT_ONCE)
            rows = connection.execute(query).all()
            events = [
                event
                for row in rows
                if row.feed_id in contracts and context.instance.get_run_by_id(row.run_id) is None
                for event in _events(connection, contracts[row.feed_id], row)
            ]
        if not rows:
            return dg.SkipReason("nothing was fetched since the last look")
        return dg.SensorResult(asset_events=events, cursor=str(rows[-1].id))

    return report


def _events(connection: sa.Connection, contract: Contract, outcome: Any) -> Iterator[Event]:
    """What landed, by day where the feed has days; what did not land is an observation."""
    said: dict[str, Any] = {
        "result": outcome.result,
        "run": outcome.run_id,
        "rows_quarantined": outcome.rows_quarantined,
        "ended_at": dg.MetadataValue.timestamp(outcome.ended_at),
    }
    if outcome.result != "landed":
        yield dg.AssetObservation(feed_key(contract), metadata={**said, "detail": outcome.detail or "–"})
        return
    for day, rows in _landed(connection, contract, outcome.run_id).items():
        yield dg.AssetMaterialization(feed_key(contract), partition=day, metadata={**said, "dagster/row_count": rows})


def _landed(connection: sa.Connection, contract: Contract, run_id: str) -> dict[str | None, int]:
    """Rows that a run landed, by Beijing day; a register has no days and stands under None."""
    day = sa.null() if contract.is_register else tables.file.c.landed_on
    query = (
        sa.select(day.label("day"), sa.func.sum(tables.file.c.rows).label("rows"))
        .join(tables.batch, tables.batch.c.batch_id == tables.file.c.batch_id)
        .where(tables.batch.c.run_id == run_id, tables.batch.c.feed_id == contract.id)
        .group_by("day")
        .order_by("day")
    )
    return {row.day: int(row.rows) for row in connection.execute(query)}

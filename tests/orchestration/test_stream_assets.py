"""What the graph says of streams and alerts, without a run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
import sqlalchemy as sa

from core.catalogue import load_contracts
from core.settings import Home
from core.store import database, tables
from orchestration.stream_assets import EPISODES, report_sensor

pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning", "ignore::dagster.PreviewWarning")

FEED = "urban.gas_reading"
AT = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


@pytest.fixture
def engine(home: Home) -> Iterator[sa.Engine]:
    opened = database.open_ops(home.ops_url)
    yield opened
    opened.dispose()


def progress(engine: sa.Engine, rows_landed: int, late: int, at: datetime) -> None:
    values = {
        "feed_id": FEED,
        "raw_sequence": 7,
        "watermark_at": at - timedelta(seconds=2),
        "lag": 3,
        "rows_in": rows_landed,
        "rows_landed": rows_landed,
        "rows_quarantined": 0,
        "rows_ignored": 0,
        "late": late,
        "updated_at": at,
    }
    with engine.begin() as connection:
        connection.execute(sa.delete(tables.stream_progress))
        connection.execute(sa.insert(tables.stream_progress).values(**values))


def look(cursor: str | None) -> dg.SensorResult | dg.SkipReason:
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, cursor=cursor)
        found = report_sensor(load_contracts())(context)
    assert isinstance(found, dg.SensorResult | dg.SkipReason)
    return found


def materializations(found: dg.SensorResult | dg.SkipReason) -> dict[str, dict[str, object]]:
    assert isinstance(found, dg.SensorResult)
    return {
        event.asset_key.to_user_string(): {name: value.value for name, value in event.metadata.items()}
        for event in found.asset_events
        if isinstance(event, dg.AssetMaterialization)
    }


def test_an_empty_home_has_nothing_to_tell(engine: sa.Engine) -> None:
    assert isinstance(look(None), dg.SkipReason)


def test_rows_lag_watermark_and_late_counts_are_told_once(engine: sa.Engine) -> None:
    progress(engine, rows_landed=100, late=4, at=AT)
    first = look(None)
    assert materializations(first) == {
        "urban/gas_reading": {
            "dagster/row_count": 100,
            "rows_quarantined": 0,
            "rows_ignored": 0,
            "late": 4,
            "lag_messages": 3,
            "watermark": (AT - timedelta(seconds=2)).timestamp(),
            "behind_s": 2.0,
        }
    }
    assert isinstance(first, dg.SensorResult)
    assert isinstance(look(first.cursor), dg.SkipReason)
    progress(engine, rows_landed=130, late=4, at=AT + timedelta(seconds=30))
    again = materializations(look(first.cursor))["urban/gas_reading"]
    assert (again["dagster/row_count"], again["late"]) == (30, 0)


def test_episodes_and_how_far_alerting_is(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.insert(tables.alert_position).values(
                consumer="alerting", stream="LIVE", sequence=12, stream_at=AT, moved_at=AT + timedelta(milliseconds=80)
            )
        )
    told = materializations(look(None))
    assert told[EPISODES.to_user_string()] == {
        "episodes": 0,
        "open_alerts": 0,
        "watermark": AT.timestamp(),
        "behind_s": 0.08,
    }

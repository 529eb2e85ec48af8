"""What a shell landed stands in the graph, and partitions begin where data may exist."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest
import sqlalchemy as sa

from core.catalogue import load_contracts
from core.settings import Home, SettingsError
from core.store import database, tables
from orchestration.partitions import FIRST_DAY, HISTORY, first_day
from orchestration.shell_reports import shell_sensor

pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning", "ignore::dagster.PreviewWarning")

CONTRACTS = load_contracts()
FACTS, REGISTER = "emergency.tailings_reading", "fire.unit"
AT = datetime(2026, 11, 22, 4, tzinfo=UTC)


@pytest.fixture
def engine(home: Home) -> Iterator[sa.Engine]:
    opened = database.open_ops(home.ops_url)
    yield opened
    opened.dispose()


def fetched(engine: sa.Engine, feed_id: str, run_id: str, result: str, days: tuple[str, ...] = ()) -> None:
    """One fetch of one feed, with a batch and a file of five rows a day where it landed."""
    with engine.begin() as connection:
        connection.execute(
            sa.insert(tables.fetch_outcome).values(
                feed_id=feed_id,
                run_id=run_id,
                started_at=AT,
                ended_at=AT,
                result=result,
                payloads=1,
                rows_landed=5 * len(days),
                rows_quarantined=2,
                detail="",
            )
        )
        if not days:
            return
        batch_id = f"{feed_id[:6]}{run_id}"
        connection.execute(
            sa.insert(tables.batch).values(
                batch_id=batch_id,
                feed_id=feed_id,
                run_id=run_id,
                received_at=AT,
                state="landed",
                contract_version="1.0.0",
                source_ref="test",
                media="json",
                archive_sha256="",
                rows_in=7,
                rows_landed=5 * len(days),
                rows_quarantined=2,
                rows_ignored=0,
            )
        )
        for day in days:
            connection.execute(
                sa.insert(tables.file).values(
                    path=f"{feed_id}/{day}/{batch_id}.parquet",
                    batch_id=batch_id,
                    feed_id=feed_id,
                    landed_on=day,
                    rows=5,
                    bytes=1,
                    state="live",
                )
            )


@pytest.mark.case("engineer.12")
def test_what_a_shell_landed_is_told_by_day_and_once(engine: sa.Engine) -> None:
    fetched(engine, FACTS, "shell", "landed", ("2026-11-20", "2026-11-21"))
    fetched(engine, REGISTER, "shell", "landed", ("2026-11-22",))
    fetched(engine, FACTS, "later", "unreachable")
    with dg.DagsterInstance.ephemeral() as instance:
        found = shell_sensor(CONTRACTS)(dg.build_sensor_context(instance=instance))
        assert isinstance(found, dg.SensorResult)
        told = [(type(e), e.asset_key.path[1], e.partition) for e in found.asset_events]  # type: ignore[union-attr]
        assert told == [
            (dg.AssetMaterialization, "tailings_reading", "2026-11-20"),
            (dg.AssetMaterialization, "tailings_reading", "2026-11-21"),
            (dg.AssetMaterialization, "unit", None),
            (dg.AssetObservation, "tailings_reading", None),
        ]
        assert found.asset_events[0].metadata["dagster/row_count"].value == 5
        again = shell_sensor(CONTRACTS)(dg.build_sensor_context(instance=instance, cursor=found.cursor))
        assert isinstance(again, dg.SkipReason)


@pytest.mark.case("engineer.12")
def test_what_a_run_of_the_graph_fetched_is_not_told_twice(engine: sa.Engine) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(dg.GraphDefinition(name="pull").to_job(), run_id=None)
        fetched(engine, FACTS, run.run_id, "landed", ("2026-11-20",))
        found = shell_sensor(CONTRACTS)(dg.build_sensor_context(instance=instance))
    assert isinstance(found, dg.SensorResult)
    assert list(found.asset_events) == []


@pytest.mark.case("engineer.12")
def test_partitions_begin_where_data_may_exist(home: Home, engine: sa.Engine) -> None:
    assert first_day(home, AT) == date(2026, 11, 22) - HISTORY
    fetched(engine, FACTS, "shell", "landed", ("2026-11-20", "2026-11-21"))
    assert first_day(home, AT + timedelta(days=9)) == date(2026, 11, 20)
    assert first_day(Home(home.root, {FIRST_DAY: "2026-06-01"}), AT) == date(2026, 6, 1)
    with pytest.raises(SettingsError, match="2026-13-01"):
        first_day(Home(home.root, {FIRST_DAY: "2026-13-01"}), AT)


@pytest.mark.case("engineer.12")
def test_where_there_is_no_store_looking_makes_none(home: Home) -> None:
    home.root.mkdir(parents=True, exist_ok=True)
    before = sorted(home.root.rglob("*"))
    first_day(home, AT)
    assert sorted(home.root.rglob("*")) == before

"""When the graph builds the warehouse, and that one build does everything that a batch does after its fetch."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest
import sqlalchemy as sa

from core.catalogue import load_contracts
from core.runtime import run_lock
from core.runtime.run_lock import only_run
from core.settings import Home
from core.store import database, tables
from orchestration.definitions import definitions
from orchestration.lineage import read_models
from orchestration.project import PROJECT
from orchestration.warehouse_assets import (
    PUBLISHED,
    STREAM_BUILD_EVERY,
    WAREHOUSE_JOB,
    hourly_build,
    landed_sensor,
    warehouse_asset,
)

pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning", "ignore::dagster.PreviewWarning")

CONTRACTS = load_contracts()
FETCHED, PUSHED = "weather.observation", "urban.gas_reading"


@pytest.fixture
def engine(home: Home) -> Iterator[sa.Engine]:
    opened = database.open_ops(home.ops_url)
    yield opened
    opened.dispose()


def land(engine: sa.Engine, feed_id: str, at: datetime, state: str = "landed") -> None:
    """A batch of a feed in the ledger."""
    with engine.begin() as connection:
        connection.execute(
            sa.insert(tables.batch).values(
                batch_id=f"{feed_id[:5]}{at:%H%M%S%f}",
                feed_id=feed_id,
                run_id="r",
                received_at=at,
                state=state,
                contract_version="1.0.0",
                source_ref="test",
                media="json",
                archive_sha256="",
                rows_in=1,
                rows_landed=1,
                rows_quarantined=0,
                rows_ignored=0,
            )
        )


def look(cursor: str | None, instance: dg.DagsterInstance | None = None) -> tuple[bool, str | None]:
    """Whether the sensor asks for a build, and its cursor afterwards."""
    with dg.DagsterInstance.ephemeral() as fresh:
        context = dg.build_sensor_context(instance=instance or fresh, cursor=cursor)
        found = landed_sensor(CONTRACTS)(context)
    return isinstance(found, dg.RunRequest), context.cursor


def aged(cursor: str | None, by: timedelta) -> str:
    """The cursor of a sensor that asked so much earlier."""
    assert cursor is not None
    seen = json.loads(cursor)
    return json.dumps({**seen, "at": (datetime.fromisoformat(seen["at"]) - by).isoformat()})


def test_everything_runs_without_being_switched_on() -> None:
    repository = definitions().get_repository_def()
    assert {one.default_status for one in repository.schedule_defs} == {dg.DefaultScheduleStatus.RUNNING}
    assert {one.default_status for one in repository.sensor_defs} == {dg.DefaultSensorStatus.RUNNING}


def test_what_was_fetched_is_built_once(engine: sa.Engine) -> None:
    now = datetime.now(UTC)
    assert look(None)[0] is False
    land(engine, FETCHED, now, state="admitted")
    assert look(None)[0] is False
    land(engine, FETCHED, now + timedelta(seconds=1))
    asked, cursor = look(None)
    assert asked
    assert look(cursor)[0] is False
    land(engine, FETCHED, now + timedelta(seconds=2))
    assert look(cursor)[0] is True


def test_what_devices_say_waits_for_the_next_round(engine: sa.Engine) -> None:
    now = datetime.now(UTC)
    land(engine, PUSHED, now)
    asked, cursor = look(None)
    assert asked
    land(engine, PUSHED, now + timedelta(seconds=1))
    assert look(cursor)[0] is False
    assert look(aged(cursor, STREAM_BUILD_EVERY))[0] is True
    land(engine, FETCHED, now + timedelta(seconds=2))  # which does not wait
    assert look(cursor)[0] is True


def test_no_build_is_asked_for_while_one_is_under_way(engine: sa.Engine, tmp_path: Path) -> None:
    land(engine, FETCHED, datetime.now(UTC))
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        run = instance.create_run_for_job(
            definitions().resolve_job_def(WAREHOUSE_JOB), status=dg.DagsterRunStatus.STARTED
        )
        assert look(None, instance) == (False, None)
        schedule = dg.build_schedule_context(instance=instance)
        assert isinstance(hourly_build()(schedule), dg.SkipReason)
        instance.report_run_canceled(run)
        assert look(None, instance)[0] is True
        assert isinstance(hourly_build()(schedule), dg.RunRequest)


@pytest.mark.slow
def test_a_build_waits_for_the_shells_batch_and_keeps_the_home(
    home: Home, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    shell = ExitStack()
    shell.enter_context(only_run(home))

    def let_go(seconds: float) -> None:
        waits.append(seconds)
        shell.close()

    monkeypatch.setattr(run_lock, "time", SimpleNamespace(monotonic=time.monotonic, sleep=let_go))
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([warehouse_asset(read_models(PROJECT), CONTRACTS)], instance=instance)
    assert waits == [run_lock.LOCK_POLL_S]
    assert result.success
    assert {key for key in PUBLISHED if result.asset_materializations_for_node("warehouse")} == set(PUBLISHED)
    with engine.connect() as connection:
        runs = connection.execute(sa.select(tables.run.c.run_id, tables.run.c.step, tables.run.c.result)).all()
    assert [tuple(row) for row in runs] == [(result.run_id, "upkeep", "done")]

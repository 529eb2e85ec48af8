"""Dagster's own history does not grow for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from orchestration.graph_upkeep import forget_history

pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning", "ignore::dagster.PreviewWarning")

KEY = dg.AssetKey(["water", "river_reading"])


@dg.op
def nothing() -> None:
    """A step that leaves its events."""


@dg.job
def chore() -> None:
    """A run to be forgotten."""
    nothing()


def reports(instance: dg.DagsterInstance) -> int:
    return len(instance.fetch_materializations(KEY, limit=100).records)


def test_what_is_over_goes_and_what_runs_stays(tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        done = chore.execute_in_process(instance=instance).run_id
        under_way = instance.create_run_for_job(chore, status=dg.DagsterRunStatus.STARTED).run_id
        for _ in range(3):
            instance.report_runless_asset_event(dg.AssetMaterialization(KEY, metadata={"rows": 1}))
        assert reports(instance) == 3
        shards = tmp_path / "history" / "runs"
        assert (shards / f"{done}.db").exists()

        now = datetime.now(UTC)
        assert forget_history(instance, now - timedelta(days=1)) == 0
        assert reports(instance) == 3
        assert instance.has_run(done)

        assert forget_history(instance, now + timedelta(minutes=1)) == 1
        assert not instance.has_run(done)
        assert not list(shards.glob(f"{done}.db*"))
        assert instance.has_run(under_way)
        assert reports(instance) == 0
        instance.report_runless_asset_event(dg.AssetMaterialization(KEY, metadata={"rows": 1}))
        assert reports(instance) == 1

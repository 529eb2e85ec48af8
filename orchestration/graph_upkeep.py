"""Let Dagster's own history go: it keeps every run and every report of a stream for ever.

Its settings know a retention for ticks only. What is let go here is not lost: runs of the warehouse stand in the ops
store, rows in the ledger.
"""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
from dagster._core.instance.utils import RUNLESS_RUN_ID
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

KEEP = timedelta(days=14)
MOST_RUNS_AT_ONCE = 500  # a build must not wait long for this
OVER = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


def forget_history(instance: dg.DagsterInstance, before: datetime) -> int:
    """Delete runs that are over and began before an instant, and reports without a run; gives how many runs."""
    filters = dg.RunsFilter(statuses=OVER, created_before=before)
    run_ids = [run.run_id for run in instance.get_runs(filters=filters, limit=MOST_RUNS_AT_ONCE)]
    for run_id in run_ids:
        instance.delete_run(run_id)
        _delete_files(instance, run_id)
    _delete_reports(instance, before)
    return len(run_ids)


def _delete_files(instance: dg.DagsterInstance, run_id: str) -> None:
    """A run's own event file stays when its events go, and so does what its steps printed."""
    root = Path(instance.root_directory)
    for shard in (root / "history" / "runs").glob(f"{run_id}.db*"):
        shard.unlink(missing_ok=True)
    shutil.rmtree(root / "storage" / run_id, ignore_errors=True)


def _delete_reports(instance: dg.DagsterInstance, before: datetime) -> None:
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return
    event = SqlEventLogStorageTable.c
    is_old = event.timestamp < before.astimezone(UTC).replace(tzinfo=None)  # kept as UTC without a zone
    for connect in (storage.index_connection, lambda: storage.run_connection(RUNLESS_RUN_ID)):
        with connect() as connection:
            connection.execute(SqlEventLogStorageTable.delete().where(event.run_id == RUNLESS_RUN_ID, is_old))

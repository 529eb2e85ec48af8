"""One Dagster asset per contract, with its checks, partitions, schedule, freshness and, for file drops, a sensor.

Nothing here names a department or a column: everything comes from the contract.
"""

import os
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from core.civil_time import CIVIL_ZONE, CIVIL_ZONE_NAME
from core.contract import Contract
from core.settings import open_home
from core.store.database import open_ops
from ingest.pull import FAILURES, open_intake, pull_feed
from orchestration.partitions import daily_partitions
from quality.checks import Check, checks_of
from quality.verdict import LastVerdict, Verdict, last_verdicts

PULL_RETRIES = dg.RetryPolicy(max_retries=3, delay=20, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
_SEVERITIES = {"error": dg.AssetCheckSeverity.ERROR, "warning": dg.AssetCheckSeverity.WARN}
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


def feed_key(contract: Contract) -> dg.AssetKey:
    """`weather.station` → asset `weather/station`."""
    return dg.AssetKey([contract.department_code, contract.feed])


def feed_asset(contract: Contract, first_day: date, retry_policy: dg.RetryPolicy = PULL_RETRIES) -> dg.AssetsDefinition:
    """The asset that pulls one feed. A failed department fails its own asset only."""

    @dg.asset(
        key=feed_key(contract),
        group_name=contract.department_code,
        description=f"{contract.name_zh} / {contract.name_en}: {contract.grain}",
        owners=[f"team:{contract.owner}"],
        kinds={contract.server.kind},
        metadata={"contract_version": contract.version, "drift_mode": contract.drift_mode},
        partitions_def=None if contract.is_register else daily_partitions(first_day),
        backfill_policy=None if contract.is_register else dg.BackfillPolicy.single_run(),
        retry_policy=retry_policy,
        freshness_policy=dg.FreshnessPolicy.time_window(
            fail_window=contract.silent_after, warn_window=contract.late_after
        ),
    )
    def pull(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        home = open_home(os.environ)
        intake = open_intake(home, open_ops(home.ops_url), context.run.run_id, lambda: datetime.now(UTC))
        since = context.partition_time_window.start if context.has_partition_key_range else None
        is_today = since is not None and datetime.now(UTC) < since.astimezone(UTC) + _DAY
        outcome = pull_feed(intake, contract, since=None if is_today else since)
        if outcome.result in (*FAILURES, "rejected"):
            # The same bytes are refused again however often they are asked for.
            raise dg.Failure(
                f"{contract.id}: {outcome.result}: {outcome.detail}", allow_retries=outcome.result != "rejected"
            )
        return dg.MaterializeResult(
            metadata={
                "result": outcome.result,
                "dagster/row_count": outcome.rows_landed,
                "rows_quarantined": outcome.rows_quarantined,
            }
        )

    return pull


def feed_checks(contract: Contract, contracts: Mapping[str, Contract]) -> dg.AssetChecksDefinition:
    """The contract's rules as checks of its asset; a check that crashed says so and is no data verdict.

    Where nothing is new the last verdict stands; a check that never had one has not passed.
    """
    checks = checks_of(contract)
    specs = [
        dg.AssetCheckSpec(
            check.id,
            asset=feed_key(contract),
            description=f"{check.kind}{f' of {check.column}' if check.column else ''}: {check.expected}",
            blocking=check.severity == "error",
        )
        for check in checks
    ]

    @dg.multi_asset_check(specs=specs, name=f"{contract.slug}__checks", can_subset=False)
    def check(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        from quality.run import check_feed

        home = open_home(os.environ)
        engine = open_ops(home.ops_url)
        found = check_feed(home, engine, contract, contracts, context.run.run_id, datetime.now(UTC))
        by_id = {verdict.check_id: verdict for verdict in found}
        last = last_verdicts(engine, contract.id)
        for promise in checks:
            yield _result(contract, promise, by_id.get(promise.id), last.get(promise.id))

    return check


def _result(
    contract: Contract, promise: Check, verdict: Verdict | None, last: LastVerdict | None
) -> dg.AssetCheckResult:
    said = verdict or last
    return dg.AssetCheckResult(
        asset_key=feed_key(contract),
        check_name=promise.id,
        passed=said is not None and said.verdict == "passed",
        # what nobody could judge yet stops nothing, and is no pass
        severity=_SEVERITIES[promise.severity] if said else dg.AssetCheckSeverity.WARN,
        description=said.message_en if said else "never judged: nothing of the feed has landed",
        metadata={"verdict": said.verdict if said else "never_judged", "judged_at": str(said.at) if said else ""},
    )


def feed_job_name(contract: Contract) -> str:
    """The job that pulls and checks one feed."""
    return f"{contract.slug}__pull"


def cron_of(contract: Contract) -> str:
    """The contract's cadence as a cron line; feeds start at different minutes so that they do not crowd."""
    minute = zlib.crc32(contract.id.encode()) % 50 + 3
    if contract.cadence < _HOUR:
        return f"*/{max(1, int(contract.cadence.total_seconds() // 60))} * * * *"
    if contract.cadence < _DAY:
        every = int(contract.cadence // _HOUR)
        return f"{minute} * * * *" if every == 1 else f"{minute} */{every} * * *"
    if contract.cadence < timedelta(days=7):
        return f"{minute} 1 * * *"
    return f"{minute} 1 * * 1" if contract.cadence < timedelta(days=28) else f"{minute} 1 1 * *"


def feed_schedule(contract: Contract) -> dg.ScheduleDefinition:
    """Ask the department as often as its contract says; facts go to today's partition."""

    @dg.schedule(
        name=f"{contract.slug}__schedule",
        job_name=feed_job_name(contract),
        cron_schedule=cron_of(contract),
        execution_timezone=CIVIL_ZONE_NAME,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def ask(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        if contract.is_register:
            return dg.RunRequest()
        today = context.scheduled_execution_time.astimezone(CIVIL_ZONE)
        return dg.RunRequest(partition_key=f"{today:%Y-%m-%d}")

    return ask

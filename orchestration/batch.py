"""One batch in one process: restore → fetch → check → admit → build → audit → publish.

For a shell, a cron line or a demo; Dagster fetches feed by feed, and takes the rest of the steps from here.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from datetime import time as day_time
from pathlib import Path
from threading import Semaphore
from typing import TYPE_CHECKING

import sqlalchemy as sa

from core.civil_time import CIVIL_ZONE
from core.contract import Contract
from core.runtime.run_lock import only_run
from core.settings import Home
from core.store import tables
from ingest.land.files import sweep_orphans
from ingest.pull import Intake, Outcome, open_intake, pull_feed
from ingest.reprocess.restore import restore
from orchestration import publish as publishing
from orchestration.channels import tell
from orchestration.damage import set_aside_damaged
from orchestration.schema import schema_changes
from orchestration.upkeep import upkeep

if TYPE_CHECKING:
    from orchestration.manifest import Manifest

log = logging.getLogger(__name__)

COMPARE_WHOLE = "compare_whole"  # in a build folder: a build of everything is not published yet
NO_DAY = "9999-12-31"  # behind every day that has landed
PER_DEPARTMENT = 2  # feeds of one department at a time: its systems have others to serve
REBUILD_AFTER = timedelta(hours=1)  # feed health ages even when nothing comes


class BatchError(RuntimeError):
    """The batch stopped before it published; says at which step and why."""


@dataclass(slots=True)
class BatchResult:
    """What a batch did; printed by `cityrisk run` and kept in the ops store."""

    run_id: str
    outcomes: list[Outcome] = field(default_factory=list)
    verdicts: dict[str, int] = field(default_factory=dict)
    held: list[str] = field(default_factory=list)
    restored: int = 0
    left_out: dict[str, str] = field(default_factory=dict)  # feed id → what of it is not in the build, and why
    lost_paths: tuple[str, ...] = ()
    unfit: dict[Path, tuple[str, ...]] = field(default_factory=dict)
    built: bool = False
    generation: Path | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """One run over one home: what every step needs."""

    home: Home
    engine: sa.Engine
    contracts: Mapping[str, Contract]
    run_id: str
    now: Callable[[], datetime]
    city_code: str


def new_run_id(now: datetime) -> str:
    """A name for one run that sorts by time."""
    return f"{now:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"


def run_batch(
    batch: Batch,
    *,
    select: Collection[str] | None = None,
    days: Sequence[date] | None = None,
    full_refresh: bool = False,
    wait_s: float = 0.0,
) -> BatchResult:
    """Run every step for all feeds or the selected ones. Raises BatchError; a failed feed alone does not.

    `select`: feeds to fetch, all without it; an empty one fetches nothing and takes what has landed. `days`: Beijing
    days to fetch and build again, whether or not they have anything new. `wait_s`: how long to wait for another batch.
    """
    result = BatchResult(batch.run_id)
    with only_run(batch.home, wait_s), _recorded(batch) as step:
        intake = open_intake(batch.home, batch.engine, batch.run_id, batch.now)
        step("restore")
        sweep_orphans(batch.home, batch.engine)
        restored = restore(intake, batch.contracts, only_new=not full_refresh)
        result.restored = restored.batches
        step("fetch")
        result.outcomes = fetch(batch, intake, select, days)
        step("check")
        check(batch, result)
        step("build")
        again = restore(intake, batch.contracts, only_new=True)  # what came since was never compared
        result.lost_paths = tuple(dict.fromkeys((*restored.lost_paths, *again.lost_paths)))
        result.left_out = {**restored.lost, **again.lost, **_unfit(batch, result)}
        result.built = build_and_publish(batch, result, days=days, full_refresh=full_refresh or result.restored > 0)
        step("upkeep")
        upkeep(batch.home, batch.engine, batch.contracts, batch.now())
    return result


def _unfit(batch: Batch, result: BatchResult) -> dict[str, str]:
    """Feeds that landed in another shape than their contract has now: the build reads what fits of them."""
    changes = [
        change
        for change in schema_changes(batch.home, batch.engine, batch.contracts, but=result.lost_paths)
        if change.is_broken
    ]
    for change in changes:
        log.error("%s", change.description)
        result.unfit |= change.as_text
    return {change.feed_id: change.description for change in changes}


def fetch(
    batch: Batch, intake: Intake, select: Collection[str] | None = None, days: Sequence[date] | None = None
) -> list[Outcome]:
    """Pull the feeds, registers first, so that readings find their devices.

    One department that does not answer keeps no register of another from being read, nor any fact; only that facts
    begin when all registers have ended.
    """
    pulled = [c for c in batch.contracts.values() if not c.is_stream]
    chosen = [c for c in pulled if select is None or c.id in select]
    since = datetime.combine(min(days), day_time(), CIVIL_ZONE) if days else None
    outcomes: list[Outcome] = []
    turns = {c.department_code: Semaphore(PER_DEPARTMENT) for c in chosen}

    def pulled_in_turn(contract: Contract) -> Outcome:
        with turns[contract.department_code]:
            return pull_feed(intake, contract, since=since)

    for wave in (True, False):
        feeds = [c for c in chosen if c.is_register is wave]
        with ThreadPoolExecutor(max(1, len(feeds))) as pool:  # they wait, for a department's turn or answer
            outcomes += pool.map(pulled_in_turn, feeds)
    return outcomes


def check(batch: Batch, result: BatchResult) -> None:
    """Check what landed and is not admitted yet; admit it or hold it.

    Raises BatchError when the checks cannot run at all: what nobody checked is not published.
    """
    try:
        from quality.admit import admit
        from quality.page import write_pages
        from quality.run import check_feeds
        from quality.troubles import update_troubles

        verdicts = check_feeds(
            batch.home, batch.engine, batch.contracts, list(batch.contracts), batch.run_id, batch.now()
        )
    except ImportError as error:
        raise BatchError(
            f"the checks did not run ({error}); nothing is published. Install the extra `quality` and run again"
        ) from error
    states = admit(batch.engine, verdicts, batch.now())
    result.held = sorted(feed_id for feed_id, state in states.items() if state == "held")
    result.verdicts = {"passed": 0, "failed": 0, "raised": 0}
    for verdict in (v for feed in verdicts.values() for v in feed):
        result.verdicts[verdict.verdict] += 1
    write_pages(batch.home, batch.engine, batch.contracts, [feed_id for feed_id, found in verdicts.items() if found])
    update_troubles(batch.engine, batch.contracts, batch.now())
    tell(batch.home, batch.engine, batch.now)


def build_and_publish(
    batch: Batch, result: BatchResult, *, days: Sequence[date] | None = None, full_refresh: bool = False
) -> bool:
    """Build the warehouse from admitted batches, audit it and serve it. False when there was nothing to build.

    Warehouse and mart files that are damaged are set aside and made again; a newest generation that readers cannot
    open is followed by a new one. Raises BatchError when the build or its audit failed: the last good generation
    stands.
    """
    from orchestration.build import build
    from orchestration.manifest import mark_built

    home, now = batch.home, batch.now()
    set_aside_damaged(home, now)
    full_refresh = full_refresh or not (home.warehouse.exists() and home.mart.exists())
    manifest = _manifest(batch, result, days, full_refresh)
    if not full_refresh and not manifest.affected and is_recent(home, batch.engine, now):
        return False
    whole = home.build / COMPARE_WHOLE
    if full_refresh:
        whole.touch()  # until it is published: days of before may differ, whatever the next build has to do
    built = build(home, full_refresh=full_refresh)
    # A block in the midst of a file tells of its damage only when it is read.
    if not built.success and set_aside_damaged(home, now, deep=True):
        whole.touch()
        manifest = _manifest(batch, result, days, full_refresh=True)
        built = build(home, full_refresh=True)
    if not built.success:
        raise BatchError(f"build: {built.message}; the last good generation stands")
    try:
        publishing.audit(home.mart)
    except publishing.AuditError as error:
        raise BatchError(f"audit: {error}; the last good generation stands") from error
    verdicts = [name for name, count in result.verdicts.items() for _ in range(count)]
    landed_since = None if whole.exists() else min((day for _, day in manifest.affected), default=NO_DAY)
    result.generation = publishing.publish(home, batch.engine, batch.run_id, verdicts, batch.now(), landed_since)
    whole.unlink(missing_ok=True)
    mark_built(batch.engine, manifest, batch.now())
    return True


def _manifest(batch: Batch, result: BatchResult, days: Sequence[date] | None, full_refresh: bool) -> Manifest:
    from orchestration.manifest import write_manifest

    return write_manifest(
        batch.home,
        batch.engine,
        batch.contracts,
        as_of=batch.now(),
        run_id=batch.run_id,
        city_code=batch.city_code,
        full_refresh=full_refresh,
        days=days,
        lost=result.lost_paths,
        unfit=result.unfit,
        left_out=result.left_out,
    )


def is_recent(home: Home, engine: sa.Engine, now: datetime) -> bool:
    """Whether the newest generation opens and is of this hour and this Beijing day, so that nothing on it has aged."""
    if not publishing.is_newest_whole(home, engine):
        return False
    with engine.connect() as connection:
        at = connection.execute(sa.select(sa.func.max(tables.generation.c.published_at))).scalar()
    if at is None:
        return False
    return bool(now - at < REBUILD_AFTER) and at.astimezone(CIVIL_ZONE).date() == now.astimezone(CIVIL_ZONE).date()


@contextmanager
def _recorded(batch: Batch) -> Iterator[Callable[[str], None]]:
    """Keep the run's row current: which step it is in, and how it ended."""
    row = tables.run.c.run_id == batch.run_id

    def set_row(**values: object) -> None:
        with batch.engine.begin() as connection:
            connection.execute(sa.update(tables.run).where(row).values(**values))

    with batch.engine.begin() as connection:
        connection.execute(
            sa.insert(tables.run).values(
                run_id=batch.run_id, started_at=batch.now(), step="start", result="running", detail=""
            )
        )
    try:
        yield lambda name: set_row(step=name)
    except BaseException as error:
        set_row(result="failed", detail=str(error)[:2000], ended_at=batch.now())
        raise
    set_row(result="done", ended_at=batch.now())

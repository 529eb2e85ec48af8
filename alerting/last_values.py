"""What devices said last before alerting began: judged once, so that a danger that landed earlier is an alert as well.

The stream begins when a home's processes do. What landed before that (a first batch, a home that moved) no rule ever
saw. The newest readings of each device are folded by the same engine, as they happened; of the episodes that hold at
the end alerts come that say so, known from now on and not from then, for nobody could have answered them earlier.

Events are left out: what happened once and was over is no value that stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import polars as pl
import sqlalchemy as sa

from alerting.backtest.evaluation import columns_of, rules_on, warm_up
from alerting.backtest.landed import history
from alerting.engine import Engine
from alerting.engine.changes import marks_of
from alerting.engine.episode import Change, EpisodeChange, started_at_of
from alerting.engine.rule import RuleSet
from alerting.engine.world import FeedShape, Registry
from alerting.marks import FLAGS, LAST_KNOWN, LATE, RECEIVED, STALE
from alerting.runtime_config import RuntimeConfig
from core.civil_time import CIVIL_ZONE
from core.contract import Contract
from core.settings import Home
from core.store.landed import live_files
from core.stream.live import LiveBatch, of_frame

LOOK_BACK = timedelta(days=31)  # of a device that has been quiet for longer nobody says that its value still stands
SLICE = timedelta(hours=1)  # rows of one feed and hour are one batch; each row is judged by its own time
_ENDED = (Change.CLEARED, Change.WITHDRAWN)


@dataclass(frozen=True, slots=True)
class LastValues:
    """The engine with what devices said last, and the episodes that hold by it."""

    engine: Engine
    changes: list[EpisodeChange]


@dataclass(frozen=True, slots=True)
class _Feed:
    """The readings of one feed that count, with the time of each device's last one."""

    rows: pl.DataFrame
    told_at: Mapping[str, datetime]  # by device, as `<department>:<key>`
    late_after: timedelta


def judge_last_values(
    home: Home, store: sa.Engine, config: RuntimeConfig, contracts: Mapping[str, Contract], now: datetime
) -> LastValues:
    """An engine that knows what landed before the stream was there, and one change for each episode that holds.

    Its time is that of the newest reading: what the stream itself kept comes after it.
    """
    registry = config.registry
    readings = {contract.id: contract for contract in contracts.values() if "reading" in contract.entities}
    ruleset = _of_values(rules_on(config.ruleset, readings))
    until = history(store).since or now
    feeds: dict[str, _Feed] = {}
    for feed_id, columns in sorted(columns_of(ruleset, registry).items()):
        reach = warm_up(rules_on(ruleset, [feed_id]))
        found = _read(home, store, readings[feed_id], registry.shapes[feed_id], columns, reach, until)
        if found is not None:
            feeds[feed_id] = found
    judge = Engine(ruleset, registry)
    last: dict[str, EpisodeChange] = {}
    for batch in _slices(feeds):
        for change in judge.fold(batch):
            last[change.episode_id] = change
    told = _Told(feeds, registry, now)
    holding = [told.of(c) for c in last.values() if c.change not in _ENDED and not c.is_past]
    return LastValues(Engine.restore(judge.snapshot(), config.ruleset, registry), holding)


def _of_values(ruleset: RuleSet) -> RuleSet:
    """The rules that judge what a reading says; those on silence, faults and senders begin with the stream."""
    kept = [rule for rule in ruleset.rules if rule.kind in ("reading", "over_range", "composite", "rollup")]
    return replace(ruleset, rules=tuple(kept))


def _read(
    home: Home,
    store: sa.Engine,
    contract: Contract,
    shape: FeedShape,
    columns: Iterable[str],
    reach: timedelta,
    until: datetime,
) -> _Feed | None:
    """The readings of a feed that came in before an instant: of each device the last, and what its windows reach."""
    if shape.at is None or shape.device is None:
        return None
    first = (until - LOOK_BACK).astimezone(CIVIL_ZONE).date()
    last = until.astimezone(CIVIL_ZONE).date()
    days = [str(first + timedelta(days=n)) for n in range((last - first).days + 1)]
    paths = live_files(store, home, contract.id, days)
    if not paths:
        return None
    scan = pl.scan_parquet(paths, missing_columns="insert", extra_columns="ignore")
    known = set(scan.collect_schema().names())
    at, key = pl.col(shape.at), pl.col(shape.device)
    newest = at.max().over(shape.device)
    rows = (
        scan.select(*sorted(known & {*columns, RECEIVED}))
        .filter(pl.col(RECEIVED) < until, at <= until, key.is_not_null())
        .filter(at > newest - reach)
        .with_columns(at.alias(RECEIVED), pl.col(FLAGS).str.replace(rf"\b{LATE}\b", ""))
        .sort(shape.at, maintain_order=True)
        .collect()
    )
    if rows.is_empty():
        return None
    told_at = rows.group_by(shape.device).agg(at.max()).iter_rows()
    return _Feed(
        rows,
        {f"{shape.department}:{device}": told for device, told in told_at},
        contract.late_after,
    )


def _slices(feeds: Mapping[str, _Feed]) -> Iterator[LiveBatch]:
    """Rows of all feeds as they happened."""
    nth = pl.col(RECEIVED).dt.truncate(SLICE).alias("slice")
    cut = [
        (part[RECEIVED][-1], feed_id, part)
        for feed_id, feed in feeds.items()
        for part in feed.rows.with_columns(nth).partition_by("slice", maintain_order=True, include_key=False)
    ]
    for received_at, feed_id, part in sorted(cut, key=lambda one: one[:2]):
        yield of_frame(feed_id, part, received_at, "landed")


class _Told:
    """What the changes of last values say of themselves."""

    def __init__(self, feeds: Mapping[str, _Feed], registry: Registry, now: datetime) -> None:
        self._now = now
        self._at: dict[str, tuple[datetime, bool]] = {}
        for feed in feeds.values():
            for device_id, at in feed.told_at.items():
                device = registry.devices.get(device_id)
                for about in {device_id, device.object_id if device and device.object_id else device_id}:
                    self._at[about] = max(self._at.get(about, (at, False)), (at, now - at > feed.late_after))

    def of(self, change: EpisodeChange) -> EpisodeChange:
        """The change as news of now: from when the value is, and whether its feed should have said more by now."""
        at, is_stale = self._at.get(change.device_id or change.object_id, (change.at, True))
        marks = {*marks_of(change), LAST_KNOWN, *([STALE] if is_stale else ())}
        details = {**change.details, "marks": sorted(marks), "last_known_at": at.isoformat()}
        return replace(change, at=_began(change), known_at=self._now, details=details)


def _began(change: EpisodeChange) -> datetime:
    told = change.details.get("started_at")
    return datetime.fromisoformat(told) if isinstance(told, str) else started_at_of(change)

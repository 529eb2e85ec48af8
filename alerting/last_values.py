"""What devices said last before alerting began: judged once, so that a danger that landed earlier is an alert as well.

The stream begins when a home's processes do. What landed before that (a first batch, a home that moved) no rule ever
saw. The newest readings of each device are folded by the same engine, as they happened; of the episodes that hold at
the end alerts come that say so, known from now on and not from then, for nobody could have answered them earlier.

Events are left out: what happened once and was over is no value that stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import sqlalchemy as sa

from alerting.backtest.evaluation import columns_of, rules_on, warm_up
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
from core.stages import META_COLUMNS, landed_schema
from core.store.landed import live_files
from core.store.landed_rows import Unreadable, scan_landed, without_damaged
from core.stream.live import CLOCK_FEED, LiveBatch, of_frame

LOOK_BACK = timedelta(days=31)  # of a device that has been quiet for longer nobody says that its value still stands
SLICE = timedelta(hours=1)  # rows of one feed and hour are one batch; each row is judged by its own time
_ENDED = (Change.CLEARED, Change.WITHDRAWN)


@dataclass(frozen=True, slots=True)
class LastValues:
    """The engine with what devices said last, the episodes that hold by it, and what could not be judged."""

    engine: Engine
    changes: list[EpisodeChange]
    not_judged: tuple[str, ...]  # one sentence a feed of which a landed file cannot be read


@dataclass(frozen=True, slots=True)
class _Feed:
    """The readings of one feed that count, with the time of each device's last one."""

    rows: pl.DataFrame
    last_at: Mapping[str, datetime]  # by device, as `<department>:<key>`
    late_after: timedelta


def judge_last_values(
    home: Home,
    store: sa.Engine,
    config: RuntimeConfig,
    contracts: Mapping[str, Contract],
    opened_at: datetime,
    now: datetime,
) -> LastValues:
    """An engine that knows what landed before the stream was opened, and one change for each episode that holds.

    Its time is that instant, so a condition that held long enough until then has opened: what the stream itself kept
    comes after it. A file that cannot be read costs what is in it, and is named.
    """
    registry = config.registry
    readings = {contract.id: contract for contract in contracts.values() if "reading" in contract.entities}
    ruleset = _of_values(rules_on(config.ruleset, readings))
    feeds: dict[str, _Feed] = {}
    not_judged: list[str] = []
    for feed_id, columns in sorted(columns_of(ruleset, registry).items()):
        reach = warm_up(rules_on(ruleset, [feed_id]))
        reader = _Reader(readings[feed_id], registry.shapes[feed_id], frozenset(columns), reach, opened_at)
        found, unreadable = reader.read(home, store)
        not_judged += [f"{feed_id}: {one.path.name} cannot be read ({one.says})" for one in unreadable]
        if found is not None:
            feeds[feed_id] = found
    judge = Engine(ruleset, registry)
    last: dict[str, EpisodeChange] = {}
    for batch in [*_slices(feeds), LiveBatch(CLOCK_FEED, opened_at, CLOCK_FEED, {})]:
        for change in judge.fold(batch):
            last[change.episode_id] = change
    marker = _Marker(feeds, registry, now)
    holding = [marker.marked(c) for c in last.values() if c.change not in _ENDED and not c.is_past]
    return LastValues(Engine.restore(judge.snapshot(), config.ruleset, registry), holding, tuple(not_judged))


def _of_values(ruleset: RuleSet) -> RuleSet:
    """The rules that judge what a reading says; those on silence, faults and senders begin with the stream."""
    kept = [rule for rule in ruleset.rules if rule.kind in ("reading", "over_range", "composite", "rollup")]
    return replace(ruleset, rules=tuple(kept))


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads a feed's rows that came in before an instant: of each device the last, and what its windows reach."""

    contract: Contract
    shape: FeedShape
    columns: frozenset[str]
    reach: timedelta
    until: datetime

    def read(self, home: Home, store: sa.Engine) -> tuple[_Feed | None, tuple[Unreadable, ...]]:
        """The readings, None when there are none; and the files that cannot be read."""
        if self.shape.at is None or self.shape.device is None:
            return None, ()
        first = (self.until - LOOK_BACK).astimezone(CIVIL_ZONE).date()
        last = self.until.astimezone(CIVIL_ZONE).date()
        days = [str(first + timedelta(days=n)) for n in range((last - first).days + 1)]
        paths = live_files(store, home, self.contract.id, days)
        try:
            rows, unreadable = self._rows(paths, self.shape.at, self.shape.device)
        except (OSError, pl.exceptions.ComputeError):  # a footer was whole, and what it promises was not
            whole, damaged = without_damaged(paths)
            rows, unreadable = self._rows(whole, self.shape.at, self.shape.device)
            unreadable += damaged
        if rows.is_empty():
            return None, unreadable
        last_at = rows.group_by(self.shape.device).agg(pl.col(RECEIVED).max()).iter_rows()
        by_device = {f"{self.shape.department}:{device}": at for device, at in last_at}
        return _Feed(rows, by_device, self.contract.late_after), unreadable

    def _rows(self, paths: list[Path], at: str, device: str) -> tuple[pl.DataFrame, tuple[Unreadable, ...]]:
        """Rows as they happened; one whose clock is ahead happened when it came in."""
        known = {name: kind for name, kind in landed_schema(self.contract).items() if name in self.columns}
        found = scan_landed(paths, {**known, RECEIVED: META_COLUMNS[RECEIVED]})
        happened_at = pl.min_horizontal(at, RECEIVED)
        rows = (
            found.rows.filter(pl.col(RECEIVED) < self.until, pl.col(device).is_not_null())
            .with_columns(happened_at.alias(RECEIVED), pl.col(FLAGS).str.replace(rf"\b{LATE}\b", ""))
            .filter(pl.col(RECEIVED) > pl.col(RECEIVED).max().over(device) - self.reach)
            .sort(RECEIVED, maintain_order=True)
            .collect()
        )
        return rows, found.unreadable


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


class _Marker:
    """Marks the changes of last values for what they are."""

    def __init__(self, feeds: Mapping[str, _Feed], registry: Registry, now: datetime) -> None:
        self._now = now
        self._at: dict[str, tuple[datetime, bool]] = {}
        for feed in feeds.values():
            for device_id, at in feed.last_at.items():
                device = registry.devices.get(device_id)
                for about in {device_id, device.object_id if device and device.object_id else device_id}:
                    self._at[about] = max(self._at.get(about, (at, False)), (at, now - at > feed.late_after))

    def marked(self, change: EpisodeChange) -> EpisodeChange:
        """The change as news of now: from when the value is, and whether its feed should have said more by now."""
        at, is_stale = self._at.get(change.device_id or change.object_id, (change.at, True))
        marks = {*marks_of(change), LAST_KNOWN, *([STALE] if is_stale else ())}
        details = {**change.details, "marks": sorted(marks), "last_known_at": at.isoformat()}
        return replace(change, at=_began(change), known_at=self._now, details=details)


def _began(change: EpisodeChange) -> datetime:
    started_at = change.details.get("started_at")
    return datetime.fromisoformat(started_at) if isinstance(started_at, str) else started_at_of(change)

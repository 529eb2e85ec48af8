"""What the page Feed health reads: the published state of every feed, and what the ops store has seen since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import sqlalchemy as sa

from access.live import OpsReader
from access.serving import Mart
from core.contract import ENTITY_CONCEPTS, EVENT_TIME_CONCEPTS
from core.store import refusal, tables
from core.store.refusal import Refusal

FRESHNESS_WORST_FIRST = ("silent", "late", "fresh")
STATES_WORST_FIRST = ("silent", "refused", "late", "not_heard_yet", "quiet", "fresh")
_VERDICT_ORDER = ("raised", "failed", "passed")
# Entities that happen at a time; the others are registers.
_FACTS = frozenset(name for name, concepts in ENTITY_CONCEPTS.items() if set(concepts) & set(EVENT_TIME_CONCEPTS))
_ANSWERS = ("landed", "nothing_new")
_DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class FeedFact:
    """One feed as it stands now. Counts are of the last 24 hours; `since` is when it stopped being fresh."""

    feed_id: str
    name_zh: str
    name_en: str
    department_zh: str
    department_en: str
    domain: str
    freshness: str
    since: datetime | None
    last_observed_at: datetime | None
    last_received_at: datetime | None
    rows_24h: int
    quarantined_24h: int
    batches_held: int
    checks_failed: int
    checks_raised: int
    last_result: str | None  # of the newest fetch: landed, nothing_new, rejected, failed, or a Trouble
    last_detail: str | None
    last_tried_at: datetime | None
    n_open_notifications: int
    refusal: Refusal | None  # the newest delivery, when nothing of it landed
    still_delivers: bool = False  # that delivery came in the agreed time
    left_out: str | None = None  # what of the feed is not in the published build, and why
    is_awaited: bool = False  # never heard, and the agreed time since the home began is not over
    is_quiet: bool = False  # it is there, and nothing happened for longer than its facts may be old
    heard_at: datetime | None = None  # the last sign of life of a device, of events that need not happen

    @property
    def is_refused_now(self) -> bool:
        """Whether a delivery came in the agreed time, and was refused: the department did not fall silent."""
        return self.refusal is not None and (self.freshness != "silent" or self.is_awaited or self.still_delivers)

    @property
    def state(self) -> str:
        """What the feed is marked with: a refused delivery goes before how old the last good one is."""
        if self.is_refused_now:
            return "refused"
        if self.is_awaited:
            return "not_heard_yet"
        return "quiet" if self.is_quiet else self.freshness


def feed_facts(mart: Mart, live: OpsReader | None, now: datetime) -> list[FeedFact]:
    """Every feed, worst first. With `live`, counts and last receipts are of `now`, else as published.

    The contract's limits are applied again at `now`: what was fresh when published may be silent by now.
    """
    known = mart.frame("select * from mart.feed_health limit 0").columns
    # A generation of before has none of these.
    left_out = "h.left_out_reason" if "left_out_reason" in known else "null"
    opened_at = "h.opened_at" if "opened_at" in known else "null"
    published = mart.frame(
        f"""
        select f.*, h.freshness, h.last_observed_at, h.last_received_at, h.last_contact_at,
               {left_out} as left_out_reason, {opened_at} as opened_at,
               coalesce(h.rows_24h, 0) as rows_24h, coalesce(h.quarantined_24h, 0) as quarantined_24h,
               coalesce(h.batches_held, 0) as batches_held, coalesce(h.checks_failed, 0) as checks_failed,
               coalesce(h.checks_raised, 0) as checks_raised
        from mart.feed as f left join mart.feed_health as h using (feed_id)
        """
    )
    seen = _seen_live(live, now) if live is not None else None
    facts = [_fact(row, seen, now) for row in published.iter_rows(named=True)]
    return sorted(facts, key=lambda fact: (STATES_WORST_FIRST.index(fact.state), fact.feed_id))


def freshness_at(
    last: datetime | None, late_after_s: float | None, silent_after_s: float | None, now: datetime
) -> tuple[str, datetime | None]:
    """Freshness of a feed whose newest fact is `last`, and since when; a feed that never spoke is silent."""
    if last is None:
        return "silent", None
    for state, limit_s in (("silent", silent_after_s), ("late", late_after_s)):
        if limit_s is not None and now - last > timedelta(seconds=limit_s):
            return state, last + timedelta(seconds=limit_s)
    return "fresh", None


def verdicts(live: OpsReader, feed_id: str) -> pl.DataFrame:
    """The newest run's verdicts of a feed, raised first, then failed, then passed.

    Columns: check_id, kind, severity, verdict, observed, expected, message_zh, message_en, rows_checked, at.
    """
    table = tables.check_verdict
    last_run = (
        sa.select(table.c.run_id).where(table.c.feed_id == feed_id).order_by(table.c.at.desc()).limit(1)
    ).scalar_subquery()
    columns = [
        table.c.check_id,
        table.c.kind,
        table.c.severity,
        table.c.verdict,
        table.c.observed,
        table.c.expected,
        table.c.message_zh,
        table.c.message_en,
        table.c.rows_checked,
        table.c.at,
    ]
    rows = live.execute(
        sa.select(*columns)
        .where(table.c.feed_id == feed_id, table.c.run_id == last_run)
        .order_by(sa.case({name: n for n, name in enumerate(_VERDICT_ORDER)}, value=table.c.verdict), table.c.check_id)
    )
    return _frame(columns, rows.all())


def quarantine_counts(live: OpsReader, feed_id: str, since: datetime) -> pl.DataFrame:
    """What was found in a feed since a moment, by reason and outcome: reason, outcome, n_rows, last_at."""
    table = tables.quarantine
    columns = [
        table.c.reason,
        table.c.outcome,
        sa.func.sum(table.c.n_rows).label("n_rows"),
        sa.func.max(table.c.at).label("last_at"),
    ]
    rows = live.execute(
        sa.select(*columns)
        .where(table.c.feed_id == feed_id, table.c.at >= since)
        .group_by(table.c.reason, table.c.outcome)
        .order_by(sa.func.sum(table.c.n_rows).desc(), table.c.reason)
    )
    return _frame(columns, rows.all())


def quarantine_samples(live: OpsReader, feed_id: str, limit: int = 20) -> pl.DataFrame:
    """The newest findings of a feed: at, reason, grain, outcome, source_ref, column_name, found, expected, n_rows.

    `found` was masked before it was stored when its column is personal.
    """
    table = tables.quarantine
    columns = [
        table.c.at,
        table.c.reason,
        table.c.grain,
        table.c.outcome,
        table.c.source_ref,
        table.c.column_name,
        table.c.found,
        table.c.expected,
        table.c.n_rows,
    ]
    rows = live.execute(sa.select(*columns).where(table.c.feed_id == feed_id).order_by(table.c.id.desc()).limit(limit))
    return _frame(columns, rows.all())


def open_notifications(live: OpsReader, feed_id: str | None = None) -> pl.DataFrame:
    """Notifications that are not cleared, newest first: feed_id, kind, text_zh, text_en, raised_at."""
    table = tables.notification
    columns = [table.c.feed_id, table.c.kind, table.c.text_zh, table.c.text_en, table.c.raised_at]
    query = sa.select(*columns).where(table.c.cleared_at.is_(None)).order_by(table.c.raised_at.desc())
    if feed_id is not None:
        query = query.where(table.c.feed_id == feed_id)
    return _frame(columns, live.execute(query).all())


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the ops store knows, by feed id."""

    received_at: dict[str, datetime]
    rows: dict[str, int]
    quarantined: dict[str, int]
    held: dict[str, int]
    failed: dict[str, int]
    raised: dict[str, int]
    outcome: dict[str, tuple[str, str, datetime]]
    answered_at: dict[str, datetime]
    notifications: dict[str, int]
    refusals: dict[str, Refusal]
    heard_at: dict[str, datetime]  # by raw feed


def _seen_live(live: OpsReader, now: datetime) -> _Seen:
    since = now - _DAY
    batch, outcome, notification = tables.batch, tables.fetch_outcome, tables.notification
    day = (
        sa.select(batch.c.feed_id, sa.func.sum(batch.c.rows_landed), sa.func.sum(batch.c.rows_quarantined))
        .where(batch.c.received_at >= since)
        .group_by(batch.c.feed_id)
    )
    received = sa.select(batch.c.feed_id, sa.func.max(batch.c.received_at)).where(batch.c.rows_landed > 0)
    held = sa.select(batch.c.feed_id, sa.func.count()).where(batch.c.state == "held").group_by(batch.c.feed_id)
    last_try = sa.select(sa.func.max(outcome.c.id)).group_by(outcome.c.feed_id)
    tried = sa.select(outcome.c.feed_id, outcome.c.result, outcome.c.detail, outcome.c.ended_at).where(
        outcome.c.id.in_(last_try)
    )
    answered = (
        sa.select(outcome.c.feed_id, sa.func.max(outcome.c.ended_at))
        .where(outcome.c.result.in_(_ANSWERS))
        .group_by(outcome.c.feed_id)
    )
    opened = (
        sa.select(notification.c.feed_id, sa.func.count())
        .where(notification.c.cleared_at.is_(None))
        .group_by(notification.c.feed_id)
    )
    link = tables.device_link.c
    heard = sa.select(link.raw_feed, sa.func.max(link.last_frame_at)).group_by(link.raw_feed)
    by_day = live.execute(day).all()
    bad = live.execute(_latest_bad_verdicts()).all()
    return _Seen(
        received_at={row[0]: row[1] for row in live.execute(received.group_by(batch.c.feed_id))},
        rows={row[0]: row[1] for row in by_day},
        quarantined={row[0]: row[2] for row in by_day},
        held={row[0]: row[1] for row in live.execute(held)},
        failed={row[0]: row[2] for row in bad if row[1] == "failed"},
        raised={row[0]: row[2] for row in bad if row[1] == "raised"},
        outcome={row[0]: (row[1], row[2], row[3]) for row in live.execute(tried)},
        answered_at={row[0]: row[1] for row in live.execute(answered)},
        notifications={row[0]: row[1] for row in live.execute(opened)},
        refusals=refusal.standing(live),
        heard_at={row[0]: row[1] for row in live.execute(heard) if row[1] is not None},
    )


def _latest_bad_verdicts() -> sa.Select[Any]:
    table = tables.check_verdict
    last_id = sa.select(sa.func.max(table.c.id)).group_by(table.c.feed_id)
    last_run = sa.select(table.c.feed_id, table.c.run_id).where(table.c.id.in_(last_id)).subquery()
    return (
        sa.select(table.c.feed_id, table.c.verdict, sa.func.count())
        .join(last_run, sa.and_(last_run.c.feed_id == table.c.feed_id, last_run.c.run_id == table.c.run_id))
        .where(table.c.verdict != "passed")
        .group_by(table.c.feed_id, table.c.verdict)
    )


def _fact(row: dict[str, Any], seen: _Seen | None, now: datetime) -> FeedFact:
    feed_id: str = row["feed_id"]
    freshness, since = freshness_at(_last_sign(row, seen), row["late_after_s"], row["silent_after_s"], now)
    received, outcome = row["last_received_at"], None
    is_awaited = _last_sign(row, seen) is None and _is_young(row, now)
    refusal = seen.refusals.get(feed_id) if seen else None
    counts = [row[name] for name in ("rows_24h", "quarantined_24h", "batches_held", "checks_failed", "checks_raised")]
    if seen is not None:
        received = max(filter(None, (received, seen.received_at.get(feed_id))), default=None)
        outcome = seen.outcome.get(feed_id)
        live = (seen.rows, seen.quarantined, seen.held, seen.failed, seen.raised)
        counts = [found.get(feed_id, 0) for found in live]
    return FeedFact(
        feed_id=feed_id,
        name_zh=row["name_zh"],
        name_en=row["name_en"],
        department_zh=row["department_zh"],
        department_en=row["department_en"],
        domain=row["domain"],
        freshness=freshness,
        since=since,
        last_observed_at=row["last_observed_at"],
        last_received_at=received,
        rows_24h=int(counts[0]),
        quarantined_24h=int(counts[1]),
        batches_held=int(counts[2]),
        checks_failed=int(counts[3]),
        checks_raised=int(counts[4]),
        last_result=outcome[0] if outcome else None,
        last_detail=outcome[1] if outcome else None,
        last_tried_at=outcome[2] if outcome else None,
        n_open_notifications=seen.notifications.get(feed_id, 0) if seen else 0,
        refusal=refusal,
        still_delivers=refusal is not None and not _is_longer_ago(refusal.at, row["silent_after_s"], now),
        left_out=row["left_out_reason"],
        is_awaited=is_awaited,
        is_quiet=bool(row.get("may_be_quiet")) and freshness == "fresh" and _is_calm(row, now),
        heard_at=seen.heard_at.get(row["raw_feed"]) if seen and row.get("may_be_quiet") else None,
    )


def _is_young(row: dict[str, Any], now: datetime) -> bool:
    """Whether a feed that began with the home has not had its agreed time yet."""
    opened_at, silent_after_s = row["opened_at"], row["silent_after_s"]
    return opened_at is not None and silent_after_s is not None and not _is_longer_ago(opened_at, silent_after_s, now)


def _is_longer_ago(at: datetime, limit_s: float | None, now: datetime) -> bool:
    return limit_s is not None and now - at > timedelta(seconds=limit_s)


def _is_calm(row: dict[str, Any], now: datetime) -> bool:
    observed_at: datetime | None = row["last_observed_at"]
    return observed_at is None or now - observed_at > timedelta(seconds=row["late_after_s"])


def last_sign_of_facts(observed_at: datetime | None, received_at: datetime | None) -> datetime | None:
    """The newest event, but never later than it was received: a wrong clock keeps no feed fresh."""
    if observed_at is None or received_at is None:
        return observed_at
    return min(observed_at, received_at)


def _last_sign(row: dict[str, Any], seen: _Seen | None) -> datetime | None:
    """What freshness counts from: the newest event of a feed of facts, the department's last answer for a register.

    Events that need not happen count by the answer too, or by the last sign of life of a device of their stream.
    """
    published: datetime | None
    if _FACTS & set(row["entities"].split(";")) and not row.get("may_be_quiet"):
        return last_sign_of_facts(row["last_observed_at"], row["last_received_at"])
    published = row["last_contact_at"]
    answered = seen.answered_at.get(row["feed_id"]) if seen else None
    heard = seen.heard_at.get(row["raw_feed"]) if seen and row.get("may_be_quiet") else None
    return max(filter(None, (published, answered, heard)), default=None)


def _frame(columns: Sequence[Any], rows: Sequence[Any]) -> pl.DataFrame:
    return pl.DataFrame(
        [tuple(row) for row in rows], schema=[c.name for c in columns], orient="row", infer_schema_length=None
    )

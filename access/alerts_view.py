"""What the page Alerts live reads: the alert store as it is at this moment, bounded rows, no state of a notifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from access.live import OpsReader
from access.rights import Reader
from alerting.lifecycle import steps
from alerting.marks import LATE, WORDS
from alerting.notify.silent_devices import silent_since
from core import severity
from core.store import alert as stored
from core.store import notice, policy

if TYPE_CHECKING:
    from access.systems import CitySystem

STATES = ("open", "acknowledged", "dispatched", "resolved", "suppressed", "pending", "closed", "archived", "withdrawn")
WORKED_ON = (*steps.WORKED_ON, "resolved")
COLOURS = severity.WORST_FIRST
KINDS = tuple(verb.value for verb in steps.Verb)
ROWS_A_PAGE = 50
HISTORY_ROWS = 200
REDS_TOLD = 20
# The clock message of LIVE moves the position every second, also when no device says anything.
SILENT_AFTER = timedelta(seconds=15)

_LISTED = (
    "alert_id",
    "origin",
    "state",
    "colour",
    "severity_rank",
    "object_id",
    "object_name_zh",
    "matters_zh",
    "matters_en",
    "value",
    "threshold",
    "unit",
    "standard",
    "clause",
    "evidence_grade",
    "domain",
    "area_code",
    "lon",
    "lat",
    "starts_at",
    "opened_at",
    "due_at",
    "acknowledged_by",
    "is_exercise",
    "is_late",
    "marks",
    "is_flapping",
    "n_reports",
    "n_reopened",
    "escalation_level",
    "disposing_unit_zh",
    "disposing_unit_en",
    "contact",
    "device_id",
    "metric",
)
_NEWEST = (stored.alert.c.opened_at.desc(), stored.alert.c.alert_id)
_WORST = (
    stored.alert.c.severity_rank.desc(),
    sa.case({name: n for n, name in enumerate(STATES)}, value=stored.alert.c.state),
    *_NEWEST,
)


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts to show; None and empty take all. `area_code` means the area and everything below it.

    `system`: those of its rules, and those that people entered for its kind of risk.
    """

    states: Sequence[str] = WORKED_ON
    colours: Sequence[str] = COLOURS
    domain: str | None = None
    area_code: str | None = None
    is_exercise: bool | None = None
    newest_first: bool = False
    system: CitySystem | None = None


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """How alerting was last heard: its newest step through the stream, None before the first."""

    moved_at: datetime | None
    stream_at: datetime | None

    def is_silent(self, now: datetime) -> bool:
        """Whether what the store says may no longer be what the city is like."""
        return self.moved_at is None or now - self.moved_at > SILENT_AFTER


@dataclass(frozen=True, slots=True)
class Board:
    """One look: the rows of one page of the list, how many the filter matched, and all living alerts in numbers."""

    rows: Sequence[Mapping[str, Any]]
    n_matching: int
    counts: Mapping[tuple[str, str], int]  # (colour, state) → alerts, no filter applied
    heartbeat: Heartbeat


def marks_of(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What to know of the readings behind an alert, in Chinese and in English."""
    told = set(row["marks"].split()) | ({LATE} if row["is_late"] else set())
    return [WORDS.get(mark, (mark, mark)) for mark in sorted(told)]


def board(
    live: OpsReader, reader: Reader, wanted: AlertFilter, page: int = 0, limit: int | None = ROWS_A_PAGE
) -> Board:
    """The alerts to show, worst or newest first, `limit` of them from page `page` on; all without a limit."""
    table = stored.alert
    conditions = _where(reader, wanted)
    order = _NEWEST if wanted.newest_first else _WORST
    # Ordered by few columns first: sorting thousands of whole rows costs ten times as much.
    ids = sa.select(table.c.alert_id).where(*conditions).order_by(*order)
    if limit is not None:
        ids = ids.limit(limit).offset(page * limit)
    found = live.execute(
        sa.select(*(table.c[name] for name in _LISTED)).where(table.c.alert_id.in_(ids)).order_by(*order)
    )
    rows = [dict(row) for row in found.mappings()]
    heard_at = silent_since(live.execute, [(row["alert_id"], row["device_id"], row["metric"]) for row in rows])
    for row in rows:
        row["last_heard_at"] = heard_at.get(row["alert_id"])
    n_matching = live.scalar(sa.select(sa.func.count()).select_from(table).where(*conditions)) or 0
    return Board(rows, n_matching, _counts(live), heartbeat(live))


def open_counts(live: OpsReader, reader: Reader, system: CitySystem) -> Mapping[str, int]:
    """Alerts of a system that somebody must still deal with, exercises aside, by colour."""
    table = stored.alert
    wanted = AlertFilter(states=steps.WORKED_ON, system=system, is_exercise=False)
    query = sa.select(table.c.colour, sa.func.count()).where(*_where(reader, wanted)).group_by(table.c.colour)
    return {row[0]: row[1] for row in live.execute(query)}


def heartbeat(live: OpsReader) -> Heartbeat:
    """How far alerting is, and when it last moved."""
    position = stored.alert_position.c
    row = live.execute(sa.select(sa.func.max(position.moved_at), sa.func.max(position.stream_at))).one()
    return Heartbeat(*(instant_of(one) if one else None for one in row))


def unanswered_reds(live: OpsReader, reader: Reader) -> list[dict[str, Any]]:
    """Red alerts that nobody acknowledged, newest first, at most `REDS_TOLD`.

    Columns: `ring`, the same as long as it is the same call for a person, and those of the list.
    """
    table = stored.alert
    wanted = AlertFilter(states=("open",), colours=("red",))
    query = sa.select(*(table.c[name] for name in _LISTED)).where(*_where(reader, wanted))
    rows = live.execute(query.order_by(*_NEWEST).limit(REDS_TOLD)).mappings()
    return [{**row, "ring": f"{row['alert_id']}/{row['n_reopened']}"} for row in rows]


def alert(live: OpsReader, reader: Reader, alert_id: str) -> dict[str, Any] | None:
    """Everything about one alert; None when there is none in the reader's branch. `n_in_group`: living ones told alike.

    `silenced`: reason, actor and end of the silence that keeps it quiet, when it is one. `last_heard_at`: of a device
    that is silent under it.
    """
    table = stored.alert
    in_branch = table.c.area_code.like(reader.area_pattern)
    row = live.execute(sa.select(table).where(table.c.alert_id == alert_id, in_branch)).mappings().one_or_none()
    if row is None:
        return None
    grouped = (table.c.group_key == row["group_key"], table.c.state.in_(WORKED_ON))
    n_in_group = live.scalar(sa.select(sa.func.count()).select_from(table).where(*grouped))
    return {
        **row,
        "n_in_group": n_in_group,
        "silenced": _silenced(live, row["suppressed_by"]),
        "last_heard_at": silent_since(live.execute, [(alert_id, row["device_id"], row["metric"])]).get(alert_id),
    }


def history(live: OpsReader, alert_id: str) -> list[dict[str, Any]]:
    """What happened to an alert, newest first: columns of `alert_event`, at most `HISTORY_ROWS`."""
    table = stored.alert_event
    query = sa.select(table).where(table.c.alert_id == alert_id).order_by(table.c.event_id.desc()).limit(HISTORY_ROWS)
    return [dict(row) for row in live.execute(query).mappings()]


def deliveries(live: OpsReader, alert_id: str) -> list[dict[str, Any]]:
    """How people were told of an alert: channel_id, kind, state, n, attempts, last_at; newest first."""
    table = notice.alert_delivery
    last_at = sa.func.max(sa.func.coalesce(table.c.sent_at, table.c.created_at)).label("last_at")
    query = (
        sa.select(
            table.c.channel_id,
            table.c.kind,
            table.c.state,
            sa.func.count().label("n"),
            sa.func.max(table.c.attempts).label("attempts"),
            last_at,
        )
        .where(table.c.alert_id == alert_id)
        .group_by(table.c.channel_id, table.c.kind, table.c.state)
        .order_by(last_at.desc())
        .limit(HISTORY_ROWS)
    )
    rows = [dict(row) for row in live.execute(query).mappings()]
    for row in rows:
        row["last_at"] = instant_of(row["last_at"])
    return rows


def allowed(state: str) -> tuple[str, ...]:
    """Steps that a person may take from a state: acknowledged, dispatched, resolved, closed, archived, commented."""
    return tuple(verb.value for verb in steps.allowed(state))


def _where(reader: Reader, wanted: AlertFilter) -> list[sa.ColumnElement[bool]]:
    table = stored.alert
    ranks = [severity.RANKS[colour] for colour in wanted.colours]
    conditions: list[sa.ColumnElement[bool]] = [table.c.state.in_(wanted.states), table.c.severity_rank.in_(ranks)]
    if reader.area_code:
        conditions.append(table.c.area_code.like(reader.area_pattern))
    if wanted.domain:
        conditions.append(table.c.domain == wanted.domain)
    if wanted.area_code:
        conditions.append(table.c.area_code.like(Reader(area_code=wanted.area_code).area_pattern))
    if wanted.is_exercise is not None:
        conditions.append(table.c.is_exercise == wanted.is_exercise)
    if wanted.system is not None:
        conditions.append(_of_system(wanted.system))
    return conditions


def _of_system(system: CitySystem) -> sa.ColumnElement[bool]:
    a = stored.alert.c
    entered = sa.and_(a.origin == "person", a.domain == system.domain, a.subdomain == system.subdomain)
    return sa.or_(a.rule_id.in_(system.rule_ids), entered)


def instant_of(found: datetime | str) -> datetime:
    """An aggregate of instants, which some stores give as text."""
    return datetime.fromisoformat(found) if isinstance(found, str) else found


def _counts(live: OpsReader) -> dict[tuple[str, str], int]:
    """Living alerts by colour and state, from the index alone."""
    table = stored.alert
    query = (
        sa.select(table.c.severity_rank, table.c.state, sa.func.count())
        .where(table.c.state.in_(stored.OPEN_STATES))
        .group_by(table.c.state, table.c.severity_rank)
    )
    return {(severity.COLOURS[row[0]], str(row[1])): int(row[2]) for row in live.execute(query)}


def _silenced(live: OpsReader, cause: str | None) -> dict[str, Any] | None:
    kind, _, silence_id = (cause or "").partition(":")
    if kind != "silence":
        return None
    table = policy.silence
    columns = (table.c.silence_id, table.c.reason, table.c.actor, table.c.ends_at)
    row = live.execute(sa.select(*columns).where(table.c.silence_id == silence_id)).mappings().one_or_none()
    return dict(row) if row else None

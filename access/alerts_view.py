"""What the page Alerts live reads: the alert store as it is at this moment, bounded rows, no state of a notifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from access.live import OpsReader
from access.rights import Reader
from alerting.lifecycle import steps
from alerting.lifecycle.alert import Alert
from alerting.lifecycle.alert import AlertEvent as AlertEvent
from alerting.marks import LATE, WORDS
from alerting.notify.silent_devices import silent_since
from core import severity
from core.store import alert as stored
from core.store import notice, policy
from core.store.records import Records

if TYPE_CHECKING:
    from access.systems import CitySystem

STATES = ("open", "acknowledged", "dispatched", "resolved", "suppressed", "pending", "closed", "archived", "withdrawn")
WORKED_ON = (*steps.WORKED_ON, "resolved")
COLOURS = severity.WORST_FIRST
KINDS = tuple(verb.value for verb in steps.Verb)
ROWS_A_PAGE = 50
HISTORY_ROWS = 200
MOST_REDS = 20
STRIP_ROWS = 3
# The clock message of LIVE moves the position every second, also when no device says anything.
SILENT_AFTER = timedelta(seconds=15)

_NEWEST = (stored.alert.c.opened_at.desc(), stored.alert.c.alert_id)
# What somebody must deal with stands above what is over, and what is no exercise above what is one.
_WORST = (
    stored.alert.c.is_exercise,
    sa.case((stored.alert.c.state.in_(steps.WORKED_ON), 0), else_=1),
    stored.alert.c.severity_rank.desc(),
    sa.case({name: n for n, name in enumerate(STATES)}, value=stored.alert.c.state),
    *_NEWEST,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedAlert:
    """An alert as lists show it."""

    alert_id: str
    origin: str
    state: str
    colour: str
    severity_rank: int
    object_id: str
    object_name_zh: str
    matters_zh: str
    matters_en: str
    value: float | None
    threshold: float | None
    unit: str
    standard: str
    clause: str
    evidence_grade: str
    domain: str
    area_code: str
    lon: float | None
    lat: float | None
    starts_at: datetime
    opened_at: datetime | None
    due_at: datetime | None
    acknowledged_by: str | None
    is_exercise: bool
    is_late: bool
    marks: str
    is_flapping: bool
    n_reports: int
    n_reopened: int
    escalation_level: int
    disposing_unit_zh: str
    disposing_unit_en: str
    contact: str
    device_id: str | None
    metric: str
    last_heard_at: datetime | None = None  # of a device that is silent under it

    @property
    def call_key(self) -> str:
        """The same as long as it is the same call for a person."""
        return f"{self.alert_id}/{self.n_reopened}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingSilence:
    """The silence that keeps an alert quiet."""

    silence_id: str
    reason: str
    actor: str
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertDetail(Alert):
    """Everything about one alert, and what stands around it."""

    n_in_group: int = 0  # living alerts that share its notices
    silenced: StandingSilence | None = None
    last_heard_at: datetime | None = None  # of a device that is silent under it


@dataclass(frozen=True, slots=True)
class DeliveryCount:
    """Deliveries of an alert's notices through one channel, of one kind and in one state."""

    channel_id: str
    kind: str
    state: str
    n: int
    attempts: int
    last_at: datetime


_LISTED = Records(ListedAlert, stored.alert, beside=("last_heard_at",))
_DETAILS = Records(AlertDetail, stored.alert, beside=("n_in_group", "silenced", "last_heard_at"))
_EVENTS = Records(AlertEvent, stored.alert_event)
_SILENCES = Records(StandingSilence, policy.silence)


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

    rows: Sequence[ListedAlert]
    n_matching: int
    counts: Mapping[tuple[str, str], int]  # (colour, state) → alerts that are no exercises, no filter applied
    n_exercises: int  # living ones
    heartbeat: Heartbeat


@dataclass(frozen=True, slots=True)
class WorstOpen:
    """Alerts of the reader's branch that somebody must deal with, exercises counted apart."""

    rows: Sequence[ListedAlert]  # the worst, at most `STRIP_ROWS`
    counts: Mapping[str, int]  # by colour
    n_overdue: int
    n_exercises: int
    heartbeat: Heartbeat


def marks_of(alert: Alert | ListedAlert) -> list[tuple[str, str]]:
    """What to know of the readings behind an alert, in Chinese and in English."""
    found = set(alert.marks.split()) | ({LATE} if alert.is_late else set())
    return [WORDS.get(mark, (mark, mark)) for mark in sorted(found)]


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
    found = _LISTED.found(live, _LISTED.where(table.c.alert_id.in_(ids)).order_by(*order))
    heard_at = silent_since(live.execute, [(one.alert_id, one.device_id, one.metric) for one in found])
    rows = [replace(one, last_heard_at=heard_at.get(one.alert_id)) for one in found]
    n_matching = live.scalar(sa.select(sa.func.count()).select_from(table).where(*conditions)) or 0
    return Board(rows, n_matching, *_counts(live), heartbeat(live))


def open_counts(live: OpsReader, reader: Reader, system: CitySystem) -> Mapping[str, int]:
    """Alerts of a system that somebody must still deal with, exercises aside, by colour."""
    table = stored.alert
    wanted = AlertFilter(states=steps.WORKED_ON, system=system, is_exercise=False)
    query = sa.select(table.c.colour, sa.func.count()).where(*_where(reader, wanted)).group_by(table.c.colour)
    return {row[0]: row[1] for row in live.execute(query)}


def worst_open(live: OpsReader, reader: Reader, now: datetime) -> WorstOpen:
    """What somebody must deal with at this moment: in numbers, and the worst of it, overdue first within a colour."""
    a = stored.alert.c
    conditions = _where(reader, AlertFilter(states=steps.WORKED_ON))
    is_overdue = sa.case((a.due_at < now, 1), else_=0)
    counting = (
        sa.select(a.severity_rank, a.is_exercise, sa.func.count(), sa.func.sum(is_overdue))
        .where(*conditions)
        .group_by(a.severity_rank, a.is_exercise)
    )
    counted = [(int(row[0]), bool(row[1]), int(row[2]), int(row[3])) for row in live.execute(counting)]
    worst = _LISTED.where(*conditions, sa.not_(a.is_exercise)).order_by(
        a.severity_rank.desc(), is_overdue.desc(), *_NEWEST
    )
    return WorstOpen(
        rows=_LISTED.found(live, worst.limit(STRIP_ROWS)),
        counts={severity.COLOURS[rank]: n for rank, played, n, _ in counted if not played},
        n_overdue=sum(n_late for _, played, _, n_late in counted if not played),
        n_exercises=sum(n for _, played, n, _ in counted if played),
        heartbeat=heartbeat(live),
    )


def alerted_objects(live: OpsReader, reader: Reader) -> dict[str, str]:
    """Objects under an alert that somebody must deal with, exercises aside, and the worst colour of each."""
    a = stored.alert.c
    conditions = _where(reader, AlertFilter(states=steps.WORKED_ON, is_exercise=False))
    query = sa.select(a.object_id, sa.func.max(a.severity_rank)).where(*conditions).group_by(a.object_id)
    return {str(row[0]): severity.COLOURS[int(row[1])] for row in live.execute(query)}


def open_of_object(live: OpsReader, reader: Reader, object_id: str) -> ListedAlert | None:
    """The worst alert of an object that somebody must deal with; None where there is none."""
    conditions = _where(reader, AlertFilter(states=steps.WORKED_ON, is_exercise=False))
    query = _LISTED.where(*conditions, stored.alert.c.object_id == object_id).order_by(*_WORST).limit(1)
    return next(iter(_LISTED.found(live, query)), None)


def heartbeat(live: OpsReader) -> Heartbeat:
    """How far alerting is, and when it last moved."""
    position = stored.alert_position.c
    row = live.execute(sa.select(sa.func.max(position.moved_at), sa.func.max(position.stream_at))).one()
    return Heartbeat(*(instant_of(one) if one else None for one in row))


def unanswered_reds(live: OpsReader, reader: Reader) -> list[ListedAlert]:
    """Red alerts that nobody acknowledged, newest first, at most `MOST_REDS`."""
    wanted = AlertFilter(states=("open",), colours=("red",))
    query = _LISTED.where(*_where(reader, wanted))
    return _LISTED.found(live, query.order_by(*_NEWEST).limit(MOST_REDS))


def alert(live: OpsReader, reader: Reader, alert_id: str) -> AlertDetail | None:
    """Everything about one alert; None when there is none in the reader's branch."""
    table = stored.alert
    in_branch = table.c.area_code.like(reader.area_pattern)
    found = next(iter(_DETAILS.found(live, _DETAILS.where(table.c.alert_id == alert_id, in_branch))), None)
    if found is None:
        return None
    grouped = (table.c.group_key == found.group_key, table.c.state.in_(WORKED_ON))
    heard_at = silent_since(live.execute, [(alert_id, found.device_id, found.metric)])
    return replace(
        found,
        n_in_group=live.scalar(sa.select(sa.func.count()).select_from(table).where(*grouped)) or 0,
        silenced=_silenced(live, found.suppressed_by),
        last_heard_at=heard_at.get(alert_id),
    )


def history(live: OpsReader, alert_id: str) -> list[AlertEvent]:
    """What happened to an alert, newest first, at most `HISTORY_ROWS`."""
    event = stored.alert_event.c
    query = _EVENTS.where(event.alert_id == alert_id).order_by(event.event_id.desc())
    return _EVENTS.found(live, query.limit(HISTORY_ROWS))


def deliveries(live: OpsReader, alert_id: str) -> list[DeliveryCount]:
    """How people were notified of an alert, newest first."""
    table = notice.alert_delivery
    n, attempts = sa.func.count().label("n"), sa.func.max(table.c.attempts).label("attempts")
    last_at = sa.func.max(sa.func.coalesce(table.c.sent_at, table.c.created_at)).label("last_at")
    query = (
        sa.select(table.c.channel_id, table.c.kind, table.c.state, n, attempts, last_at)
        .where(table.c.alert_id == alert_id)
        .group_by(table.c.channel_id, table.c.kind, table.c.state)
        .order_by(last_at.desc())
        .limit(HISTORY_ROWS)
    )
    return [
        DeliveryCount(row.channel_id, row.kind, row.state, row.n, row.attempts, instant_of(row.last_at))
        for row in live.execute(query)
    ]


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


def _counts(live: OpsReader) -> tuple[dict[tuple[str, str], int], int]:
    """Living alerts by colour and state, exercises apart: an exercise is nothing that the city must deal with."""
    table = stored.alert
    n_played = sa.func.sum(table.c.is_exercise.cast(sa.Integer))
    query = (
        sa.select(table.c.severity_rank, table.c.state, sa.func.count(), n_played)
        .where(table.c.state.in_(stored.OPEN_STATES))
        .group_by(table.c.state, table.c.severity_rank)
    )
    counts: dict[tuple[str, str], int] = {}
    n_exercises = 0
    for row in live.execute(query):
        counts[severity.COLOURS[row[0]], str(row[1])] = int(row[2]) - int(row[3])
        n_exercises += int(row[3])
    return counts, n_exercises


def _silenced(live: OpsReader, cause: str | None) -> StandingSilence | None:
    kind, _, silence_id = (cause or "").partition(":")
    if kind != "silence":
        return None
    return next(iter(_SILENCES.found(live, _SILENCES.where(policy.silence.c.silence_id == silence_id))), None)

"""What the page Alerts live reads: the alert store as it is at this moment, bounded rows, no state of a notifier."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from access.live import OpsReader
from access.rights import Reader
from alerting.lifecycle import steps
from alerting.lifecycle.alert import Alert
from alerting.lifecycle.alert import AlertEvent as AlertEvent
from alerting.marks import LATE, PAST_DANGER, WORDS
from alerting.notify.silent_devices import silent_since
from core import severity
from core.store import alert as stored
from core.store import notice, policy
from core.store.records import Records

if TYPE_CHECKING:
    from access.systems import CitySystem

# As lists and pages say it: of what is resolved, what nobody answered stands apart until a person closes it.
UNANSWERED = "unanswered"
STATES = (
    *("open", "acknowledged", "dispatched", UNANSWERED, "resolved", "suppressed"),
    *("pending", "closed", "archived", "withdrawn"),
)
WORKED_ON = (*steps.WORKED_ON, UNANSWERED, "resolved")
LISTED = (*WORKED_ON, "suppressed")  # a list as it opens: what is kept quiet is still there
COLOURS = severity.WORST_FIRST
KINDS = tuple(verb.value for verb in steps.Verb)
ROWS_A_PAGE = 50
HISTORY_ROWS = 200
MOST_REDS = 20
STRIP_ROWS = 3
DRY_RUN = "dry_run"
# What became of a delivery; *sent* is what a receiver answered. That somebody has read it no channel tells yet.
DELIVERIES = ("waiting", DRY_RUN, "sent", "failed", "dead")
# The clock message of LIVE moves the position every second, also when no device says anything.
SILENT_AFTER = timedelta(seconds=15)

_a = stored.alert.c
# `alerting.lifecycle.steps.is_unanswered` in SQL.
_IS_UNANSWERED = sa.and_(
    _a.state == "resolved",
    _a.acknowledged_at.is_(None),
    _a.suppressed_by.is_(None),
    sa.not_(_a.marks.contains(PAST_DANGER)),
)
_STATE = sa.case((_IS_UNANSWERED, UNANSWERED), else_=_a.state)
_NEWEST = (_a.opened_at.desc(), _a.alert_id)
# What somebody must deal with stands above what nobody answered or hears of, that above what is over; what is no
# exercise above what is one; what is overdue longest first.
_WORST = (
    _a.is_exercise,
    sa.case((_a.state.in_(steps.WORKED_ON), 0), (_STATE.in_((UNANSWERED, "suppressed")), 1), else_=2),
    _a.severity_rank.desc(),
    sa.case((_a.state.in_(steps.WORKED_ON), _a.due_at)).asc().nulls_last(),
    sa.case({name: n for n, name in enumerate(STATES)}, value=_STATE),
    *_NEWEST,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedAlert:
    """An alert as lists show it; `state` is one of `STATES`."""

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
    resolved_at: datetime | None
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

    @property
    def shown_state(self) -> str:
        """The state as lists say it."""
        return UNANSWERED if steps.is_unanswered(self) else self.state


@dataclass(frozen=True, slots=True)
class DeliveryCount:
    """Deliveries of an alert's notices through one channel, of one kind and in one state of `DELIVERIES`."""

    channel_id: str
    kind: str
    state: str
    n: int
    attempts: int
    last_at: datetime


_LISTED = Records(ListedAlert, stored.alert, {"state": _STATE.label("state")}, beside=("last_heard_at",))
_DETAILS = Records(AlertDetail, stored.alert, beside=("n_in_group", "silenced", "last_heard_at"))
_EVENTS = Records(AlertEvent, stored.alert_event)
_SILENCES = Records(StandingSilence, policy.silence)


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts to show; None and empty take all. `area_code` means the area and everything below it.

    `system`: those of its rules, and those that people entered for its kind of risk.
    """

    states: Sequence[str] = LISTED
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
    counts: Mapping[tuple[str, str], int]  # (colour, state) → those of the reader's branch that are no exercises
    n_exercises: int  # living ones
    heartbeat: Heartbeat


@dataclass(frozen=True, slots=True)
class WorstOpen:
    """Alerts of the reader's branch that somebody must deal with, exercises counted apart."""

    rows: Sequence[ListedAlert]  # the worst, at most `STRIP_ROWS`
    counts: Mapping[str, int]  # by colour
    n_overdue: int
    n_unanswered: int  # over by themselves, and nobody had answered
    n_suppressed: int  # still danger, but kept quiet
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
    n_matching = live.scalar(sa.select(sa.func.count()).select_from(table).where(*conditions)) or 0
    # Ordered by few columns first: sorting thousands of whole rows costs ten times as much.
    ids = sa.select(table.c.alert_id).where(*conditions).order_by(*order)
    if limit is not None:  # a page behind the last one is empty, and its offset may be more than a store can count
        ids = ids.limit(limit).offset(min(page * limit, n_matching))
    found = _LISTED.found(live, _LISTED.where(table.c.alert_id.in_(ids)).order_by(*order))
    heard_at = silent_since(live.execute, [(one.alert_id, one.device_id, one.metric) for one in found])
    rows = [replace(one, last_heard_at=heard_at.get(one.alert_id)) for one in found]
    return Board(rows, n_matching, *_counts(live, reader), heartbeat(live))


def open_counts(live: OpsReader, reader: Reader, system: CitySystem) -> Mapping[str, int]:
    """Alerts of a system that somebody must still deal with, exercises aside, by colour."""
    table = stored.alert
    wanted = AlertFilter(states=steps.WORKED_ON, system=system, is_exercise=False)
    query = sa.select(table.c.colour, sa.func.count()).where(*_where(reader, wanted)).group_by(table.c.colour)
    return {row[0]: row[1] for row in live.execute(query)}


def worst_open(live: OpsReader, reader: Reader, now: datetime) -> WorstOpen:
    """What somebody must deal with at this moment: in numbers, and the worst of it, overdue first within a colour."""
    is_overdue = sa.case((sa.and_(_a.state.in_(steps.WORKED_ON), _a.due_at < now), 1), else_=0)
    counts: Counter[str] = Counter()
    apart: Counter[str] = Counter()
    for rank, state, is_exercise, is_late, n in _counted(live, reader, (*steps.ONGOING, UNANSWERED), is_overdue):
        if is_exercise:
            apart["exercise"] += n if state in steps.WORKED_ON else 0
        elif state in steps.WORKED_ON:
            counts[severity.COLOURS[rank]] += n
            apart["overdue"] += n if is_late else 0
        else:
            apart[state] += n
    worked_on = _LISTED.where(*_where(reader, AlertFilter(states=steps.WORKED_ON, is_exercise=False)))
    worst = worked_on.order_by(_a.severity_rank.desc(), is_overdue.desc(), *_NEWEST)
    return WorstOpen(
        rows=_LISTED.found(live, worst.limit(STRIP_ROWS)),
        counts=counts,
        n_overdue=apart["overdue"],
        n_unanswered=apart[UNANSWERED],
        n_suppressed=apart["suppressed"],
        n_exercises=apart["exercise"],
        heartbeat=heartbeat(live),
    )


def alerted_objects(live: OpsReader, reader: Reader) -> dict[str, str]:
    """Objects in danger that nobody has seen end, told or kept quiet, exercises aside, and the worst colour of each.

    The same alerts count in the score at the next build.
    """
    conditions = _where(reader, AlertFilter(states=steps.ONGOING, is_exercise=False))
    query = sa.select(_a.object_id, sa.func.max(_a.severity_rank)).where(*conditions).group_by(_a.object_id)
    return {str(row[0]): severity.COLOURS[int(row[1])] for row in live.execute(query)}


def open_of_object(live: OpsReader, reader: Reader, object_id: str) -> ListedAlert | None:
    """The worst alert that gives an object the colour of `alerted_objects`; None where there is none."""
    conditions = _where(reader, AlertFilter(states=steps.ONGOING, is_exercise=False))
    query = _LISTED.where(*conditions, stored.alert.c.object_id == object_id).order_by(*_WORST).limit(1)
    return next(iter(_LISTED.found(live, query)), None)


def heartbeat(live: OpsReader) -> Heartbeat:
    """How far alerting is, and when it last moved."""
    position = stored.alert_position.c
    row = live.execute(sa.select(sa.func.max(position.moved_at), sa.func.max(position.stream_at))).one()
    return Heartbeat(*(instant_of(one) if one else None for one in row))


def unanswered_reds(live: OpsReader, reader: Reader) -> list[ListedAlert]:
    """Red alerts that nobody acknowledged, newest first, at most `MOST_REDS`; exercises only where those leave room."""
    wanted = AlertFilter(states=("open",), colours=("red",))
    query = _LISTED.where(*_where(reader, wanted))
    return _LISTED.found(live, query.order_by(_a.is_exercise, *_NEWEST).limit(MOST_REDS))


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
    d = notice.alert_delivery.c
    is_dry = sa.and_(d.state == "sent", d.sent_at.is_(None))  # nobody answered: nothing went out
    state = sa.case((is_dry, DRY_RUN), else_=d.state).label("state")
    one = sa.select(d.channel_id, d.kind, state, d.attempts, sa.func.coalesce(d.sent_at, d.created_at).label("at"))
    seen = one.where(d.alert_id == alert_id).subquery()
    keys = (seen.c.channel_id, seen.c.kind, seen.c.state)
    last_at = sa.func.max(seen.c.at).label("last_at")
    counted = (sa.func.count().label("n"), sa.func.max(seen.c.attempts).label("attempts"), last_at)
    query = sa.select(*keys, *counted).group_by(*keys).order_by(last_at.desc()).limit(HISTORY_ROWS)
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
    kept = {"resolved" if state == UNANSWERED else state for state in wanted.states}  # as the store's index has them
    conditions: list[sa.ColumnElement[bool]] = [table.c.state.in_(kept), table.c.severity_rank.in_(ranks)]
    if "resolved" in kept:
        conditions.append(_STATE.in_(wanted.states))
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
    entered = sa.and_(_a.origin == "person", _a.domain == system.domain, _a.subdomain == system.subdomain)
    return sa.or_(_a.rule_id.in_(system.rule_ids), entered)


def instant_of(found: datetime | str) -> datetime:
    """An aggregate of instants, which some stores give as text."""
    return datetime.fromisoformat(found) if isinstance(found, str) else found


def _counts(live: OpsReader, reader: Reader) -> tuple[Mapping[tuple[str, str], int], int]:
    """Living alerts by colour and state, exercises apart: an exercise is nothing that the city must deal with."""
    counts: Counter[tuple[str, str]] = Counter()
    n_exercises = 0
    for rank, state, is_exercise, _, n in _counted(live, reader, (*steps.LIVING, UNANSWERED), sa.false()):
        if is_exercise:
            n_exercises += n
        else:
            counts[severity.COLOURS[rank], state] += n
    return counts, n_exercises


def _counted(
    live: OpsReader, reader: Reader, states: Sequence[str], is_overdue: sa.ColumnElement[Any]
) -> list[tuple[int, str, bool, bool, int]]:
    """Alerts in some states: rank, state as lists say it, whether an exercise, whether overdue, how many."""
    columns = (_a.severity_rank, _STATE.label("shown"), _a.is_exercise, is_overdue.label("is_overdue"))
    one = sa.select(*columns).where(*_where(reader, AlertFilter(states=states))).subquery()
    rows = live.execute(sa.select(*one.c, sa.func.count()).group_by(*one.c))
    return [(int(row[0]), str(row[1]), bool(row[2]), bool(row[3]), int(row[4])) for row in rows]


def _silenced(live: OpsReader, cause: str | None) -> StandingSilence | None:
    kind, _, silence_id = (cause or "").partition(":")
    if kind != "silence":
        return None
    return next(iter(_SILENCES.found(live, _SILENCES.where(policy.silence.c.silence_id == silence_id))), None)

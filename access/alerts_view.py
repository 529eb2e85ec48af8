"""What the page Alerts live reads: the alert store as it is at this moment, bounded rows, no state of a notifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from access.alerts import policies_of
from access.live import OpsReader
from access.rights import Reader
from access.serving import GenerationError, Home, NoGenerationError, open_mart
from access.systems import CitySystem
from alerting.engine.marks import LATE, WORDS
from alerting.lifecycle import steps
from alerting.notify.channels.channel_config import ChannelConfigError, load_channel_config
from alerting.notify.channels.claims import undelivered_query
from alerting.notify.silent_devices import silent_since
from alerting.policy.notification_policies import NotificationPolicies, NotificationPolicyError
from alerting.rules.generations import NoRulesError, newest_generation
from alerting.wording import Wording
from core import severity
from core.store import tables
from core.system import RISK_DOMAINS

STATES = ("open", "acknowledged", "dispatched", "resolved", "suppressed", "pending", "closed", "archived", "withdrawn")
WORKED_ON = (*steps.WORKED_ON, "resolved")
COLOURS = severity.WORST_FIRST
ALERTED_DOMAINS = RISK_DOMAINS
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
_NEWEST = (tables.alert.c.opened_at.desc(), tables.alert.c.alert_id)
_WORST = (
    tables.alert.c.severity_rank.desc(),
    sa.case({name: n for n, name in enumerate(STATES)}, value=tables.alert.c.state),
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
    table = tables.alert
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
    table = tables.alert
    wanted = AlertFilter(states=steps.WORKED_ON, system=system, is_exercise=False)
    query = sa.select(table.c.colour, sa.func.count()).where(*_where(reader, wanted)).group_by(table.c.colour)
    return {row[0]: row[1] for row in live.execute(query)}


def heartbeat(live: OpsReader) -> Heartbeat:
    """How far alerting is, and when it last moved."""
    position = tables.alert_position.c
    row = live.execute(sa.select(sa.func.max(position.moved_at), sa.func.max(position.stream_at))).one()
    return Heartbeat(*(_instant(one) if one else None for one in row))


def undelivered(live: OpsReader, now: datetime) -> list[tuple[str, int, datetime]]:
    """Channels whose news of alerts did not get through: id, how many, the oldest one's time."""
    rows = live.execute(undelivered_query(now)).mappings()
    return [(row["channel_id"], row["n"], _instant(row["oldest_at"])) for row in rows]


def unanswered_reds(live: OpsReader, reader: Reader) -> list[dict[str, Any]]:
    """Red alerts that nobody acknowledged, newest first, at most `REDS_TOLD`.

    Columns: `ring`, the same as long as it is the same call for a person, and those of the list.
    """
    table = tables.alert
    wanted = AlertFilter(states=("open",), colours=("red",))
    query = sa.select(*(table.c[name] for name in _LISTED)).where(*_where(reader, wanted))
    rows = live.execute(query.order_by(*_NEWEST).limit(REDS_TOLD)).mappings()
    return [{**row, "ring": f"{row['alert_id']}/{row['n_reopened']}"} for row in rows]


def alert(live: OpsReader, reader: Reader, alert_id: str) -> dict[str, Any] | None:
    """Everything about one alert; None when there is none in the reader's branch. `n_in_group`: living ones told alike.

    `silenced`: reason, actor and end of the silence that keeps it quiet, when it is one. `last_heard_at`: of a device
    that is silent under it.
    """
    table = tables.alert
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
    table = tables.alert_event
    query = sa.select(table).where(table.c.alert_id == alert_id).order_by(table.c.event_id.desc()).limit(HISTORY_ROWS)
    return [dict(row) for row in live.execute(query).mappings()]


def deliveries(live: OpsReader, alert_id: str) -> list[dict[str, Any]]:
    """How people were told of an alert: channel_id, kind, state, n, attempts, last_at; newest first."""
    table = tables.alert_delivery
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
        row["last_at"] = _instant(row["last_at"])
    return rows


def allowed(state: str) -> tuple[str, ...]:
    """Steps that a person may take from a state: acknowledged, dispatched, resolved, closed, archived, commented."""
    return tuple(verb.value for verb in steps.allowed(state))


def places(home: Home) -> dict[str, tuple[str, str | None]]:
    """Counties of the published city, before that those of the notification policies: code → (name_zh, name_en)."""
    try:
        with open_mart(home) as mart:
            frame = mart.frame(
                "select area_code, name_zh, name_en from mart.area where level = 'county'"
                " and area_code in (select area_code from mart.risk_index) order by 1"
            )
    except (NoGenerationError, GenerationError):
        policies = _policies_of(home)
        rows = sorted(policies.routing.areas.items()) if policies else []
        return {code: (row["name_zh"], row["name_en"] or None) for code, row in rows if row["level"] == "county"}
    return {code: (zh, en) for code, zh, en in frame.iter_rows()}


def event_kinds(home: Home) -> dict[tuple[str, str], tuple[str, str]]:
    """What can be entered by hand: (domain, subdomain) → (name_zh, name_en), from the handling guides.

    Empty while the home has no rules generation.
    """
    policies = _policies_of(home)
    guides = policies.guides.kinds() if policies else {}
    return {kind: names for kind, names in guides.items() if kind[0] in ALERTED_DOMAINS}


def wording(home: Home) -> Wording:
    """How units and cited sources read in both languages; as cited while the home has no rules generation."""
    policies = _policies_of(home)
    return policies.wording if policies else Wording(())


def channel_names(home: Home) -> Mapping[str, tuple[str, str]]:
    """Ways out by id: (name_zh, name_en). Empty while the home has no rules generation."""
    try:
        return _channel_names(newest_generation(home.root))
    except (NoRulesError, ChannelConfigError):
        return {}


@lru_cache(maxsize=4)
def _channel_names(folder: Path) -> Mapping[str, tuple[str, str]]:
    return {
        channel.channel_id: (channel.name_zh, channel.name_en)
        for channel in load_channel_config(folder).channels.values()
    }


def _policies_of(home: Home) -> NotificationPolicies | None:
    try:
        return policies_of(home)
    except (NoRulesError, NotificationPolicyError):
        return None


def _where(reader: Reader, wanted: AlertFilter) -> list[sa.ColumnElement[bool]]:
    table = tables.alert
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
    a = tables.alert.c
    entered = sa.and_(a.origin == "person", a.domain == system.domain, a.subdomain == system.subdomain)
    return sa.or_(a.rule_id.in_(system.rule_ids), entered)


def _instant(found: datetime | str) -> datetime:
    """An aggregate of instants, which some stores give as text."""
    return datetime.fromisoformat(found) if isinstance(found, str) else found


def _counts(live: OpsReader) -> dict[tuple[str, str], int]:
    """Living alerts by colour and state, from the index alone."""
    table = tables.alert
    query = (
        sa.select(table.c.severity_rank, table.c.state, sa.func.count())
        .where(table.c.state.in_(tables.OPEN_STATES))
        .group_by(table.c.state, table.c.severity_rank)
    )
    return {(severity.COLOURS[row[0]], str(row[1])): int(row[2]) for row in live.execute(query)}


def _silenced(live: OpsReader, cause: str | None) -> dict[str, Any] | None:
    kind, _, silence_id = (cause or "").partition(":")
    if kind != "silence":
        return None
    table = tables.silence
    columns = (table.c.silence_id, table.c.reason, table.c.actor, table.c.ends_at)
    row = live.execute(sa.select(*columns).where(table.c.silence_id == silence_id)).mappings().one_or_none()
    return dict(row) if row else None

"""Apply what the rule engine says to the store: alerts, history, news and stream position in one transaction.

Applying the same changes again does nothing: an episode's changes are numbered.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter
from typing import Any

import sqlalchemy as sa

from alerting.engine.episode import Change, EpisodeChange
from alerting.lifecycle.alert import NEW, Alert, Member, StreamPosition
from alerting.lifecycle.joining import ENDED, Subject, alert_id_of, member_after, step_for
from alerting.lifecycle.steps import IllegalStep, Verb
from alerting.policy.notification_policies import NotificationPolicies
from alerting.policy.warning_facts import as_last_known, at_spot, facts, matters_of
from alerting.spots import together, worded
from alerting.wording import Pair
from alerting.workflow.records import POSITIONS
from alerting.workflow.unit_of_work import UnitOfWork, in_transaction
from core.civil_time import CIVIL_ZONE
from core.store import tables

SubjectOf = Callable[[EpisodeChange], Subject]
_ISSUED = (Verb.PENDING, Verb.OPENED, Verb.NEW_EPISODE, Verb.UPGRADED, Verb.DOWNGRADED, Verb.PAST_DANGER)
# Nobody opened what ends here: the store is younger than the episode.
_NEEDS_MEMBER = (Change.CLEARED, Change.WITHDRAWN)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Position:
    """Up to where a stream was read."""

    consumer: str
    stream: str
    sequence: int
    stream_at: datetime


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of changes: applied, known already, or refused; and the alerts that opened, grew worse or ended."""

    n_applied: int
    n_known: int
    n_refused: int
    opened: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """Who speaks: the rules, or a person; an exercise has alerts of its own."""

    origin: str = "rule"
    is_exercise: bool = False


RULES = Origin()


def apply(
    engine: sa.Engine,
    policies: NotificationPolicies,
    changes: Sequence[EpisodeChange],
    subject_of: SubjectOf,
    now: datetime,
    position: Position | None = None,
    origin: Origin = RULES,
) -> Applied:
    """Apply changes in order, and move the stream position, in one transaction."""
    return in_transaction(
        engine, lambda connection: _apply(connection, policies, changes, subject_of, now, position, origin)
    )


def _apply(
    connection: sa.Connection,
    policies: NotificationPolicies,
    changes: Sequence[EpisodeChange],
    subject_of: SubjectOf,
    now: datetime,
    position: Position | None,
    origin: Origin,
) -> Applied:
    work = UnitOfWork(connection, policies, now)
    _load(work, changes)
    book = _Book(work)
    counts = {"applied": 0, "known": 0, "refused": 0}
    for change in changes:
        counts[_apply_one(work, book, change, subject_of, origin)] += 1
    work.save()
    if position is not None:
        move_position(connection, position, now)
    opened = tuple(event.alert_id for event in work.events if event.kind in (Verb.OPENED, Verb.NEW_EPISODE))
    return Applied(counts["applied"], counts["known"], counts["refused"], opened)


def _load(work: UnitOfWork, changes: Sequence[EpisodeChange]) -> None:
    """Everything that the changes may touch: their episodes, those alerts, what is open there, and who else holds."""
    member, alert = tables.member.c, tables.alert.c
    work.load_members(member.episode_id, {change.episode_id for change in changes})
    work.load_alerts(alert.alert_id, {one.alert_id for one in work.members.values()})
    objects = {change.object_id for change in changes}
    work.load_alerts(alert.object_id, objects, alert.state.in_(tables.OPEN_STATES))
    work.load_members(member.alert_id, set(work.alerts), member.state.in_(("pending", "holding")))


class _Book:
    """Where the alerts of a transaction are found by rule and object, and the living members by alert."""

    def __init__(self, work: UnitOfWork) -> None:
        self._open: dict[tuple[str, str, bool], str] = {}
        for alert in work.alerts.values():
            self.enter(alert)
        self._living: dict[str, dict[str, Member]] = {}
        for row in work.members.values():
            self.keep(row)

    def enter(self, alert: Alert) -> None:
        if alert.state not in ENDED:
            self._open[alert.rule_id, alert.object_id, alert.is_exercise] = alert.alert_id

    def open_one(self, change: EpisodeChange, is_exercise: bool) -> str | None:
        return self._open.get((change.rule_id, change.object_id, is_exercise))

    def forget(self, alert: Alert) -> None:
        self._open.pop((alert.rule_id, alert.object_id, alert.is_exercise), None)

    def keep(self, row: Member) -> None:
        living = self._living.setdefault(row.alert_id, {})
        if row.state in ("pending", "holding"):
            living[row.episode_id] = row
        else:
            living.pop(row.episode_id, None)

    def others(self, alert_id: str, episode_id: str) -> list[Member]:
        return [row for key, row in self._living.get(alert_id, {}).items() if key != episode_id]

    def leave(self, row: Member) -> None:
        self._living.get(row.alert_id, {}).pop(row.episode_id, None)


def _apply_one(work: UnitOfWork, book: _Book, change: EpisodeChange, subject_of: SubjectOf, origin: Origin) -> str:
    member = work.members.get(change.episode_id)
    if member is not None and change.number <= member.last_number:
        return "known"
    if member is None and change.change in _NEEDS_MEMBER:
        _log.warning("episode %s of rule %s ended, but never began here", change.episode_id, change.rule_id)
        return "refused"
    was, alert = _place(work, book, change, member, subject_of, origin)
    row = member_after(member, change, alert.alert_id, _spot(work, member, change))
    others = book.others(alert.alert_id, change.episode_id)
    try:
        step = step_for(alert, change, was, others)
    except IllegalStep as error:
        # The engine is ahead of people, never the other way round; one odd change must not stop the rest.
        _log.error("change %s of episode %s is refused: %s", change.number, change.episode_id, error)
        return "refused"
    work.members[change.episode_id] = row
    book.keep(row)
    if step is not None:
        if "severity_rank" in step.columns:
            spots = _spots(row, others)
            is_grown = "joined" in change.details  # a group: its facts say how many there are
            if is_grown or step.event.kind in _ISSUED or any(getattr(alert, name) != spots[name] for name in spots):
                columns = {**step.columns, **spots}
                issued = _issued(work, replace(alert, **columns), change, subject_of(change), step.event.kind)
                step = replace(step, columns={**columns, **issued})
        work.alerts[alert.alert_id] = alert
        work.take(step)
        alert = work.alerts[alert.alert_id]
        book.enter(alert)
        if alert.state in ENDED:
            book.forget(alert)
    return "applied"


def _place(
    work: UnitOfWork, book: _Book, change: EpisodeChange, member: Member | None, subject_of: SubjectOf, origin: Origin
) -> tuple[str | None, Alert]:
    """The member's state before, and the alert that the change belongs to: its own, the open one, or a new one."""
    if member is not None:
        alert = work.alerts[member.alert_id]
        began_again = change.change in (Change.OPENED, Change.UPGRADED)
        if alert.state not in ENDED or not began_again:
            return member.state, alert
        book.leave(member)
    open_id = book.open_one(change, origin.is_exercise)
    if open_id is not None:
        return None, work.alerts[open_id]
    return None, _new_alert(work, change, subject_of(change), origin)


def _new_alert(work: UnitOfWork, change: EpisodeChange, subject: Subject, origin: Origin) -> Alert:
    """An alert without a state: everything that does not come from its first step."""
    policies = work.policies
    day = change.known_at.astimezone(CIVIL_ZONE).date()
    unit = policies.routing.disposing(subject.area_code, subject.domain, subject.subdomain, day)
    alert = Alert(
        alert_id=alert_id_of(
            change.rule_id, change.object_id, f"{change.episode_id}/{change.number}", origin.is_exercise
        ),
        origin=origin.origin,
        rule_id=change.rule_id,
        object_id=change.object_id,
        object_type=subject.object_type,
        object_name_zh=subject.object_name_zh,
        device_id=change.device_id,
        metric=change.metric,
        episode_id=None,
        state=NEW,
        colour=change.colour,
        severity_rank=change.severity_rank,
        peak_rank=0,
        value=None,
        peak_value=None,
        threshold=None,
        unit=change.unit,
        threshold_id=change.threshold_id,
        standard=change.standard,
        clause=change.clause,
        evidence_grade=change.evidence_grade,
        source_label=change.source_label,
        domain=subject.domain,
        subdomain=subject.subdomain,
        area_code=subject.area_code,
        lon=subject.lon,
        lat=subject.lat,
        starts_at=change.at,
        disposing_unit=unit.organisation_id,
        disposing_unit_zh=unit.name_zh,
        disposing_unit_en=unit.name_en,
        contact=unit.duty_phone,
        is_exercise=origin.is_exercise,
        is_late=change.is_late,
        passed_on_by=change.passed_on_by,
        changed_at=change.known_at,
        known_at=change.known_at,
        entered_state_at=change.known_at,
    )
    return replace(alert, group_key=policies.grouping.group_of(alert, "duty_officer")[0])


def _spot(work: UnitOfWork, member: Member | None, change: EpisodeChange) -> Pair:
    """Where inside the object an episode is, in words; what is said once stays until something else is said."""
    if change.spots or member is None:
        return together(worded(spot, work.policies.wording) for spot in change.spots)
    return member.spot_zh, member.spot_en


def _spots(row: Member, others: Sequence[Member]) -> dict[str, str]:
    """Where an alert's episodes are that hold, the first one first; nothing new when none holds any more."""
    holding = [one for one in (*others, row) if one.state == "holding"]
    if not holding:
        return {}
    zh, en = together((one.spot_zh, one.spot_en) for one in sorted(holding, key=attrgetter("started_at")))
    return {"spot_zh": zh, "spot_en": en}


def _issued(work: UnitOfWork, alert: Alert, change: EpisodeChange, subject: Subject, verb: Verb) -> dict[str, Any]:
    """The eight legal facts as of this step: art. 70 has a warning issued again whenever its level changes."""
    wording = work.policies.wording
    unit, basis = wording.of("unit", alert.unit), wording.basis(alert.standard, alert.clause)
    matters = matters_of(subject.matter_zh, subject.matter_en, alert.value, alert.threshold, unit, basis)
    matters = at_spot(matters, (alert.spot_zh, alert.spot_en))
    if isinstance(known_at := change.details.get("last_known_at"), str):
        matters = as_last_known(matters, datetime.fromisoformat(known_at))
    guide = work.policies.guides.of(alert.domain, alert.subdomain, alert.colour)
    starts_at = change.at if verb is Verb.NEW_EPISODE else alert.starts_at
    return facts(replace(alert, starts_at=starts_at), matters, guide, work.policies.routing, change.known_at)


# ── position ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def move_position(connection: sa.Connection, position: Position, now: datetime) -> None:
    """Remember how far the stream is applied; never backwards."""
    table = tables.alert_position
    values = {
        "stream": position.stream,
        "sequence": position.sequence,
        "stream_at": position.stream_at,
        "moved_at": now,
    }
    where = table.c.consumer == position.consumer
    moved = connection.execute(sa.update(table).where(where, table.c.sequence < position.sequence).values(values))
    if not moved.rowcount and connection.scalar(sa.select(table.c.consumer).where(where)) is None:
        connection.execute(sa.insert(table).values(consumer=position.consumer, **values))


def position_of(engine: sa.Engine, consumer: str) -> StreamPosition | None:
    """The stored position and snapshot of a consumer, None when it never read."""
    table = tables.alert_position
    with engine.connect() as connection:
        return next(iter(POSITIONS.found(connection, POSITIONS.where(table.c.consumer == consumer))), None)


def note_snapshot(engine: sa.Engine, consumer: str, path: str, sequence: int) -> None:
    """Remember the engine's newest snapshot, which holds everything up to a position."""
    table = tables.alert_position

    def noted(connection: sa.Connection) -> None:
        query = sa.update(table).where(table.c.consumer == consumer)
        connection.execute(query.values(snapshot=path, snapshot_sequence=sequence))

    in_transaction(engine, noted)

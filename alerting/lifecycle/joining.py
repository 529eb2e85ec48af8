"""How the changes of episodes make, feed and end alerts: one alert for each rule and object, whoever measures. Pure.

Several episodes (devices of one object, reports of one event) may hold at once: the alert has the colour of the worst
and resolves when the last has ended.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from alerting.engine.episode import Change, EpisodeChange, started_at_of
from alerting.lifecycle.alert import NEW, Alert, Member
from alerting.lifecycle.steps import STEPS, Action, Step, Verb, move
from alerting.marks import LAST_KNOWN, PAST_DANGER, STALE
from alerting.wording import Pair
from core.severity import COLOURS

# Its rule says something else now. The danger may go on: a breach joins the alert again, or a person resolves it.
NO_PROOF = "rule"
ENDED = ("closed", "archived", "withdrawn")
_MEMBER_STATE = {Change.PENDING: "pending", Change.WITHDRAWN: "withdrawn", Change.CLEARED: "cleared"}


@dataclass(frozen=True, slots=True)
class Subject:
    """What a breach is about: the object, its place, and how to call what was measured."""

    domain: str
    subdomain: str
    object_type: str
    object_name_zh: str
    area_code: str
    lon: float | None
    lat: float | None
    matter_zh: str  # the rule or metric in words
    matter_en: str


def alert_id_of(rule_id: str, object_id: str, episode_id: str, is_exercise: bool = False) -> str:
    """The id of the alert that an episode opens: the same on every attempt."""
    text = "\0".join(("alert", rule_id, object_id, episode_id, str(is_exercise)))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def member_after(member: Member | None, change: EpisodeChange, alert_id: str, spot: Pair) -> Member:
    """The member after a change; `spot` says where inside the object it is."""
    state = "cleared" if change.is_past else _MEMBER_STATE.get(change.change, "holding")
    ended = state in ("cleared", "withdrawn")
    peak = change.details.get("peak", change.value) if change.is_past else change.value
    return Member(
        episode_id=change.episode_id,
        alert_id=alert_id,
        last_number=change.number,
        state=state,
        device_id=change.device_id,
        metric=change.metric,
        colour=change.colour,
        severity_rank=change.severity_rank,
        value=float(peak) if isinstance(peak, int | float) else None,
        threshold=change.threshold,
        threshold_id=change.threshold_id,
        started_at=member.started_at if member else started_at_of(change),
        cleared_at=change.at if ended else None,
        evidence=change.evidence if ended else None,
        is_late=change.is_late,
        passed_on_by=change.passed_on_by,
        spot_zh=spot[0],
        spot_en=spot[1],
    )


def step_for(alert: Alert, change: EpisodeChange, was: str | None, others: Collection[Member]) -> Step | None:
    """What a change does to its alert, None when it concerns nobody.

    `alert` has no state when it is new; `was` the member's state before, None for an episode
    not seen before; `others` the alert's other members that hold or are pending. What a person reports carries `actor`
    and `said` in its details.
    """
    holding = [one for one in others if one.state == "holding"]
    if change.is_past:
        return _was(alert, change, was)
    if change.change is Change.PENDING:
        columns = {**_worst(alert, change, holding), "n_holding": 0, "n_reports": 0, "episode_id": change.episode_id}
        return None if alert.state else _moved(alert, Verb.PENDING, change, holding, columns)
    if change.change is Change.WITHDRAWN:
        alone = alert.state == "pending" and not others
        return _moved(alert, Verb.WITHDRAWN, change, holding, {}) if alone else None
    if change.change is Change.CLEARED:
        return _cleared(alert, change, holding)
    if was != "holding":
        return _began(alert, change, holding)
    return _went_on(alert, change, holding)


def _was(alert: Alert, change: EpisodeChange, was: str | None) -> Step | None:
    """There was danger. An alert of its own says so without being danger now; one that is there only notes it."""
    if change.change is Change.CLEARED or alert.state in ENDED:
        return None
    is_new = not alert.state
    columns: dict[str, Any] = {"n_reports": alert.n_reports + (was is None)}
    if is_new or PAST_DANGER in alert.marks.split():
        columns |= {"n_holding": 0, "episode_id": change.episode_id}
        if is_new or change.severity_rank >= alert.severity_rank:
            columns |= {**_worst(alert, change, ()), "known_at": change.known_at, "starts_at": started_at_of(change)}
    else:
        columns["marks"] = alert.marks
    return _moved(alert, Verb.PAST_DANGER, change, (), columns)


def _began(alert: Alert, change: EpisodeChange, holding: Collection[Member]) -> Step:
    """An episode started to hold."""
    state = alert.state
    columns: dict[str, Any] = {
        "n_holding": len(holding) + 1,
        "n_reports": alert.n_reports + 1,
        "episode_id": change.episode_id,
        **_worst(alert, change, holding),
    }
    if state in (NEW, "pending"):
        return _moved(alert, Verb.OPENED, change, holding, {**columns, "known_at": change.known_at})
    if state == "resolved":
        return _moved(alert, Verb.NEW_EPISODE, change, holding, columns)
    worse = columns["severity_rank"] > alert.severity_rank
    return _moved(alert, Verb.UPGRADED if worse else Verb.NEW_MEMBER, change, holding, columns)


def _went_on(alert: Alert, change: EpisodeChange, holding: Collection[Member]) -> Step | None:
    """An episode that held already changed its colour or its worst value.

    After its alert was closed only a worse colour concerns anybody, and that opens a new alert: see the store.
    """
    if alert.state in ENDED:
        return None
    columns = {"n_holding": len(holding) + 1, **_worst(alert, change, holding)}
    rank, before = columns["severity_rank"], alert.severity_rank
    if rank > before:
        return _moved(alert, Verb.UPGRADED, change, holding, columns)
    if rank < before:
        return _moved(alert, Verb.DOWNGRADED, change, holding, columns)
    if change.details.get("joined") and alert.state in STEPS[Verb.NEW_MEMBER]:
        return _moved(alert, Verb.NEW_MEMBER, change, holding, columns)
    # A person who resolved early is not called back by the same danger, only by a worse one.
    return _moved(alert, Verb.PEAK, change, holding, columns)


def _cleared(alert: Alert, change: EpisodeChange, holding: Collection[Member]) -> Step | None:
    if alert.state in ENDED:
        return None
    columns: dict[str, Any] = {"n_holding": len(holding), "value": change.value, "passed_on_by": _passed_on_by(holding)}
    if change.evidence == NO_PROOF and not holding:
        return _moved(alert, Verb.MEMBER_CLEARED, change, holding, columns)
    if not holding:
        return _moved(alert, Verb.CLEARED, change, holding, columns)
    worst = max(one.severity_rank for one in holding)
    columns |= {"severity_rank": worst, "colour": COLOURS[worst]}
    verb = Verb.DOWNGRADED if worst < alert.severity_rank else Verb.MEMBER_CLEARED
    return _moved(alert, verb, change, holding, columns)


def _worst(alert: Alert, change: EpisodeChange, holding: Collection[Member]) -> dict[str, Any]:
    """Colour of the worst episode that holds; value, limit and authority of it, and the worst value so far."""
    others = max((one.severity_rank for one in holding), default=0)
    rank = max(change.severity_rank, others)
    passed_on_by = _passed_on_by(holding, change.passed_on_by)
    columns: dict[str, Any] = {"severity_rank": rank, "colour": COLOURS[rank], "passed_on_by": passed_on_by}
    if change.severity_rank < others:
        return columns
    columns |= {
        "value": change.value,
        "threshold": change.threshold,
        "unit": change.unit,
        "metric": change.metric,
        "threshold_id": change.threshold_id,
        "standard": change.standard,
        "clause": change.clause,
        "evidence_grade": change.evidence_grade,
        "source_label": change.source_label,
        "device_id": change.device_id,
        "is_late": change.is_late,
        "marks": _marks(alert, change),
    }
    if _is_worse(alert, change):
        columns |= {"peak_rank": change.severity_rank, "peak_value": change.value}
    return columns


def _passed_on_by(holding: Collection[Member], *own: str) -> str:
    """The group that tells of every episode that holds; empty as soon as one of them is told by nobody else."""
    found = {*own, *(one.passed_on_by for one in holding)}
    return found.pop() if len(found) == 1 else ""


def _marks(alert: Alert, change: EpisodeChange) -> str:
    """Marks add up while an alert lives, but danger of now is none of the past, and news are no last known value."""
    before = set(alert.marks.split()) - {LAST_KNOWN, STALE}
    if not change.is_past:
        before.discard(PAST_DANGER)
    told = change.details.get("marks")
    return " ".join(sorted(before | set(map(str, told)) if isinstance(told, list) else sorted(before)))


def _is_worse(alert: Alert, change: EpisodeChange) -> bool:
    peak_rank, peak = alert.peak_rank, alert.peak_value
    if change.severity_rank != peak_rank or peak is None or change.value is None:
        return bool(change.severity_rank >= peak_rank)
    if change.change in (Change.PEAK, Change.UPGRADED) and change.episode_id == alert.episode_id:
        return True  # the engine compared them, and knows in which direction worse lies
    limit = change.threshold if change.threshold is not None else peak
    return bool(abs(change.value - limit) > abs(peak - limit))


def _moved(
    alert: Alert, verb: Verb, change: EpisodeChange, holding: Collection[Member], columns: dict[str, Any]
) -> Step:
    details: dict[str, Any] = {**change.details, "evidence": change.evidence, "threshold_id": change.threshold_id}
    if change.device_id:
        details["device_id"] = change.device_id
    if holding:
        details |= {"others_holding": len(holding), "colour": change.colour}  # the event shows the worst one's
    actor = str(details.pop("actor", "rule"))
    reason = str(details.pop("said", "")) or _reason(verb, change)
    action = Action(actor, reason, change.at, change.known_at, change.episode_id, change.number, details)
    return move(alert, verb, action, columns)


def _reason(verb: Verb, change: EpisodeChange) -> str:
    shown = "" if change.value is None else f" {change.value:.6g} {change.unit}".rstrip()
    if verb in (Verb.CLEARED, Verb.MEMBER_CLEARED):
        return f"{change.metric}{shown}: cleared by {change.evidence}"
    limit = "" if change.threshold is None else f", limit {change.threshold:.6g}"
    return f"{change.metric}{shown}{limit} ({change.threshold_id})"

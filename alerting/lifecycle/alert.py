"""The records of the life cycle: an alert, its members, what waits to be told, and the notices that tell it.

Frozen: a step makes a new one. Their fields are columns of their tables; only
`alerting.workflow.records` turns rows into them and back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

NEW = ""  # the state of an alert that is not there yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One danger at one object by one rule, from its first breach to the archive.

    What its first step sets has a value that says nothing until then.
    """

    alert_id: str
    origin: str
    rule_id: str
    object_id: str
    object_type: str
    object_name_zh: str
    device_id: str | None = None
    metric: str
    episode_id: str | None = None
    state: str
    colour: str
    severity_rank: int
    peak_rank: int = 0
    value: float | None = None
    peak_value: float | None = None
    threshold: float | None = None
    unit: str
    threshold_id: str
    standard: str
    clause: str
    evidence_grade: str
    source_label: str
    domain: str
    subdomain: str
    area_code: str
    lon: float | None = None
    lat: float | None = None
    spot_zh: str = ""
    spot_en: str = ""
    category_zh: str = ""
    category_en: str = ""
    level: int = 0
    starts_at: datetime
    possible_area_zh: str = ""
    possible_area_en: str = ""
    matters_zh: str = ""
    matters_en: str = ""
    measures_zh: str = ""
    measures_en: str = ""
    issuer_zh: str = ""
    issuer_en: str = ""
    issued_at: datetime | None = None  # never in a store, nor are the facts above it empty there
    disposing_unit: str
    disposing_unit_zh: str
    disposing_unit_en: str
    contact: str
    guide_id: str = ""
    n_reports: int = 0
    n_holding: int = 0
    n_reopened: int = 0
    is_exercise: bool
    is_late: bool
    marks: str = ""
    passed_on_by: str
    is_flapping: bool = False
    flips_at: str = "[]"
    flapping_until: datetime | None = None
    suppressed_by: str | None = None
    pending_at: datetime | None = None
    opened_at: datetime | None = None
    acknowledged_at: datetime | None = None
    dispatched_at: datetime | None = None
    cleared_at: datetime | None = None
    resolved_at: datetime | None = None
    closed_at: datetime | None = None
    archived_at: datetime | None = None
    changed_at: datetime
    known_at: datetime
    acknowledged_by: str | None = None
    dispatched_to: str | None = None
    escalation_level: int = 0
    step_no: int = 0
    entered_state_at: datetime
    next_step_at: datetime | None = None
    due_at: datetime | None = None
    group_key: str = ""
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertBrief:
    """What silences, inhibitions and limits on quiet look at: thousands of alerts a pass, so no more than that.

    `opened_at` is text as the store has it, which sorts by time.
    """

    alert_id: str
    state: str
    colour: str
    severity_rank: int
    rule_id: str
    domain: str
    subdomain: str
    object_type: str
    metric: str
    is_exercise: bool
    object_id: str
    device_id: str | None
    area_code: str
    disposing_unit: str
    suppressed_by: str | None
    version: int
    passed_on_by: str
    opened_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One episode of a rule, or one report by a person, that an alert stands for."""

    episode_id: str
    alert_id: str
    last_number: int
    state: str
    device_id: str | None
    metric: str
    colour: str
    severity_rank: int
    value: float | None
    threshold: float | None
    threshold_id: str
    started_at: datetime
    cleared_at: datetime | None
    evidence: str | None
    is_late: bool
    passed_on_by: str
    spot_zh: str
    spot_en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertEvent:
    """One row of an alert's history."""

    event_id: int
    alert_id: str
    kind: str
    from_state: str | None
    to_state: str
    colour: str
    value: float | None
    reason: str
    actor: str
    at: datetime
    known_at: datetime
    episode_id: str | None
    number: int | None
    details: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertGroup:
    """Alerts that a role hears of together, and when it last did."""

    group_key: str
    policy_id: str
    labels: str
    is_exercise: bool
    flush_at: datetime | None
    last_notice_at: datetime | None
    told_rank: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedAnnouncement:
    """Something that happened to an alert and waits to be told, or was told in a notice."""

    announcement_id: int
    group_key: str
    alert_id: str
    kind: str
    severity_rank: int
    to_role: str
    at: datetime
    notice_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One message to people about one or thousands of alerts; its body is made from it."""

    notice_id: str
    group_key: str
    kind: str
    colour: str
    severity_rank: int
    domain: str
    subdomain: str
    area_code: str
    disposing_unit: str
    to_role: str
    n_alerts: int
    is_exercise: bool
    title_zh: str
    title_en: str
    first_announced_at: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """What is wrong with a feed, a request or a channel, and whether somebody was notified of it."""

    id: int
    feed_id: str
    kind: str
    text_zh: str
    text_en: str
    raised_at: datetime
    cleared_at: datetime | None
    delivered_at: datetime | None
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A notice on its way to one target through one channel."""

    delivery_id: str
    notice_id: str | None
    alert_id: str | None
    channel_id: str
    target: str
    kind: str
    body: str
    state: str
    attempts: int
    next_at: datetime
    receipt: str | None
    created_at: datetime
    sent_at: datetime | None
    notification_id: int | None = None  # of a feed's fault


@dataclass(frozen=True, slots=True, kw_only=True)
class CapMessage:
    """A CAP message that went out, without its XML."""

    identifier: str
    channel_id: str
    alert_id: str
    number: int
    chain: int
    msg_type: str
    status: str
    sender: str
    sent_at: datetime
    expires_at: datetime
    colour: str
    says: str
    delivery_id: str
    title_zh: str
    title_en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPosition:
    """Up to where a consumer applied the stream, and the engine's newest snapshot."""

    consumer: str
    stream: str
    sequence: int
    stream_at: datetime
    snapshot: str | None
    snapshot_sequence: int | None
    moved_at: datetime

"""Alerts: each with its episodes, its history, and up to where LIVE is applied to them."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from core.store.database import UtcText, metadata

# As long as an alert stands in one of these, the next breach of its rule at its object belongs to it.
OPEN_STATES = ("pending", "open", "suppressed", "acknowledged", "dispatched", "resolved")

alert = Table(
    "alert",
    metadata,
    Column("alert_id", String(32), primary_key=True),
    Column("origin", String(8), nullable=False),  # rule, person
    Column("rule_id", String(120), nullable=False),
    Column("object_id", String(120), nullable=False),
    Column("object_type", String(60), nullable=False),
    Column("object_name_zh", Text, nullable=False),
    Column("device_id", String(120)),
    Column("metric", String(80), nullable=False),
    Column("episode_id", String(32)),  # the newest of its episodes; all of them stand in alert_member
    Column("state", String(16), nullable=False),
    Column("colour", String(8), nullable=False),  # the worst of the episodes that hold now
    Column("severity_rank", Integer, nullable=False),
    Column("peak_rank", Integer, nullable=False),
    Column("value", Float),
    Column("peak_value", Float),
    Column("threshold", Float),
    Column("unit", String(40), nullable=False),
    Column("threshold_id", String(120), nullable=False),
    Column("standard", Text, nullable=False),
    Column("clause", Text, nullable=False),
    Column("evidence_grade", String(20), nullable=False),
    Column("source_label", String(80), nullable=False),
    Column("domain", String(20), nullable=False),
    Column("subdomain", String(40), nullable=False),
    Column("area_code", String(12), nullable=False),
    Column("lon", Float),
    Column("lat", Float),
    # Where inside the object, as its devices say: floor, panel, loop, part.
    Column("spot_zh", Text, nullable=False, server_default=""),
    Column("spot_en", Text, nullable=False, server_default=""),
    # What art. 64 of the Emergency Response Law wants in a warning: eight facts, none of them ever empty.
    Column("category_zh", Text, nullable=False),
    Column("category_en", Text, nullable=False),
    Column("level", Integer, nullable=False),  # 1 red … 4 blue (art. 63: 1 is highest)
    Column("starts_at", UtcText, nullable=False),
    Column("possible_area_zh", Text, nullable=False),
    Column("possible_area_en", Text, nullable=False),
    Column("matters_zh", Text, nullable=False),
    Column("matters_en", Text, nullable=False),
    Column("measures_zh", Text, nullable=False),
    Column("measures_en", Text, nullable=False),
    Column("issuer_zh", Text, nullable=False),
    Column("issuer_en", Text, nullable=False),
    Column("issued_at", UtcText, nullable=False),
    Column("disposing_unit", String(80), nullable=False),  # organisation_id
    Column("disposing_unit_zh", Text, nullable=False),
    Column("disposing_unit_en", Text, nullable=False),
    Column("contact", String(80), nullable=False),  # the unit's duty office, no person's own number
    Column("guide_id", String(80), nullable=False),  # row of handling_guides.csv
    Column("n_reports", Integer, nullable=False),  # episodes, entries and duplicates that this alert stands for
    Column("n_holding", Integer, nullable=False),  # of its episodes, those that hold now
    Column("n_reopened", Integer, nullable=False),
    Column("is_exercise", Boolean, nullable=False),
    Column("is_late", Boolean, nullable=False),
    Column("marks", String(200), nullable=False, server_default=""),  # blank-separated: what to know of its readings
    Column("passed_on_by", String(120), nullable=False, server_default=""),  # the same of all that hold, else empty
    Column("is_flapping", Boolean, nullable=False),
    Column("flips_at", Text, nullable=False),  # JSON list of the last changes between holding and clear
    Column("flapping_until", UtcText),
    Column("suppressed_by", String(120)),  # silence:<id> or alert:<id>
    Column("pending_at", UtcText),
    Column("opened_at", UtcText),
    Column("acknowledged_at", UtcText),
    Column("dispatched_at", UtcText),
    Column("cleared_at", UtcText),  # when the last of its episodes ended: the positive evidence
    Column("resolved_at", UtcText),
    Column("closed_at", UtcText),
    Column("archived_at", UtcText),
    Column("changed_at", UtcText, nullable=False),
    Column("known_at", UtcText, nullable=False),  # when the reading that opened it came in
    Column("acknowledged_by", String(80)),
    Column("dispatched_to", String(80)),
    Column("escalation_level", Integer, nullable=False),
    Column("step_no", Integer, nullable=False),  # steps of escalations.csv taken in the present state
    Column("entered_state_at", UtcText, nullable=False),  # the clock that those steps run by
    Column("next_step_at", UtcText),
    Column("due_at", UtcText),  # by when the present state must be left
    Column("group_key", String(200), nullable=False),
    Column("version", Integer, nullable=False),
    Index("ix_alert_state", "state", "severity_rank"),
    Index("ix_alert_step", "next_step_at"),
    Index("ix_alert_flapping", "flapping_until"),
    Index("ix_alert_suppressed", "suppressed_by"),
)

# One episode of a rule, or one report by a person; applying a change twice is seen by its number.
member = Table(
    "alert_member",
    metadata,
    Column("episode_id", String(32), primary_key=True),
    Column("alert_id", String(32), ForeignKey("alert.alert_id"), nullable=False),
    Column("last_number", Integer, nullable=False),
    Column("state", String(10), nullable=False),  # pending, holding, cleared, withdrawn
    Column("device_id", String(120)),
    Column("metric", String(80), nullable=False),
    Column("colour", String(8), nullable=False),
    Column("severity_rank", Integer, nullable=False),
    Column("value", Float),
    Column("threshold", Float),
    Column("threshold_id", String(120), nullable=False),
    Column("started_at", UtcText, nullable=False),
    Column("cleared_at", UtcText),
    Column("evidence", String(20)),
    Column("is_late", Boolean, nullable=False),
    Column("passed_on_by", String(120), nullable=False, server_default=""),  # over range: its gateway or feed
    Column("spot_zh", Text, nullable=False, server_default=""),
    Column("spot_en", Text, nullable=False, server_default=""),
    Index("ix_alert_member_alert", "alert_id", "state"),
)

# Append-only, held so by triggers: what happened to an alert, who did it and why.
alert_event = Table(
    "alert_event",
    metadata,
    Column("event_id", Integer, primary_key=True, autoincrement=True),
    Column("alert_id", String(32), ForeignKey("alert.alert_id"), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("from_state", String(16)),
    Column("to_state", String(16), nullable=False),
    Column("colour", String(8), nullable=False),
    Column("value", Float),
    Column("reason", Text, nullable=False),
    Column("actor", String(80), nullable=False),  # a person's name, or rule, clock, silence, inhibition
    Column("at", UtcText, nullable=False),  # event time: the device's clock, or the deed's
    Column("known_at", UtcText, nullable=False),  # when we learnt it
    Column("episode_id", String(32)),
    Column("number", Integer),
    Column("details", Text, nullable=False),  # JSON
    Index("ix_alert_event_alert", "alert_id", "event_id"),
)

# Up to where the LIVE stream is applied; moves in the transaction that applies it.
alert_position = Table(
    "alert_position",
    metadata,
    Column("consumer", String(40), primary_key=True),
    Column("stream", String(40), nullable=False),
    Column("sequence", sa.BigInteger, nullable=False),
    Column("stream_at", UtcText, nullable=False),  # received_at of that message
    Column("snapshot", String(300)),  # the engine's newest snapshot and the position that it holds
    Column("snapshot_sequence", sa.BigInteger),
    Column("moved_at", UtcText, nullable=False),
)

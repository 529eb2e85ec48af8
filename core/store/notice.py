"""Notices about alerts: what waits to be told, what was told, deliveries of the outbox, CAP messages."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from core.store.database import UtcText, metadata

alert_group = Table(
    "alert_group",
    metadata,
    Column("group_key", String(200), primary_key=True),
    Column("policy_id", String(40), nullable=False),
    Column("labels", Text, nullable=False),  # JSON: what its alerts have in common
    Column("is_exercise", Boolean, nullable=False),
    Column("flush_at", UtcText),  # when what waits is told; null: nothing waits
    Column("last_notice_at", UtcText),
    Column("told_rank", Integer, nullable=False),
    Index("ix_alert_group_flush", "flush_at"),
)

# One message to people about one or thousands of alerts.
alert_notice = Table(
    "alert_notice",
    metadata,
    Column("notice_id", String(32), primary_key=True),
    Column("group_key", String(200), nullable=False),
    Column("kind", String(20), nullable=False),  # the most urgent of its news
    Column("colour", String(8), nullable=False),
    Column("severity_rank", Integer, nullable=False),
    Column("domain", String(20), nullable=False),
    Column("subdomain", String(40), nullable=False),
    Column("area_code", String(12), nullable=False),
    Column("disposing_unit", String(80), nullable=False),
    Column("to_role", String(40), nullable=False),
    Column("n_alerts", Integer, nullable=False),
    Column("is_exercise", Boolean, nullable=False),
    Column("title_zh", Text, nullable=False),
    Column("title_en", Text, nullable=False),
    Column("body", Text, nullable=False),  # JSON: what every channel shapes its message from
    Column("first_announced_at", UtcText, nullable=False),
    Column("created_at", UtcText, nullable=False),
    Index("ix_alert_notice_created", "created_at"),
)

# What happened that somebody must hear, and in which notice it was told.
notification_queue = Table(
    "notification_queue",
    metadata,
    Column("announcement_id", Integer, primary_key=True, autoincrement=True),
    Column("group_key", String(200), nullable=False),
    Column("alert_id", String(32), ForeignKey("alert.alert_id"), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("severity_rank", Integer, nullable=False),
    Column("to_role", String(40), nullable=False),
    Column("at", UtcText, nullable=False),
    Column("notice_id", String(32)),
    Index("ix_notification_queue_waiting", "notice_id", "group_key"),
    Index("ix_notification_queue_alert", "alert_id"),
)

# The outbox: written with what caused it, sent by the channel workers.
alert_delivery = Table(
    "alert_delivery",
    metadata,
    Column("delivery_id", String(32), primary_key=True),
    Column("notice_id", String(32)),
    Column("alert_id", String(32)),  # the worst alert of the notice
    Column("channel_id", String(40), nullable=False),
    Column("target", Text, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("body", Text, nullable=False),  # JSON
    Column("state", String(10), nullable=False),  # waiting, sent, failed, dead
    Column("attempts", Integer, nullable=False),
    Column("next_at", UtcText, nullable=False),
    Column("receipt", Text),
    Column("created_at", UtcText, nullable=False),
    Column("sent_at", UtcText),
    Column("notification_id", Integer),  # of a feed's fault, instead of a notice
    Index("ix_alert_delivery_waiting", "state", "next_at"),
    Index("ix_alert_delivery_notification", "notification_id", "channel_id"),
    Index("ix_alert_delivery_alert", "alert_id"),
)

# CAP messages that went out; updates and lifts refer to the earlier ones of their chain.
cap_message = Table(
    "cap_message",
    metadata,
    Column("identifier", String(120), primary_key=True),
    Column("channel_id", String(40), nullable=False),
    Column("alert_id", String(32), ForeignKey("alert.alert_id"), nullable=False),
    Column("number", Integer, nullable=False),  # of the alert's messages on this channel, from 1
    Column("chain", Integer, nullable=False),  # a lift ends a chain; what begins again afterwards is the next one
    Column("msg_type", String(10), nullable=False),  # Alert, Update, Cancel
    Column("status", String(10), nullable=False),  # Actual, Exercise
    Column("sender", String(120), nullable=False),
    Column("sent_at", UtcText, nullable=False),
    Column("expires_at", UtcText, nullable=False),
    Column("colour", String(8), nullable=False),
    Column("says", String(64), nullable=False),  # hash of what readers see: the same again is not sent again
    Column("delivery_id", String(32), nullable=False),
    Column("title_zh", Text, nullable=False),
    Column("title_en", Text, nullable=False),
    Column("body", Text, nullable=False),  # the XML as it was sent
    Index("ux_cap_message_number", "channel_id", "alert_id", "number", unique=True),
    Index("ix_cap_message_sent", "channel_id", "sent_at"),
)

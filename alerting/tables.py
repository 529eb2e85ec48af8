"""The ops store's tables of alerting: alerts, their history, silences, notices, the outbox, and who may act.

On the one list of tables in `ingest.ops`, made by migration 0002. Not here: what a step means (`alerting.lifecycle`)
and who writes (`alerting.store`).
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from ingest.ops import UtcText, metadata

# As long as an alert stands in one of these, the next breach of its rule at its object belongs to it.
OPEN_STATES = ("pending", "open", "suppressed", "acknowledged", "dispatched", "resolved")

alert = Table(
    "alert", metadata,
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
    Index(
        "ux_alert_open", "object_id", "rule_id", "is_exercise", unique=True,
        sqlite_where=sa.column("state").in_(OPEN_STATES), postgresql_where=sa.column("state").in_(OPEN_STATES),
    ),
    Index("ix_alert_state", "state", "severity_rank"),
    Index("ix_alert_step", "next_step_at"),
    Index("ix_alert_flapping", "flapping_until"),
    Index("ix_alert_suppressed", "suppressed_by"),
)  # fmt: skip

# One episode of a rule, or one report by a person; applying a change twice is seen by its number.
member = Table(
    "alert_member", metadata,
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
)  # fmt: skip

# Append-only, held so by triggers: what happened to an alert, who did it and why.
alert_event = Table(
    "alert_event", metadata,
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
)  # fmt: skip

silence = Table(
    "silence", metadata,
    Column("silence_id", String(32), primary_key=True),
    Column("matchers", Text, nullable=False),  # JSON: label -> value; every one must match
    Column("reason", Text, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("created_at", UtcText, nullable=False),
    Column("starts_at", UtcText, nullable=False),
    Column("ends_at", UtcText, nullable=False),
    Column("ended_at", UtcText),  # when the end was acted on; null: holds, or is still to come
    Column("ended_by", String(80)),
    Index("ix_silence_ended", "ended_at", "ends_at"),
)  # fmt: skip

# Work that was announced: readings of the target start no episode in that time.
maintenance_window = Table(
    "maintenance_window", metadata,
    Column("window_id", String(32), primary_key=True),
    Column("target_kind", String(10), nullable=False),  # object, device, area, feed
    Column("target", String(120), nullable=False),
    Column("starts_at", UtcText, nullable=False),
    Column("ends_at", UtcText, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("created_at", UtcText, nullable=False),
    Column("cancelled_at", UtcText),
    Index("ix_maintenance_ends", "ends_at"),
)  # fmt: skip

alert_group = Table(
    "alert_group", metadata,
    Column("group_key", String(200), primary_key=True),
    Column("policy_id", String(40), nullable=False),
    Column("labels", Text, nullable=False),  # JSON: what its alerts have in common
    Column("is_exercise", Boolean, nullable=False),
    Column("flush_at", UtcText),  # when what waits is told; null: nothing waits
    Column("last_notice_at", UtcText),
    Column("told_rank", Integer, nullable=False),
    Index("ix_alert_group_flush", "flush_at"),
)  # fmt: skip

# One message to people about one or thousands of alerts.
alert_notice = Table(
    "alert_notice", metadata,
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
    Column("first_news_at", UtcText, nullable=False),
    Column("created_at", UtcText, nullable=False),
    Index("ix_alert_notice_created", "created_at"),
)  # fmt: skip

# What happened that somebody must hear, and in which notice it was told.
alert_news = Table(
    "alert_news", metadata,
    Column("news_id", Integer, primary_key=True, autoincrement=True),
    Column("group_key", String(200), nullable=False),
    Column("alert_id", String(32), ForeignKey("alert.alert_id"), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("severity_rank", Integer, nullable=False),
    Column("to_role", String(40), nullable=False),
    Column("at", UtcText, nullable=False),
    Column("notice_id", String(32)),
    Index("ix_alert_news_waiting", "notice_id", "group_key"),
    Index("ix_alert_news_alert", "alert_id"),
)  # fmt: skip

# The outbox: written with what caused it, sent by the channel workers.
alert_delivery = Table(
    "alert_delivery", metadata,
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
)  # fmt: skip

# CAP messages that went out; updates and lifts refer to the earlier ones of their chain.
cap_message = Table(
    "cap_message", metadata,
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
)  # fmt: skip

# Up to where the LIVE stream is applied; moves in the transaction that applies it.
alert_position = Table(
    "alert_position", metadata,
    Column("consumer", String(40), primary_key=True),
    Column("stream", String(40), nullable=False),
    Column("sequence", sa.BigInteger, nullable=False),
    Column("stream_at", UtcText, nullable=False),  # received_at of that message
    Column("snapshot", String(300)),  # the engine's newest snapshot and the position that it holds
    Column("snapshot_sequence", sa.BigInteger),
    Column("moved_at", UtcText, nullable=False),
)  # fmt: skip

app_user = Table(
    "app_user", metadata,
    Column("name", String(80), primary_key=True),
    Column("display_name", Text, nullable=False),
    Column("password_hash", Text, nullable=False),  # argon2id
    Column("role", String(40), nullable=False),
    Column("area_code", String(12)),  # the branch; null: the whole city
    Column("language", String(2), nullable=False),
    Column("created_at", UtcText, nullable=False),
    Column("disabled_at", UtcText),
    Column("n_failed", Integer, nullable=False),
    Column("locked_until", UtcText),
    Column("last_login_at", UtcText),
)  # fmt: skip

app_session = Table(
    "app_session", metadata,
    Column("token_sha256", String(64), primary_key=True),
    Column("user_name", String(80), ForeignKey("app_user.name"), nullable=False),
    Column("created_at", UtcText, nullable=False),
    Column("expires_at", UtcText, nullable=False),
    Column("ended_at", UtcText),
    Index("ix_app_session_user", "user_name"),
)  # fmt: skip

# What one person asked for and only a second one may let stand.
request = Table(
    "approval_request", metadata,
    Column("request_id", String(32), primary_key=True),
    Column("kind", String(12), nullable=False),  # silence, maintenance, rules, cap
    Column("subject", Text, nullable=False),  # JSON: what is asked for
    Column("covers_zh", Text, nullable=False),  # what it would reach, as it was when somebody asked
    Column("covers_en", Text, nullable=False),
    Column("area_code", String(12)),  # the branch that it lies in; null: the whole city
    Column("reason", Text, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("created_at", UtcText, nullable=False),
    Column("expires_at", UtcText, nullable=False),
    Column("state", String(10), nullable=False),  # waiting, approved, rejected, expired, replaced
    Column("decided_by", String(80)),
    Column("decided_at", UtcText),
    Column("answer", Text),
    Column("result", String(120)),  # id of what stands now
    Index("ix_approval_request_state", "state", "expires_at"),
)  # fmt: skip

# Every version of a rule that may run: by the release, or by two names.
rule_version = Table(
    "rule_version", metadata,
    Column("rule_id", String(120), primary_key=True),
    Column("fingerprint", String(64), primary_key=True),
    Column("generation", String(40), nullable=False),  # that it came with
    Column("state", String(10), nullable=False),  # live, retired
    Column("proposed_by", String(80), nullable=False),
    Column("approved_by", String(80), nullable=False),
    Column("since", UtcText, nullable=False),
)  # fmt: skip

# What the rules of a request opened in shadow, beside what the rules in force opened by the same readings.
rule_shadow = Table(
    "rule_shadow", metadata,
    Column("request_id", String(32), primary_key=True),
    Column("side", String(6), primary_key=True),  # now, shadow
    Column("rule_id", String(120), primary_key=True),
    Column("object_id", String(120), primary_key=True),
    Column("device_id", String(120), primary_key=True),
    Column("colour", String(8), nullable=False),  # the worst
    Column("n_opened", Integer, nullable=False),
    Column("first_at", UtcText, nullable=False),
    Column("last_at", UtcText, nullable=False),
)  # fmt: skip

"""Tables of alerting; what each is for stands in `core.store.tables`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

OPEN_STATES = ("pending", "open", "suppressed", "acknowledged", "dispatched", "resolved")


def upgrade() -> None:
    """Make every table and index, and let no step of an alert's history be changed afterwards."""
    _make_alerts()
    _make_silences()
    _make_notices()
    _make_positions_and_users()
    _keep_history_as_it_is()


def _make_alerts() -> None:
    op.create_table(
        "alert",
        sa.Column("alert_id", sa.String(32), nullable=False),
        sa.Column("origin", sa.String(8), nullable=False),
        sa.Column("rule_id", sa.String(120), nullable=False),
        sa.Column("object_id", sa.String(120), nullable=False),
        sa.Column("object_type", sa.String(60), nullable=False),
        sa.Column("object_name_zh", sa.Text(), nullable=False),
        sa.Column("device_id", sa.String(120)),
        sa.Column("metric", sa.String(80), nullable=False),
        sa.Column("episode_id", sa.String(32)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("colour", sa.String(8), nullable=False),
        sa.Column("severity_rank", sa.Integer(), nullable=False),
        sa.Column("peak_rank", sa.Integer(), nullable=False),
        sa.Column("value", sa.Float()),
        sa.Column("peak_value", sa.Float()),
        sa.Column("threshold", sa.Float()),
        sa.Column("unit", sa.String(40), nullable=False),
        sa.Column("threshold_id", sa.String(120), nullable=False),
        sa.Column("standard", sa.Text(), nullable=False),
        sa.Column("clause", sa.Text(), nullable=False),
        sa.Column("evidence_grade", sa.String(20), nullable=False),
        sa.Column("source_label", sa.String(80), nullable=False),
        sa.Column("domain", sa.String(20), nullable=False),
        sa.Column("subdomain", sa.String(40), nullable=False),
        sa.Column("area_code", sa.String(12), nullable=False),
        sa.Column("lon", sa.Float()),
        sa.Column("lat", sa.Float()),
        sa.Column("category_zh", sa.Text(), nullable=False),
        sa.Column("category_en", sa.Text(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("starts_at", sa.String(32), nullable=False),
        sa.Column("possible_area_zh", sa.Text(), nullable=False),
        sa.Column("possible_area_en", sa.Text(), nullable=False),
        sa.Column("matters_zh", sa.Text(), nullable=False),
        sa.Column("matters_en", sa.Text(), nullable=False),
        sa.Column("measures_zh", sa.Text(), nullable=False),
        sa.Column("measures_en", sa.Text(), nullable=False),
        sa.Column("issuer_zh", sa.Text(), nullable=False),
        sa.Column("issuer_en", sa.Text(), nullable=False),
        sa.Column("issued_at", sa.String(32), nullable=False),
        sa.Column("disposing_unit", sa.String(80), nullable=False),
        sa.Column("disposing_unit_zh", sa.Text(), nullable=False),
        sa.Column("disposing_unit_en", sa.Text(), nullable=False),
        sa.Column("contact", sa.String(80), nullable=False),
        sa.Column("guide_id", sa.String(80), nullable=False),
        sa.Column("n_reports", sa.Integer(), nullable=False),
        sa.Column("n_holding", sa.Integer(), nullable=False),
        sa.Column("n_reopened", sa.Integer(), nullable=False),
        sa.Column("is_exercise", sa.Boolean(), nullable=False),
        sa.Column("is_late", sa.Boolean(), nullable=False),
        sa.Column("is_flapping", sa.Boolean(), nullable=False),
        sa.Column("flips_at", sa.Text(), nullable=False),
        sa.Column("flapping_until", sa.String(32)),
        sa.Column("suppressed_by", sa.String(120)),
        sa.Column("pending_at", sa.String(32)),
        sa.Column("opened_at", sa.String(32)),
        sa.Column("acknowledged_at", sa.String(32)),
        sa.Column("dispatched_at", sa.String(32)),
        sa.Column("cleared_at", sa.String(32)),
        sa.Column("resolved_at", sa.String(32)),
        sa.Column("closed_at", sa.String(32)),
        sa.Column("archived_at", sa.String(32)),
        sa.Column("changed_at", sa.String(32), nullable=False),
        sa.Column("known_at", sa.String(32), nullable=False),
        sa.Column("acknowledged_by", sa.String(80)),
        sa.Column("dispatched_to", sa.String(80)),
        sa.Column("escalation_level", sa.Integer(), nullable=False),
        sa.Column("step_no", sa.Integer(), nullable=False),
        sa.Column("entered_state_at", sa.String(32), nullable=False),
        sa.Column("next_step_at", sa.String(32)),
        sa.Column("due_at", sa.String(32)),
        sa.Column("group_key", sa.String(200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("alert_id"),
    )
    op.create_index("ix_alert_flapping", "alert", ["flapping_until"])
    op.create_index("ix_alert_state", "alert", ["state", "severity_rank"])
    op.create_index("ix_alert_step", "alert", ["next_step_at"])
    op.create_index("ix_alert_suppressed", "alert", ["suppressed_by"])
    still_open = sa.column("state").in_(OPEN_STATES)
    op.create_index(
        "ux_alert_open",
        "alert",
        ["object_id", "rule_id", "is_exercise"],
        unique=True,
        sqlite_where=still_open,
        postgresql_where=still_open,
    )
    op.create_table(
        "alert_member",
        sa.Column("episode_id", sa.String(32), nullable=False),
        sa.Column("alert_id", sa.String(32), nullable=False),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("device_id", sa.String(120)),
        sa.Column("metric", sa.String(80), nullable=False),
        sa.Column("colour", sa.String(8), nullable=False),
        sa.Column("severity_rank", sa.Integer(), nullable=False),
        sa.Column("value", sa.Float()),
        sa.Column("threshold", sa.Float()),
        sa.Column("threshold_id", sa.String(120), nullable=False),
        sa.Column("started_at", sa.String(32), nullable=False),
        sa.Column("cleared_at", sa.String(32)),
        sa.Column("evidence", sa.String(20)),
        sa.Column("is_late", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.alert_id"]),
        sa.PrimaryKeyConstraint("episode_id"),
    )
    op.create_index("ix_alert_member_alert", "alert_member", ["alert_id", "state"])
    op.create_table(
        "alert_event",
        sa.Column("event_id", sa.Integer(), nullable=False),
        sa.Column("alert_id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("from_state", sa.String(16)),
        sa.Column("to_state", sa.String(16), nullable=False),
        sa.Column("colour", sa.String(8), nullable=False),
        sa.Column("value", sa.Float()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("known_at", sa.String(32), nullable=False),
        sa.Column("episode_id", sa.String(32)),
        sa.Column("number", sa.Integer()),
        sa.Column("details", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.alert_id"]),
        sa.PrimaryKeyConstraint("event_id"),
    )
    op.create_index("ix_alert_event_alert", "alert_event", ["alert_id", "event_id"])


def _make_silences() -> None:
    op.create_table(
        "silence",
        sa.Column("silence_id", sa.String(32), nullable=False),
        sa.Column("matchers", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.Column("starts_at", sa.String(32), nullable=False),
        sa.Column("ends_at", sa.String(32), nullable=False),
        sa.Column("ended_at", sa.String(32)),
        sa.Column("ended_by", sa.String(80)),
        sa.PrimaryKeyConstraint("silence_id"),
    )
    op.create_index("ix_silence_ended", "silence", ["ended_at", "ends_at"])
    op.create_table(
        "maintenance_window",
        sa.Column("window_id", sa.String(32), nullable=False),
        sa.Column("target_kind", sa.String(10), nullable=False),
        sa.Column("target", sa.String(120), nullable=False),
        sa.Column("starts_at", sa.String(32), nullable=False),
        sa.Column("ends_at", sa.String(32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.Column("cancelled_at", sa.String(32)),
        sa.PrimaryKeyConstraint("window_id"),
    )
    op.create_index("ix_maintenance_ends", "maintenance_window", ["ends_at"])


def _make_notices() -> None:
    op.create_table(
        "alert_group",
        sa.Column("group_key", sa.String(200), nullable=False),
        sa.Column("policy_id", sa.String(40), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("is_exercise", sa.Boolean(), nullable=False),
        sa.Column("flush_at", sa.String(32)),
        sa.Column("last_notice_at", sa.String(32)),
        sa.Column("told_rank", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("group_key"),
    )
    op.create_index("ix_alert_group_flush", "alert_group", ["flush_at"])
    op.create_table(
        "alert_notice",
        sa.Column("notice_id", sa.String(32), nullable=False),
        sa.Column("group_key", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("colour", sa.String(8), nullable=False),
        sa.Column("severity_rank", sa.Integer(), nullable=False),
        sa.Column("domain", sa.String(20), nullable=False),
        sa.Column("subdomain", sa.String(40), nullable=False),
        sa.Column("area_code", sa.String(12), nullable=False),
        sa.Column("disposing_unit", sa.String(80), nullable=False),
        sa.Column("to_role", sa.String(40), nullable=False),
        sa.Column("n_alerts", sa.Integer(), nullable=False),
        sa.Column("is_exercise", sa.Boolean(), nullable=False),
        sa.Column("title_zh", sa.Text(), nullable=False),
        sa.Column("title_en", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("first_news_at", sa.String(32), nullable=False),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("notice_id"),
    )
    op.create_index("ix_alert_notice_created", "alert_notice", ["created_at"])
    op.create_table(
        "alert_news",
        sa.Column("news_id", sa.Integer(), nullable=False),
        sa.Column("group_key", sa.String(200), nullable=False),
        sa.Column("alert_id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("severity_rank", sa.Integer(), nullable=False),
        sa.Column("to_role", sa.String(40), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("notice_id", sa.String(32)),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.alert_id"]),
        sa.PrimaryKeyConstraint("news_id"),
    )
    op.create_index("ix_alert_news_alert", "alert_news", ["alert_id"])
    op.create_index("ix_alert_news_waiting", "alert_news", ["notice_id", "group_key"])
    op.create_table(
        "alert_delivery",
        sa.Column("delivery_id", sa.String(32), nullable=False),
        sa.Column("notice_id", sa.String(32)),
        sa.Column("alert_id", sa.String(32)),
        sa.Column("channel_id", sa.String(40), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.String(32), nullable=False),
        sa.Column("receipt", sa.Text()),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.Column("sent_at", sa.String(32)),
        sa.PrimaryKeyConstraint("delivery_id"),
    )
    op.create_index("ix_alert_delivery_alert", "alert_delivery", ["alert_id"])
    op.create_index("ix_alert_delivery_waiting", "alert_delivery", ["state", "next_at"])


def _make_positions_and_users() -> None:
    op.create_table(
        "alert_position",
        sa.Column("consumer", sa.String(40), nullable=False),
        sa.Column("stream", sa.String(40), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("stream_at", sa.String(32), nullable=False),
        sa.Column("snapshot", sa.String(300)),
        sa.Column("snapshot_sequence", sa.BigInteger()),
        sa.Column("moved_at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("consumer"),
    )
    op.create_table(
        "app_user",
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("role", sa.String(40), nullable=False),
        sa.Column("area_code", sa.String(12)),
        sa.Column("language", sa.String(2), nullable=False),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.Column("disabled_at", sa.String(32)),
        sa.Column("n_failed", sa.Integer(), nullable=False),
        sa.Column("locked_until", sa.String(32)),
        sa.Column("last_login_at", sa.String(32)),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "app_session",
        sa.Column("token_sha256", sa.String(64), nullable=False),
        sa.Column("user_name", sa.String(80), nullable=False),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.Column("expires_at", sa.String(32), nullable=False),
        sa.Column("ended_at", sa.String(32)),
        sa.ForeignKeyConstraint(["user_name"], ["app_user.name"]),
        sa.PrimaryKeyConstraint("token_sha256"),
    )
    op.create_index("ix_app_session_user", "app_session", ["user_name"])


def _keep_history_as_it_is() -> None:
    refusal = "alert_event is append-only: add a row that corrects, change none"
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION refuse_change_of_history() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{refusal}'; END $$"
        )
        op.execute(
            "CREATE TRIGGER alert_event_stays BEFORE UPDATE OR DELETE ON alert_event "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change_of_history()"
        )
        return
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER alert_event_stays_{verb.lower()} BEFORE {verb} ON alert_event "
            f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
        )

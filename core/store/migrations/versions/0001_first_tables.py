"""The first tables of the ops store; what each is for stands in `core.store.tables`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make every table and index."""
    op.create_table(
        "check_verdict",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(40), nullable=False),
        sa.Column("feed_id", sa.String(80), nullable=False),
        sa.Column("check_id", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("severity", sa.String(8), nullable=False),
        sa.Column("verdict", sa.String(8), nullable=False),
        sa.Column("observed", sa.Float()),
        sa.Column("expected", sa.Text(), nullable=False),
        sa.Column("message_zh", sa.Text(), nullable=False),
        sa.Column("message_en", sa.Text(), nullable=False),
        sa.Column("rows_checked", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_verdict_feed", "check_verdict", ["feed_id", "at"])
    op.create_table(
        "feed_cursor",
        sa.Column("feed_id", sa.String(80), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("moved_at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("feed_id"),
    )
    op.create_table(
        "fetch_outcome",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("feed_id", sa.String(80), nullable=False),
        sa.Column("run_id", sa.String(40), nullable=False),
        sa.Column("started_at", sa.String(32), nullable=False),
        sa.Column("ended_at", sa.String(32), nullable=False),
        sa.Column("result", sa.String(20), nullable=False),
        sa.Column("payloads", sa.Integer(), nullable=False),
        sa.Column("rows_landed", sa.Integer(), nullable=False),
        sa.Column("rows_quarantined", sa.Integer(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_outcome_feed", "fetch_outcome", ["feed_id", "started_at"])
    op.create_table(
        "generation",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("run_id", sa.String(40), nullable=False),
        sa.Column("published_at", sa.String(32), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("checks_failed", sa.Integer(), nullable=False),
        sa.Column("checks_raised", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "ledger_batch",
        sa.Column("batch_id", sa.String(32), nullable=False),
        sa.Column("feed_id", sa.String(80), nullable=False),
        sa.Column("contract_version", sa.String(20), nullable=False),
        sa.Column("source_ref", sa.Text(), nullable=False),
        sa.Column("media", sa.String(12), nullable=False),
        sa.Column("archive_sha256", sa.String(64), nullable=False),
        sa.Column("received_at", sa.String(32), nullable=False),
        sa.Column("rows_in", sa.Integer(), nullable=False),
        sa.Column("rows_landed", sa.Integer(), nullable=False),
        sa.Column("rows_quarantined", sa.Integer(), nullable=False),
        sa.Column("rows_ignored", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("run_id", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("batch_id"),
    )
    op.create_index("ix_batch_feed", "ledger_batch", ["feed_id", "state"])
    op.create_table(
        "notification",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("feed_id", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("text_zh", sa.Text(), nullable=False),
        sa.Column("text_en", sa.Text(), nullable=False),
        sa.Column("raised_at", sa.String(32), nullable=False),
        sa.Column("cleared_at", sa.String(32)),
        sa.Column("delivered_at", sa.String(32)),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_notification_open", "notification", ["feed_id", "kind", "cleared_at"])
    op.create_table(
        "operator_action",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "quarantine",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("feed_id", sa.String(80), nullable=False),
        sa.Column("batch_id", sa.String(32), nullable=False),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("grain", sa.String(8), nullable=False),
        sa.Column("outcome", sa.String(12), nullable=False),
        sa.Column("source_ref", sa.Text(), nullable=False),
        sa.Column("locator", sa.Text(), nullable=False),
        sa.Column("column_name", sa.String(80)),
        sa.Column("found", sa.Text()),
        sa.Column("expected", sa.Text()),
        sa.Column("n_rows", sa.Integer(), nullable=False),
        sa.Column("archive_sha256", sa.String(64), nullable=False),
        sa.Column("contract_version", sa.String(20), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("replayed_at", sa.String(32)),
        sa.Column("replayed_batch_id", sa.String(32)),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_quarantine_batch", "quarantine", ["batch_id"])
    op.create_index("ix_quarantine_feed", "quarantine", ["feed_id", "reason"])
    op.create_table(
        "run",
        sa.Column("run_id", sa.String(40), nullable=False),
        sa.Column("started_at", sa.String(32), nullable=False),
        sa.Column("ended_at", sa.String(32)),
        sa.Column("step", sa.String(20), nullable=False),
        sa.Column("result", sa.String(20), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_id"),
    )
    op.create_table(
        "value_override",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("feed_id", sa.String(80), nullable=False),
        sa.Column("column_name", sa.String(80), nullable=False),
        sa.Column("found", sa.Text(), nullable=False),
        sa.Column("use", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "vault",
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
    )
    op.create_table(
        "ledger_file",
        sa.Column("path", sa.String(300), nullable=False),
        sa.Column("batch_id", sa.String(32), nullable=False),
        sa.Column("feed_id", sa.String(80), nullable=False),
        sa.Column("landed_on", sa.String(10), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("replaced_by", sa.String(300)),
        sa.Column("built_at", sa.String(32)),
        sa.ForeignKeyConstraint(["batch_id"], ["ledger_batch.batch_id"]),
        sa.PrimaryKeyConstraint("path"),
    )
    op.create_index("ix_file_feed", "ledger_file", ["feed_id", "state"])

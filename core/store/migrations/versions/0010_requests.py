"""Requests for a second person, known versions of rules, and what rules in shadow would do; see `core.store.tables`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Make the tables; a home that has rules keeps them as given."""
    op.create_table(
        "approval_request",
        sa.Column("request_id", sa.String(32), primary_key=True),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("covers_zh", sa.Text, nullable=False),
        sa.Column("covers_en", sa.Text, nullable=False),
        sa.Column("area_code", sa.String(12)),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.Column("expires_at", sa.String(32), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("decided_by", sa.String(80)),
        sa.Column("decided_at", sa.String(32)),
        sa.Column("answer", sa.Text),
        sa.Column("result", sa.String(120)),
    )
    op.create_index("ix_approval_request_state", "approval_request", ["state", "expires_at"])
    op.create_table(
        "rule_version",
        sa.Column("rule_id", sa.String(120), primary_key=True),
        sa.Column("fingerprint", sa.String(64), primary_key=True),
        sa.Column("generation", sa.String(40), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("proposed_by", sa.String(80), nullable=False),
        sa.Column("approved_by", sa.String(80), nullable=False),
        sa.Column("since", sa.String(32), nullable=False),
    )
    op.create_table(
        "rule_shadow",
        sa.Column("request_id", sa.String(32), primary_key=True),
        sa.Column("side", sa.String(6), primary_key=True),
        sa.Column("rule_id", sa.String(120), primary_key=True),
        sa.Column("object_id", sa.String(120), primary_key=True),
        sa.Column("device_id", sa.String(120), primary_key=True),
        sa.Column("colour", sa.String(8), nullable=False),
        sa.Column("n_opened", sa.Integer, nullable=False),
        sa.Column("first_at", sa.String(32), nullable=False),
        sa.Column("last_at", sa.String(32), nullable=False),
    )

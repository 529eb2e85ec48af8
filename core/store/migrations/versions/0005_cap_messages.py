"""CAP messages that went out, for updates and lifts to refer to; see `core.store.tables`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "cap_message",
        sa.Column("identifier", sa.String(120), nullable=False),
        sa.Column("channel_id", sa.String(40), nullable=False),
        sa.Column("alert_id", sa.String(32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("chain", sa.Integer(), nullable=False),
        sa.Column("msg_type", sa.String(10), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("sender", sa.String(120), nullable=False),
        sa.Column("sent_at", sa.String(32), nullable=False),
        sa.Column("expires_at", sa.String(32), nullable=False),
        sa.Column("colour", sa.String(8), nullable=False),
        sa.Column("says", sa.String(64), nullable=False),
        sa.Column("delivery_id", sa.String(32), nullable=False),
        sa.Column("title_zh", sa.Text(), nullable=False),
        sa.Column("title_en", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("identifier"),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.alert_id"]),
    )
    op.create_index("ux_cap_message_number", "cap_message", ["channel_id", "alert_id", "number"], unique=True)
    op.create_index("ix_cap_message_sent", "cap_message", ["channel_id", "sent_at"])

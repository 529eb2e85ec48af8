"""Who may speak through the gateways, and how each device was last heard; see `core.store.device`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "device_access",
        sa.Column("raw_feed", sa.String(80), nullable=False),
        sa.Column("device_id", sa.String(80), nullable=False),
        sa.Column("verdict", sa.String(8), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("raw_feed", "device_id"),
    )
    op.create_table(
        "device_link",
        sa.Column("raw_feed", sa.String(80), nullable=False),
        sa.Column("device_id", sa.String(80), nullable=False),
        sa.Column("carrier", sa.String(4), nullable=False),
        sa.Column("standing", sa.String(8), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("is_connected", sa.Boolean(), nullable=False),
        sa.Column("first_heard_at", sa.String(32), nullable=False),
        sa.Column("last_frame_at", sa.String(32)),
        sa.Column("last_bad_at", sa.String(32)),
        sa.Column("last_bad_reason", sa.Text()),
        sa.Column("frames", sa.BigInteger(), nullable=False),
        sa.Column("bad_frames", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.Column("deviations", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("raw_feed", "device_id"),
    )

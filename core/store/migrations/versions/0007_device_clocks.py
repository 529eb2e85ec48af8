"""Clocks of devices that are off receipt; see `core.store.tables`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "device_clock",
        sa.Column("raw_feed", sa.String(80), nullable=False),
        sa.Column("device_id", sa.String(80), nullable=False),
        sa.Column("offset_s", sa.BigInteger()),
        sa.Column("is_off", sa.Boolean(), nullable=False),
        sa.Column("since_at", sa.String(32), nullable=False),
        sa.Column("seen_at", sa.String(32), nullable=False),
        sa.Column("jumped_at", sa.String(32)),
        sa.PrimaryKeyConstraint("raw_feed", "device_id"),
    )

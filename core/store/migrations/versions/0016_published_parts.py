"""What readers were shown is kept, so that a question can be asked as it was known at an instant."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """One row a version of a published part."""
    op.create_table(
        "published_part",
        sa.Column("part_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("table_name", sa.String(60), nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("known_at", sa.String(32), nullable=False),
        sa.Column("known_to", sa.String(32)),
        sa.Column("n_rows", sa.Integer, nullable=False),
        sa.Column("digest", sa.String(120), nullable=False),
        sa.Column("file", sa.String(120), nullable=False),
        sa.Column("thinned_from", sa.String(32)),
    )
    op.create_index("ix_published_part", "published_part", ["table_name", "day", "known_at"])
    op.create_index("ix_published_part_in_force", "published_part", ["known_to"])

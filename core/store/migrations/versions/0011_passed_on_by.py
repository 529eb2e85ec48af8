"""By which gateway or feed an alert's readings beyond their range came; see `alerting.engine.evaluators.over_range`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the column; older alerts belong to no group."""
    op.add_column("alert", sa.Column("passed_on_by", sa.String(120), nullable=False, server_default=""))

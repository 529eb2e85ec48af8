"""A few of the values that broke a check's promise, personal ones masked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the column; older verdicts show none."""
    op.add_column("check_verdict", sa.Column("samples", sa.Text, nullable=False, server_default="[]"))

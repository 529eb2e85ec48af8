"""A few of the values that broke a check's promise, personal ones masked; what a batch was judged on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the columns; older verdicts show no values, and what older batches were judged on is not known."""
    op.add_column("check_verdict", sa.Column("samples", sa.Text, nullable=False, server_default="[]"))
    op.add_column("ledger_batch", sa.Column("judged_on", sa.String(64)))

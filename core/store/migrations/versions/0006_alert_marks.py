"""What a person must know of the readings behind an alert, as marks; see `alerting.marks`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column; older alerts have no marks."""
    op.add_column("alert", sa.Column("marks", sa.String(200), nullable=False, server_default=""))

"""Where inside an object an alert and each of its episodes is; see `alerting.spots`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the columns; older alerts tell no place inside their object."""
    for table in ("alert", "alert_member"):
        for name in ("spot_zh", "spot_en"):
            op.add_column(table, sa.Column(name, sa.Text, nullable=False, server_default=""))

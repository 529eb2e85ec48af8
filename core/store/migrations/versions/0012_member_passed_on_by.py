"""By which gateway or feed each episode of an alert came: a group hides an alert only when it tells all of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the column; what older episodes belong to is not known, so they are told by themselves."""
    op.add_column("alert_member", sa.Column("passed_on_by", sa.String(120), nullable=False, server_default=""))
    alert = sa.table("alert", sa.column("passed_on_by", sa.String), sa.column("object_type", sa.String))
    op.execute(sa.update(alert).where(alert.c.object_type != "over_range_group").values(passed_on_by=""))

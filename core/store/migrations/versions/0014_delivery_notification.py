"""Which feed fault a delivery tells of; older ones said it in their id alone, `fault-<number>-<channel>`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the column and fill it."""
    op.add_column("alert_delivery", sa.Column("notification_id", sa.Integer))
    op.create_index("ix_alert_delivery_notification", "alert_delivery", ["notification_id", "channel_id"])
    delivery = sa.table(
        "alert_delivery",
        sa.column("delivery_id", sa.String),
        sa.column("kind", sa.String),
        sa.column("notification_id", sa.Integer),
    )
    connection = op.get_bind()
    of_faults = sa.select(delivery.c.delivery_id).where(delivery.c.kind == "feed_fault")
    delivery_ids: list[str] = list(connection.scalars(of_faults))
    for delivery_id in delivery_ids:
        number = int(delivery_id.split("-")[1])
        one = sa.update(delivery).where(delivery.c.delivery_id == delivery_id)
        connection.execute(one.values(notification_id=number))

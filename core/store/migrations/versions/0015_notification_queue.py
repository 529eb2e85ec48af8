"""What waits to be told about alerts is called by the field's word: the notification queue."""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Rename table, columns and indexes; rows stay as they are."""
    op.rename_table("alert_news", "notification_queue")
    op.alter_column("notification_queue", "news_id", new_column_name="announcement_id")
    op.alter_column("alert_notice", "first_news_at", new_column_name="first_announced_at")
    op.drop_index("ix_alert_news_alert", "notification_queue")
    op.drop_index("ix_alert_news_waiting", "notification_queue")
    op.create_index("ix_notification_queue_alert", "notification_queue", ["alert_id"])
    op.create_index("ix_notification_queue_waiting", "notification_queue", ["notice_id", "group_key"])

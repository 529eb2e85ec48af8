"""Which record stands for a row of which alerting table."""

from __future__ import annotations

import sqlalchemy as sa

from alerting.lifecycle.alert import (
    Alert,
    AlertBrief,
    AlertEvent,
    AlertGroup,
    CapMessage,
    Delivery,
    Member,
    Notice,
    Notification,
    QueuedAnnouncement,
    StreamPosition,
)
from core.store import tables
from core.store.records import Records

ALERTS = Records(Alert, tables.alert)
# Stored instants sort as they are; thousands of them need no reading.
BRIEFS = Records(
    AlertBrief, tables.alert, {"opened_at": sa.type_coerce(tables.alert.c.opened_at, sa.String).label("opened_at")}
)
MEMBERS = Records(Member, tables.member)
EVENTS = Records(AlertEvent, tables.alert_event)
GROUPS = Records(AlertGroup, tables.alert_group)
ANNOUNCEMENTS = Records(QueuedAnnouncement, tables.notification_queue)
NOTICES = Records(Notice, tables.alert_notice)
NOTIFICATIONS = Records(Notification, tables.notification)
DELIVERIES = Records(Delivery, tables.alert_delivery)
CAP_MESSAGES = Records(CapMessage, tables.cap_message)
POSITIONS = Records(StreamPosition, tables.alert_position)

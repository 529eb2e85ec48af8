"""Every table of the ops store under one name; the noun it belongs to is the module that it comes from."""

from __future__ import annotations

import sqlalchemy as sa

from core.store.alert import OPEN_STATES as OPEN_STATES
from core.store.alert import alert as alert
from core.store.alert import alert_event as alert_event
from core.store.alert import alert_position as alert_position
from core.store.alert import member as member
from core.store.device import device_access as device_access
from core.store.device import device_clock as device_clock
from core.store.device import device_link as device_link
from core.store.ledger import BUNDLE as BUNDLE
from core.store.ledger import batch as batch
from core.store.ledger import cursor as cursor
from core.store.ledger import file as file
from core.store.ledger import live_waiting as live_waiting
from core.store.notice import alert_delivery as alert_delivery
from core.store.notice import alert_group as alert_group
from core.store.notice import alert_notice as alert_notice
from core.store.notice import cap_message as cap_message
from core.store.notice import notification_queue as notification_queue
from core.store.personal import vault as vault
from core.store.policy import maintenance_window as maintenance_window
from core.store.policy import silence as silence
from core.store.published import published_part as published_part
from core.store.quarantine import override as override
from core.store.quarantine import quarantine as quarantine
from core.store.request import request as request
from core.store.request import rule_shadow as rule_shadow
from core.store.request import rule_version as rule_version
from core.store.run import fetch_outcome as fetch_outcome
from core.store.run import generation as generation
from core.store.run import run as run
from core.store.stream import stream_position as stream_position
from core.store.stream import stream_progress as stream_progress
from core.store.user import app_session as app_session
from core.store.user import app_user as app_user
from core.store.user import operator_action as operator_action
from core.store.verdict import check_verdict as check_verdict
from core.store.verdict import notification as notification

# Not beside its table: a condition for an engine loads its dialect, and who only looks at alerts needs one at most.
_IS_OPEN = sa.column("state").in_(OPEN_STATES)
sa.Index(
    "ux_alert_open",
    alert.c.object_id,
    alert.c.rule_id,
    alert.c.is_exercise,
    unique=True,
    sqlite_where=_IS_OPEN,
    postgresql_where=_IS_OPEN,
)

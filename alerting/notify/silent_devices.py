"""Which alerts speak of devices that are silent now: a detector that fell silent under its own alarm is no good news.

Its "not heard" alert may be kept quiet by the very alarm that it burnt in, so the alarm itself says it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from core.store import alert as stored
from core.store.parts import in_parts

SILENCE = "silence_s"  # the metric of silence rules: seconds since the device was last heard

Ask = Callable[[sa.Select[Any]], Any]  # a connection's `execute`, or that of a reader of pages


def silent_since(ask: Ask, alerts: Iterable[tuple[str, str | None, str]]) -> dict[str, datetime]:
    """When the longest silent device of each alert was last heard; alerts whose devices all speak are left out.

    `alerts` are their ids, devices and metrics.
    """
    member, alert = stored.member.c, stored.alert.c
    devices: dict[str, set[str]] = defaultdict(set)  # device → alerts that it holds
    for alert_id, device_id, metric in alerts:
        if device_id and metric != SILENCE:
            devices[device_id].add(alert_id)
    ids = sorted({one for found in devices.values() for one in found})
    for part in in_parts(ids):
        holding = sa.select(member.alert_id, member.device_id).where(
            member.alert_id.in_(part), member.state == "holding", member.device_id.is_not(None)
        )
        for row in ask(holding):
            devices[row.device_id].add(row.alert_id)
    if not devices:
        return {}
    silent = (
        sa.select(member.device_id, member.started_at, member.value)
        .join(stored.alert, alert.alert_id == member.alert_id)
        .where(alert.state.in_(stored.OPEN_STATES), alert.metric == SILENCE, member.state == "holding")
    )
    found: dict[str, datetime] = {}
    for row in ask(silent):
        heard_at = row.started_at - timedelta(seconds=row.value or 0)
        for alert_id in devices.get(row.device_id, ()):
            found[alert_id] = min(found.get(alert_id, heard_at), heard_at)
    return found

"""How every channel stands, for pages and the command line: set up or not, what waits, what was given up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from alerting.notify.channels.channel_config import ChannelConfig
from alerting.notify.channels.claims import standing
from alerting.notify.channels.form import NotSetUp
from alerting.notify.channels.registry import is_dry, open_channel
from alerting.notify.channels.retry_policy import RetryPolicy
from core.settings import Home

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ChannelState:
    """One channel; sent and dead count the last day. `state`: ready, failing, dry run, not set up."""

    channel_id: str
    kind: str
    name_zh: str
    name_en: str
    state: str
    reason: str
    waiting: int
    failed: int
    sent: int
    dead: int
    oldest_waiting_at: datetime | None
    last_sent_at: datetime | None


async def states(engine: sa.Engine, home: Home, channel_config: ChannelConfig, now: datetime) -> list[ChannelState]:
    """Every channel of the rows, and any that deliveries name without a row."""
    counts = standing(engine, list(channel_config.channels), now - DAY)
    found = []
    for channel_id, row in channel_config.channels.items():
        reason = ""
        try:
            await (open_channel(row, channel_config, engine, home, RetryPolicy())).aclose()
        except NotSetUp as error:
            reason = str(error)
        stands: Any = counts.pop(channel_id)
        well = "failing" if stands["failed"] else "ready"
        state = "dry run" if is_dry(row, home) else "not set up" if reason else well
        found.append(ChannelState(channel_id, row.kind, row.name_zh, row.name_en, state, reason, **stands))
    for channel_id, stray in counts.items():
        blank: Any = {"waiting": 0, "failed": 0, "sent": 0, "dead": 0, **stray}
        found.append(ChannelState(channel_id, "", "", "", "not set up", "no such row in channels.csv", **blank))
    return found

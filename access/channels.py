"""Channels as pages show them: what they are called, and what did not get through them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from access.alerts_view import instant_of
from access.live import OpsReader
from alerting.notify.channels.channel_config import ChannelConfigError, load_channel_config
from alerting.notify.channels.claims import undelivered_query
from alerting.rules.generations import NoRulesError, newest_generation
from core.settings import Home


def names(home: Home) -> Mapping[str, tuple[str, str]]:
    """Ways out by id: (name_zh, name_en). Empty while the home has no rules generation."""
    try:
        return _names(newest_generation(home.root))
    except (NoRulesError, ChannelConfigError):
        return {}


@lru_cache(maxsize=4)
def _names(folder: Path) -> Mapping[str, tuple[str, str]]:
    return {
        channel.channel_id: (channel.name_zh, channel.name_en)
        for channel in load_channel_config(folder).channels.values()
    }


def undelivered(live: OpsReader, now: datetime) -> list[tuple[str, int, datetime]]:
    """Channels whose news of alerts did not get through: id, how many, the oldest one's time."""
    rows = live.execute(undelivered_query(now)).mappings()
    return [(row["channel_id"], row["n"], instant_of(row["oldest_at"])) for row in rows]

"""The streams RAW and LIVE, and PARTS and PROBE beside them: what they keep, and how room is made in them.

All but the last refuse what does not fit (discard new), so a publisher learns of it and nothing acknowledged is
dropped. What consumers have acknowledged stays for looking back until the room is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from nats.aio.client import Client
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import BadRequestError, NotFoundError
from nats.js.manager import JetStreamManager

from core.settings import Home
from core.stream.live import micros

RAW = "RAW"
LIVE = "LIVE"
PARTS = "PARTS"  # frames of messages that have not come whole: answered already, so they must outlive a gateway
PROBE = "PROBE"  # one message of our own, written again and again: whether the store takes anything at all
PROBE_SUBJECT = "probe.write"
DUPLICATES_WITHIN_S = 120.0
GIBIBYTE = 1024**3
PARTS_BYTES, PARTS_AGE_S = 64 * 1024**2, 3600.0
PROBE_BYTES = 1024**2
MESSAGE_BYTES = 1024**2  # the largest message of ours; a batch of rows is cut below it
# Above the first share of a stream's size, acknowledged messages go until the second is reached.
FULL_SHARE, ROOMY_SHARE = 0.8, 0.6
_MADE_ELSEWHERE = 10058  # another process made the stream between our two questions


@dataclass(frozen=True, slots=True)
class Keeping:
    """How much of a stream is kept, by settings of a home."""

    subjects: tuple[str, ...]
    max_bytes: int
    max_age_s: float
    keeps_newest: bool = False  # the oldest gives way, where the others refuse what does not fit


def keeping_of(home: Home) -> Mapping[str, Keeping]:
    """Stream → what it keeps. CITYRISK_RAW_MAX_BYTES, …_MAX_AGE_H, and the same for LIVE. Raises SettingsError."""
    return {
        RAW: Keeping(
            ("raw.>",),
            home.number("CITYRISK_RAW_MAX_BYTES", 4 * GIBIBYTE),
            home.number("CITYRISK_RAW_MAX_AGE_H", 168) * 3600.0,
        ),
        LIVE: Keeping(
            ("live.>",),
            home.number("CITYRISK_LIVE_MAX_BYTES", 2 * GIBIBYTE),
            home.number("CITYRISK_LIVE_MAX_AGE_H", 72) * 3600.0,
        ),
        PARTS: Keeping(("parts.>",), PARTS_BYTES, PARTS_AGE_S),
        PROBE: Keeping((PROBE_SUBJECT,), PROBE_BYTES, PARTS_AGE_S, keeps_newest=True),
    }


def stored_bytes_of(home: Home) -> int:
    """What all streams may take together, and as much again for the blocks that the server writes before it cuts."""
    return 2 * sum(keeping.max_bytes for keeping in keeping_of(home).values())


async def ensure_streams(client: Client, home: Home, now: datetime) -> None:
    """Make the streams that are missing, bring the limits of the others to the settings; messages stay.

    A new stream's first sequence is `now` in microseconds: positions that other stores remember of a lost stream lie
    below it, so nothing of the new one is ever taken for already seen.
    """
    manager = client.jsm()
    for name, keeping in keeping_of(home).items():
        config = _config(name, keeping)
        try:
            standing = (await manager.stream_info(name)).config
        except NotFoundError:
            config.first_seq = micros(now)
            try:
                await manager.add_stream(config)
                continue
            except BadRequestError as error:
                if error.err_code != _MADE_ELSEWHERE:
                    raise
                standing = (await manager.stream_info(name)).config
        config.first_seq = standing.first_seq
        await manager.update_stream(config)


def _config(name: str, keeping: Keeping) -> StreamConfig:
    return StreamConfig(
        name=name,
        subjects=list(keeping.subjects),
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.OLD if keeping.keeps_newest else DiscardPolicy.NEW,
        max_msgs=1 if keeping.keeps_newest else -1,
        max_bytes=keeping.max_bytes,
        max_age=keeping.max_age_s,
        duplicate_window=DUPLICATES_WITHIN_S,
        num_replicas=1,
    )


async def make_room(manager: JetStreamManager, stream: str) -> int:
    """Drop the oldest messages that every consumer has acknowledged once a stream is nearly full; gives how many.

    A stream that nobody consumes keeps everything.
    """
    info = await manager.stream_info(stream)
    state, limit = info.state, info.config.max_bytes or 0
    if limit <= 0 or not state.messages or state.bytes < FULL_SHARE * limit:
        return 0
    consumers = await manager.consumers_info(stream)
    floors = [one.ack_floor.stream_seq for one in consumers if one.ack_floor and one.config.durable_name]
    if not floors:
        return 0
    surplus = int((state.bytes - ROOMY_SHARE * limit) * state.messages / state.bytes)
    keep_from = min(min(floors) + 1, state.first_seq + surplus)
    if keep_from <= state.first_seq:
        return 0
    await manager.purge_stream(stream, seq=keep_from)
    return keep_from - state.first_seq

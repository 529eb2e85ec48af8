"""Who tells people of feed faults: the channel workers while any runs, else the batch run itself.

A worker holds a shared lock for as long as it lives; a kill releases it. Both tell the same body under the same key, so
that a receiver who hears both knows it is one. Not here: what is the matter with a feed (`quality.notify`).
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from core.settings import Home

WEBHOOK = "CITYRISK_NOTIFY_WEBHOOK"
WEBHOOK_CHANNEL = "data_desk"  # the row of channels.csv with that address
KIND = "feed_fault"
DRY_RUN = "CITYRISK_CHANNELS_DRY_RUN"  # anything but 0, false or no: no channel of this home sends anything
_LOCK = "telling.lock"


@contextmanager
def telling(home: Home) -> Iterator[None]:
    """Be one of those who tell, for the length of a block."""
    home.run.mkdir(parents=True, exist_ok=True)
    with (home.run / _LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def is_told_by_others(home: Home) -> bool:
    """Whether a channel worker of this home is alive."""
    path = home.run / _LOCK
    if not path.exists():
        return False
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def is_dry_run(home: Home) -> bool:
    """Whether this home only writes down what it would have sent."""
    return home.environment.get(DRY_RUN, "").lower() not in ("", "0", "false", "no")


def key_of(notification_id: int, channel_id: str = WEBHOOK_CHANNEL) -> str:
    """The delivery's id and idempotency key.

    >>> key_of(7)
    'fault-7-data_desk'
    """
    return f"fault-{notification_id}-{channel_id}"


def body_of(row: Mapping[str, Any]) -> dict[str, object]:
    """What is told of a row of `ingest.ops.notification`."""
    cleared_at = row["cleared_at"]
    return {
        "id": row["id"], "feed_id": row["feed_id"], "kind": row["kind"], "text_zh": row["text_zh"],
        "text_en": row["text_en"], "raised_at": row["raised_at"].isoformat(),
        "cleared_at": cleared_at.isoformat() if cleared_at else None,
    }  # fmt: skip

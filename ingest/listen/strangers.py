"""How much devices in no register may say: enough for an alarm to be heard, too little to fill anything.

What they send lands nowhere; alerting rings when there is danger in it. Each is heard every few seconds, and of each
department only so many a minute, however many ids somebody makes up.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

EVERY = timedelta(seconds=5)
MOST_A_MINUTE = 200  # messages of one department's strangers
_MINUTE = timedelta(minutes=1)


class Strangers:
    """Remembers one minute of each department."""

    def __init__(self) -> None:
        self._began: dict[str, datetime] = {}
        self._heard: defaultdict[str, dict[tuple[str, str], datetime]] = defaultdict(dict)
        self._count: defaultdict[str, int] = defaultdict(int)

    def may_speak(self, feed_id: str, device_id: str, now: datetime) -> bool:
        """Whether this message is let through."""
        department = feed_id.partition(".")[0]
        if now - self._began.get(department, now - _MINUTE) >= _MINUTE:
            self._began[department] = now
            self._count[department] = 0
            self._heard[department] = {
                key: at for key, at in self._heard[department].items() if now - at < EVERY
            }  # fmt: skip
        heard = self._heard[department]
        if now - heard.get((feed_id, device_id), now - EVERY) < EVERY or self._count[department] >= MOST_A_MINUTE:
            return False
        heard[feed_id, device_id] = now
        self._count[department] += 1
        return True

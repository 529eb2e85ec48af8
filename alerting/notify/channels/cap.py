"""CAP feed as a channel: a delivery brings the feed in line with the alerts of its notice."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from alerting.cap.feed import write_feed
from alerting.cap.publish import BadMessage, Outlet, TakenMeanwhile, publish_notice, sweep
from alerting.cap.tables import CapTables
from alerting.notify.channels.form import NotSetUp, NotTaken, Receipt, Refused
from alerting.notify.channels.message import Message
from alerting.notify.channels.threads import Threads
from core.settings import Home

_SENDER = re.compile(r"[^\s,<&]{3,120}")


class CapFeed:
    """Writes messages into the store and the feed's files."""

    def __init__(self, engine: sa.Engine, home: Home, cap: CapTables, outlet: Outlet, title: str) -> None:
        if not _SENDER.fullmatch(outlet.sender):
            raise NotSetUp(f"sender {outlet.sender!r} found, expected a name like duty@city.example without blanks")
        self._engine, self._home, self._cap, self._outlet, self._title = engine, home, cap, outlet, title
        # One at a time: an alert's messages come in order.
        self._threads = Threads("cap", 1)

    async def send(self, message: Message, now: datetime) -> Receipt:
        """Publish what the notice's alerts need. Raises NotTaken or Refused."""
        if message.notice_id is None:
            raise Refused("only alerts become CAP messages")
        try:
            identifiers, n_listed = await self._threads.run(self._publish, message.notice_id, message.key, now)
        except BadMessage as error:
            raise Refused(str(error)) from error
        except (TakenMeanwhile, OSError, sa.exc.OperationalError) as error:
            raise NotTaken(f"{type(error).__name__}: {error}") from error
        return Receipt(f"{len(identifiers)} messages", {"identifiers": identifiers[:50], "listed": n_listed})

    async def tend(self, now: datetime) -> None:
        """Lift and renew what no notice speaks of, and write files that a crash left out."""
        await self._threads.run(sweep, self._engine, self._cap, self._outlet, now)
        await self._threads.run(self._write, now)

    def shape(self, message: Message, now: datetime) -> Mapping[str, object]:
        """Which alerts it would look at."""
        return {
            "scope": "Public" if self._outlet.is_public else "Restricted",
            "sender": self._outlet.sender,
            "alerts": [alert["alert_id"] for alert in message.body.get("alerts", ())],
        }

    async def aclose(self) -> None:
        """Start nothing more."""
        self._threads.close()

    def _publish(self, notice_id: str, delivery_id: str, now: datetime) -> tuple[list[str], int]:
        written = publish_notice(
            self._engine, self._cap, self._outlet, notice_id, delivery_id, now, lambda: self._write(now)
        )
        return written, self._write(now)

    def _write(self, now: datetime) -> int:
        return write_feed(self._engine, self._home, self._outlet.channel_id, self._title, now)

"""Look into the ops store from outside and note when each step of an alert became durable."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import sqlalchemy as sa

from core.store import database, tables

LOOK_EVERY_S = 0.004


@dataclass(frozen=True, slots=True)
class Seen:
    """One step of an alert and the instant at which another process could read it (Unix time)."""

    alert_id: str
    device_id: str
    rule_id: str
    kind: str
    at: float


@dataclass
class Watch:
    """Every step since the watch began."""

    seen: list[Seen] = field(default_factory=list)

    def first(self, device_id: str, kinds: Sequence[str]) -> Seen | None:
        """The first step of one of these kinds that names a device."""
        return next((one for one in self.seen if one.device_id == device_id and one.kind in kinds), None)


@contextmanager
def watching(ops_url: str) -> Iterator[Watch]:
    """A watch for the length of a block. It adds at most its own interval to what it measures."""
    watch, done = Watch(), threading.Event()
    engine = database.open_ops(ops_url)
    event, alert = tables.alert_event.c, tables.alert.c

    def look() -> None:
        with engine.connect() as connection:
            last = int(connection.scalar(sa.select(sa.func.max(event.event_id))) or 0)
            version = -1
            while not done.wait(LOOK_EVERY_S):
                connection.rollback()
                found = int(connection.scalar(sa.text("PRAGMA data_version")) or 0)
                if found == version:
                    continue
                version = found
                columns = (event.event_id, event.alert_id, event.kind, alert.device_id, alert.rule_id)
                query = sa.select(*columns).join(tables.alert, alert.alert_id == event.alert_id)
                rows = connection.execute(query.where(event.event_id > last).order_by(event.event_id)).all()
                at = time.time()
                for row in rows:
                    last = row.event_id
                    watch.seen.append(Seen(row.alert_id, row.device_id or "", row.rule_id, row.kind, at))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        done.set()
        thread.join()
        engine.dispose()

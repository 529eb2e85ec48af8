"""How each device is heard: kept in memory by whoever listens, written to `device_link` in batches.

Strangers are kept as well, so that an operator sees who knocks, but only so many: their ids are theirs to invent.
"""

from __future__ import annotations

import json
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from core.store import tables
from core.store.device import LINKS, DeviceLink

UNKNOWN_KEPT = 200
ROWS_A_WRITE = 2000

Key = tuple[str, str]


@dataclass(slots=True)
class Link:
    """One device of one raw feed; counts run since it was first heard."""

    raw_feed: str
    device_id: str
    first_heard_at: datetime
    carrier: str = ""
    standing: str = "known"
    address: str = ""
    connections: int = 0
    last_frame_at: datetime | None = None
    last_bad_at: datetime | None = None
    last_bad_reason: str | None = None
    frames: int = 0
    bad_frames: int = 0
    refused: int = 0
    deviations: Counter[str] = field(default_factory=Counter)


class LinkTracker:
    """All links. One thread notes, `write` may run in another: it is given copies."""

    def __init__(self) -> None:
        self._links: dict[Key, Link] = {}
        self._changed: OrderedDict[Key, None] = OrderedDict()
        self._n_unknown = 0

    def load(self, engine: sa.Engine) -> None:
        """Go on from what was written before; nobody is connected yet."""
        with engine.begin() as connection:
            connection.execute(sa.update(tables.device_link).values(is_connected=False))
            for known in LINKS.found(connection, LINKS.where()):
                self._links[(known.raw_feed, known.device_id)] = _link(known)
                self._n_unknown += known.standing != "known"

    def heard(self, raw_feed: str, device_id: str, carrier: str, address: str, at: datetime) -> Link:
        """Note a good frame of a known device."""
        link = self._link(raw_feed, device_id, at)
        link.carrier, link.address, link.standing = carrier, address, "known"
        link.last_frame_at = at
        link.frames += 1
        return link

    def refused(self, raw_feed: str, device_id: str, standing: str, carrier: str, address: str, at: datetime) -> None:
        """Note a frame of a device that may not speak; of strangers beyond the limit nothing is kept."""
        if (raw_feed, device_id) not in self._links:
            if self._n_unknown >= UNKNOWN_KEPT:
                return
            self._n_unknown += 1
        link = self._link(raw_feed, device_id, at)
        link.carrier, link.address, link.standing = carrier, address, standing
        link.refused += 1

    def bad(self, raw_feed: str, device_id: str, reason: str, at: datetime) -> None:
        """Note a bad frame on a connection that a known device opened."""
        link = self._link(raw_feed, device_id, at)
        link.bad_frames += 1
        link.last_bad_at, link.last_bad_reason = at, reason

    def connected(self, raw_feed: str, device_id: str, change: int, at: datetime) -> None:
        """Note that a device came (+1) or went (-1)."""
        self._link(raw_feed, device_id, at).connections += change

    def take_changed(self) -> list[DeviceLink]:
        """Links that changed since they were last taken, those first that have waited longest."""
        keys = [self._changed.popitem(last=False)[0] for _ in range(min(ROWS_A_WRITE, len(self._changed)))]
        return [_record(self._links[key]) for key in keys]

    def _link(self, raw_feed: str, device_id: str, at: datetime) -> Link:
        key = (raw_feed, device_id)
        link = self._links.get(key)
        if link is None:
            link = self._links[key] = Link(raw_feed, device_id, at)
        self._changed[key] = None
        return link


def write_links(engine: sa.Engine, links: Sequence[DeviceLink]) -> None:
    """Replace the rows of these devices, in one transaction."""
    if not links:
        return
    link = tables.device_link
    keys = [{"feed": one.raw_feed, "device": one.device_id} for one in links]
    with engine.begin() as connection:
        where = (link.c.raw_feed == sa.bindparam("feed"), link.c.device_id == sa.bindparam("device"))
        connection.execute(sa.delete(link).where(*where), keys)
        connection.execute(sa.insert(link), LINKS.rows(links))


def _link(known: DeviceLink) -> Link:
    """A device that was written before, as it is tracked on: not connected yet."""
    return Link(
        raw_feed=known.raw_feed,
        device_id=known.device_id,
        first_heard_at=known.first_heard_at,
        carrier=known.carrier,
        standing=known.standing,
        address=known.address,
        last_frame_at=known.last_frame_at,
        last_bad_at=known.last_bad_at,
        last_bad_reason=known.last_bad_reason,
        frames=known.frames,
        bad_frames=known.bad_frames,
        refused=known.refused,
        deviations=Counter(json.loads(known.deviations)),
    )


def _record(link: Link) -> DeviceLink:
    return DeviceLink(
        raw_feed=link.raw_feed,
        device_id=link.device_id,
        carrier=link.carrier,
        standing=link.standing,
        address=link.address,
        is_connected=link.connections > 0,
        first_heard_at=link.first_heard_at,
        last_frame_at=link.last_frame_at,
        last_bad_at=link.last_bad_at,
        last_bad_reason=link.last_bad_reason,
        frames=link.frames,
        bad_frames=link.bad_frames,
        refused=link.refused,
        deviations=json.dumps(link.deviations, sort_keys=True),
    )

"""Let go of facts that are older than their contract keeps them: landed files first, then their raw bytes.

Registers describe what still stands and are never let go of by age. The warehouse follows by itself: a day that
lost its files is rebuilt without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from core.civil_time import CIVIL_ZONE
from core.contract import Contract
from core.settings import Home
from core.store import tables
from core.store.archive import Archive


def expire(home: Home, engine: sa.Engine, contracts: Mapping[str, Contract], now: datetime) -> int:
    """Mark files of days past their feed's retention as expired and delete them; returns how many."""
    expired = 0
    for contract in contracts.values():
        if contract.is_register:
            continue
        last_kept = (now - contract.retention).astimezone(CIVIL_ZONE).date().isoformat()
        old = (
            tables.file.c.feed_id == contract.id,
            tables.file.c.landed_on < last_kept,
            tables.file.c.state != "expired",
        )
        with engine.begin() as connection:
            paths = [str(path) for (path,) in connection.execute(sa.select(tables.file.c.path).where(*old))]
            connection.execute(sa.update(tables.file).where(*old).values(state="expired"))
        for path in paths:
            (home.landing / path).unlink(missing_ok=True)
        expired += len(paths)
    return expired


def expire_archive(engine: sa.Engine, archive: Archive, contracts: Mapping[str, Contract], now: datetime) -> int:
    """Delete raw bytes received longer ago than retention, all of whose rows are gone; returns how many."""
    deleted = 0
    for contract in contracts.values():
        if contract.is_register:
            continue
        b = tables.batch.c
        still_read = sa.select(tables.file.c.batch_id).where(tables.file.c.state != "expired")
        query = sa.select(b.archive_sha256).where(
            b.feed_id == contract.id,
            b.received_at < now - contract.retention,
            b.batch_id.not_in(still_read),
            b.archive_sha256 != "",
        )
        with engine.connect() as connection:
            hashes = [str(sha256) for (sha256,) in connection.execute(query.distinct())]
        deleted += sum(archive.delete(sha256) for sha256 in hashes)
    return deleted

"""Keep a home small and whole: merge small files, delete what nobody reads any more, let old facts go.

Runs at the end of a batch, under the run lock, so that no build reads a file list that is being changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from alerting.notify.retention import forget_deliveries
from core.contract import Contract
from core.settings import ARCHIVE_KEY, Home
from core.store import tables
from core.store.archive import Archive
from core.store.keys import checked_key
from ingest.land.compact import compact, delete_replaced
from ingest.land.retention import expire, expire_archive
from orchestration.published_upkeep import thin_published


@dataclass(frozen=True, slots=True)
class Upkept:
    """What one upkeep did."""

    merged: int
    deleted: int
    expired: int
    forgotten: int
    told: int  # old deliveries of the outbox that went
    thinned: int  # versions of what readers were shown that were not the last of their day


def upkeep(home: Home, engine: sa.Engine, contracts: Mapping[str, Contract], now: datetime) -> Upkept:
    """Do all chores once. Parts of merged files go one generation after the merge."""
    with engine.connect() as connection:
        last_published = connection.execute(sa.select(sa.func.max(tables.generation.c.published_at))).scalar()
    deleted = delete_replaced(home, engine, last_published) if last_published else 0
    return Upkept(
        merged=compact(home, engine, contracts, now),
        deleted=deleted,
        expired=expire(home, engine, contracts, now),
        forgotten=expire_archive(engine, Archive(home.archive, checked_key(home, engine, ARCHIVE_KEY)), contracts, now),
        told=forget_deliveries(engine, now),
        thinned=thin_published(home, engine, now),
    )

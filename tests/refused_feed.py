"""A feed whose newest delivery was refused as a whole."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core.settings import Home
from core.store import database, tables

FILE = "newest.xlsx"


def refuse_newest(home: Home, feed_id: str, good_at: datetime, at: datetime) -> None:
    """An ops store that knows a good delivery of a feed and, at `at`, one that was refused whole for its datum."""
    engine = database.open_ops(home.ops_url)
    with engine.begin() as connection:
        for row in (_delivery(feed_id, good_at, 600), _delivery(feed_id, at, 0)):
            connection.execute(sa.insert(tables.batch), row)
        connection.execute(sa.insert(tables.quarantine), _finding(feed_id, at))
        connection.execute(sa.insert(tables.fetch_outcome), _outcome(feed_id, at))
    engine.dispose()


def _delivery(feed_id: str, at: datetime, n_landed: int) -> dict[str, Any]:
    return {
        "batch_id": f"{feed_id}-{n_landed}",
        "feed_id": feed_id,
        "contract_version": "1.0.0",
        "source_ref": FILE if n_landed == 0 else "older.xlsx",
        "media": "xlsx",
        "archive_sha256": "0" * 64,
        "received_at": at,
        "rows_in": 600,
        "rows_landed": n_landed,
        "rows_quarantined": 600 - n_landed,
        "rows_ignored": 0,
        "state": "admitted" if n_landed else "rejected",
        "run_id": "run-3",
    }


def _finding(feed_id: str, at: datetime) -> dict[str, Any]:
    return {
        "feed_id": feed_id,
        "batch_id": f"{feed_id}-0",
        "reason": "undeclared_datum",
        "grain": "batch",
        "outcome": "quarantined",
        "source_ref": FILE,
        "locator": "",
        "found": "600 of 600 known objects moved by 603 m",
        "expected": "places in CGCS2000",
        "n_rows": 600,
        "archive_sha256": "0" * 64,
        "contract_version": "1.0.0",
        "at": at,
    }


def _outcome(feed_id: str, at: datetime) -> dict[str, Any]:
    return {
        "feed_id": feed_id,
        "run_id": "run-3",
        "started_at": at,
        "ended_at": at,
        "result": "rejected",
        "payloads": 1,
        "rows_landed": 0,
        "rows_quarantined": 600,
        "detail": f"{FILE} refused: 600 × undeclared_datum",
    }

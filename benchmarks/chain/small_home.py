"""A home in which people look round: open alerts, refused rows and a user in its ops store, and nothing that runs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from core.store import tables
from core.store.database import UtcText, opened

AT = datetime(2026, 6, 1, tzinfo=UTC)


def fill_small_home(root: Path, n_rows: int) -> None:
    """Make the home's ops store at the newest revision, with so many open alerts and rows in quarantine."""
    root.mkdir(parents=True)
    numbers = range(n_rows)
    alerts = [
        _row(tables.alert, alert_id=f"{n:032x}", object_id=f"gas:{n}", state="open", colour="red", severity_rank=4)
        for n in numbers
    ]
    refused = [_row(tables.quarantine, feed_id="weather.observation", outcome="quarantined") for n in numbers]
    with opened(f"sqlite:///{root / 'ops.db'}") as engine, engine.begin() as connection:
        connection.execute(sa.insert(tables.alert), alerts)
        connection.execute(sa.insert(tables.quarantine), refused)
        connection.execute(sa.insert(tables.alert_position), [_row(tables.alert_position)])


def _row(table: sa.Table, **said: Any) -> dict[str, Any]:
    """A row that the table takes: what is said, and something in every other column that must have a value."""
    needed = [column for column in table.columns if not column.nullable and column.autoincrement is not True]
    return {column.name: _some(column) for column in needed if column.name not in said} | said


def _some(column: sa.Column[Any]) -> Any:
    if isinstance(column.type, UtcText):
        return AT
    return {str: "x", int: 1, float: 1.0, bool: False}[column.type.python_type]

"""What a person may do about a device at a gateway: ban it, allow it, leave it to the register; and see how all stand.

Each word of a person is an `operator_action` row as well. Not here: who may say it (`access`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from ingest import ops

Verdict = Literal["banned", "allowed"]


def set_access(
    engine: sa.Engine, raw_feed: str, device_id: str, verdict: Verdict | None, actor: str, reason: str, now: datetime
) -> None:
    """Ban or allow a device from now on, whatever a register says; None leaves it to the register again.

    Running gateways follow within seconds; a banned device's connection is closed at its next frame.
    """
    access = ops.device_access
    with engine.begin() as connection:
        connection.execute(sa.delete(access).where(access.c.raw_feed == raw_feed, access.c.device_id == device_id))
        if verdict is not None:
            row = {"raw_feed": raw_feed, "device_id": device_id, "verdict": verdict}
            connection.execute(sa.insert(access).values(**row, actor=actor, reason=reason, at=now))
        action = {"banned": "ban_device", "allowed": "allow_device", None: "forget_device_access"}[verdict]
        connection.execute(
            sa.insert(ops.operator_action).values(
                actor=actor, action=action, target=f"{raw_feed}/{device_id}", reason=reason, at=now
            )
        )


def list_access(engine: sa.Engine) -> Sequence[dict[str, Any]]:
    """Every device that a person banned or allowed, newest first; columns of `device_access`."""
    query = sa.select(ops.device_access).order_by(ops.device_access.c.at.desc())
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def list_links(engine: sa.Engine, raw_feed: str | None = None) -> Sequence[dict[str, Any]]:
    """How each device was last heard, by feed and device; columns of `device_link`. `raw_feed` None: all feeds."""
    link = ops.device_link
    query = sa.select(link).order_by(link.c.raw_feed, link.c.device_id)
    if raw_feed is not None:
        query = query.where(link.c.raw_feed == raw_feed)
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]

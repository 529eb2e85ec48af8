"""Every try to log in: recorded, and slowed down where guesses come from, never for the person they are made about.

An account is not locked: five wrong passwords by anybody would keep an officer from the alarms. Guesses cost a growing
wait per source and name, and a source with many is refused for a while; who logged in from a source lately passes
from there at once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from access.live import ops_reader
from access.rights import NotAllowedError, Reader
from ingest import ops
from ingest.settings import Home

LOGIN, REFUSED = "login", "login refused"
WINDOW = timedelta(minutes=15)
FREE_TRIES = 5  # of one name from one source in the window, before waits begin
LONGEST_WAIT = timedelta(seconds=60)
TRIES_OF_A_SOURCE = 20  # wrong ones in the window, over all names
KNOWN_FOR = timedelta(days=30)


def must_wait(connection: sa.Connection, name: str, source: str, now: datetime) -> bool:
    """Whether this source has to wait before its next try, right or wrong, at this name."""
    action = ops.operator_action.c
    here = (action.reason == source, action.at <= now)
    lately = sa.select(sa.func.count()).where(*here, action.target == name, action.at > now - KNOWN_FOR)
    if connection.scalar(lately.where(action.action == LOGIN)):
        return False
    wrong = (*here, action.action == REFUSED, action.at > now - WINDOW)
    if (connection.scalar(sa.select(sa.func.count()).where(*wrong)) or 0) >= TRIES_OF_A_SOURCE:
        return True
    query = sa.select(sa.func.count(), sa.func.max(action.at)).where(*wrong, action.target == name)
    row = connection.execute(query).one()
    n_wrong, last_at = int(row[0]), row[1]
    if n_wrong < FREE_TRIES:
        return False
    return bool(now < last_at + min(timedelta(seconds=2 ** (n_wrong - FREE_TRIES)), LONGEST_WAIT))


def note(connection: sa.Connection, action: str, name: str, source: str, now: datetime) -> None:
    """Keep one try with its source."""
    values = {"actor": name[:80], "action": action, "target": name[:200], "reason": source[:200], "at": now}
    connection.execute(sa.insert(ops.operator_action).values(values))


def tries(home: Home, reader: Reader, n_newest: int) -> list[dict[str, Any]]:
    """The newest tries with result and source, for administrators. Raises NotAllowedError for everybody else."""
    if reader.role != "administrator":
        raise NotAllowedError(f"role {reader.role!r} may not see who logged in; needs administrator")
    action = ops.operator_action.c
    query = sa.select(action.at, action.target.label("name"), action.action.label("result"),
                      action.reason.label("source")).where(action.action.in_((LOGIN, REFUSED)))  # fmt: skip
    with ops_reader(home) as live:
        if live is None:
            return []
        return [dict(row) for row in live.execute(query.order_by(action.id.desc()).limit(n_newest)).mappings()]

"""Every try to log in: recorded, and slowed down where guesses come from, never for the person they are made about.

An account is not locked: five wrong passwords by anybody would keep an officer from the alarms. Guesses cost a growing
wait per source and name, and a source with many is refused for a while. Who logged in from a source lately waits there
for seconds at most, and only after wrong tries since: behind a proxy everybody may come from one source.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from access.live import ops_reader
from access.rights import NotAllowedError, Reader
from core.settings import Home
from core.store.user import operator_action

LOGIN, REFUSED = "login", "login refused"
WINDOW = timedelta(minutes=15)
FREE_TRIES = 5  # of one name from one source in the window, before waits begin
LONGEST_WAIT = timedelta(seconds=60)
LONGEST_WAIT_KNOWN = timedelta(seconds=15)  # where that name logged in lately
TRIES_OF_A_SOURCE = 20  # wrong ones in the window, over all names
KNOWN_FOR = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class LoginTry:
    """One try to log in."""

    at: datetime
    name: str
    result: str  # LOGIN or REFUSED
    source: str


def must_wait(connection: sa.Connection, name: str, source: str, now: datetime) -> bool:
    """Whether this source has to wait before its next try, right or wrong, at this name."""
    action = operator_action.c
    here = (action.reason == source, action.at <= now)
    wrong: tuple[sa.ColumnElement[bool], ...] = (*here, action.action == REFUSED, action.at > now - WINDOW)
    logged_in = sa.select(sa.func.max(action.id)).where(
        *here, action.target == name, action.action == LOGIN, action.at > now - KNOWN_FOR
    )
    last_id = connection.scalar(logged_in)
    if last_id is not None:
        wrong, longest = (*wrong, action.id > last_id), LONGEST_WAIT_KNOWN
    elif (connection.scalar(sa.select(sa.func.count()).where(*wrong)) or 0) >= TRIES_OF_A_SOURCE:
        return True
    else:
        longest = LONGEST_WAIT
    query = sa.select(sa.func.count(), sa.func.max(action.at)).where(*wrong, action.target == name)
    row = connection.execute(query).one()
    n_wrong, last_at = int(row[0]), row[1]
    if n_wrong < FREE_TRIES:
        return False
    return bool(now < last_at + min(timedelta(seconds=2 ** min(n_wrong - FREE_TRIES, 6)), longest))


def note(connection: sa.Connection, action: str, name: str, source: str, now: datetime) -> None:
    """Keep one try with its source."""
    values = {"actor": name[:80], "action": action, "target": name[:200], "reason": source[:200], "at": now}
    connection.execute(sa.insert(operator_action).values(values))


def tries(home: Home, reader: Reader, n_newest: int) -> list[LoginTry]:
    """The newest tries with result and source, for administrators. Raises NotAllowedError for everybody else."""
    if reader.role != "administrator":
        raise NotAllowedError(f"role {reader.role!r} may not see who logged in; needs administrator")
    action = operator_action.c
    query = sa.select(action.at, action.target, action.action, action.reason).where(action.action.in_((LOGIN, REFUSED)))
    with ops_reader(home) as live:
        if live is None:
            return []
        rows = live.execute(query.order_by(action.id.desc()).limit(n_newest))
        return [LoginTry(row.at, row.target, row.action, row.reason) for row in rows]

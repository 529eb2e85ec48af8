"""Who may log in, as everybody else knows them: by name, role and branch.

Not here: how they come in and out (`access.users`).
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from access.rights import Reader
from core.settings import Home
from core.store.database import opened
from core.store.records import Records
from core.store.user import app_user


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who is logged in."""

    name: str
    display_name: str
    role: str
    area_code: str | None
    language: str

    @property
    def reader(self) -> Reader:
        """The person as every query and deed wants it."""
        return Reader(self.name, self.role, self.area_code)


USERS = Records(User, app_user)


def user_named(home: Home, name: str) -> User | None:
    """Somebody who may log in, None for every other name: for a shell, whose user the machine already knows."""
    user = app_user.c
    query = USERS.where(user.name == name, user.disabled_at.is_(None))
    with opened(home.ops_url) as engine, engine.connect() as connection:
        return next(iter(USERS.found(connection, query)), None)


def anybody(home: Home) -> bool:
    """Whether the home has any user who may log in."""
    with opened(home.ops_url) as engine, engine.connect() as connection:
        query = sa.select(sa.func.count()).where(app_user.c.disabled_at.is_(None))
        return bool(connection.scalar(query))

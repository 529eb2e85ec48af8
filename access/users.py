"""A minimal login: who somebody is, so that every deed has its actor. Passwords are kept as argon2id hashes only.

Loopback only until full access comes.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from functools import cache

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from access import logins
from access.people import USERS, User, anybody
from access.rights import Reader, require_role
from core.settings import Home
from core.store import database, tables
from core.store.request import AS

ROLES = ("viewer", "duty_officer", "shift_lead", "department_head", "data_engineer", "administrator")
LANGUAGES = ("zh", "en")
SESSION_HOURS, IDLE_MINUTES = 12, 60  # unless the settings say otherwise
_TOUCHED_EVERY = timedelta(minutes=1)  # a session in use moves its end no more often
SHORTEST_PASSWORD = 12
_ADMINISTRATORS = frozenset({"administrator"})
_DECIDING = frozenset({"shift_lead", "administrator"})  # whose word can let a request stand
_CHANGED = "change password"
_SETTING = ("add user", "change user", "reset password", _CHANGED)  # deeds that leave a person with a new password


class LoginRefused(PermissionError):
    """Name and password do not belong together, or the account is closed, or this source must wait. Says no more."""


def let_in(
    home: Home,
    reader: Reader,
    name: str,
    password: str,
    role: str,
    now: datetime,
    *,
    display_name: str = "",
    area_code: str | None = None,
    language: str = "zh",
) -> None:
    """`add_user` as an administrator's deed. Raises NotAllowedError for everybody else, ValueError for what cannot be.

    The first person of a home is an administrator: nobody else could let the next one in.
    """
    require_role(reader, _ADMINISTRATORS, "let people in or give them passwords")
    if role != "administrator" and not anybody(home):
        raise ValueError(f"role {role!r} found, expected administrator: the first user of a home lets the others in")
    add_user(
        home,
        name,
        password,
        role,
        now,
        display_name=display_name,
        area_code=area_code,
        language=language,
        actor=reader.name,
    )


def shut_out(home: Home, reader: Reader, name: str, now: datetime) -> None:
    """`close_user` as an administrator's deed. Raises NotAllowedError, LookupError, ValueError for the last one."""
    require_role(reader, _ADMINISTRATORS, "close a user")
    user = tables.app_user.c
    others = sa.select(user.role).where(user.disabled_at.is_(None), user.name != name)
    with database.opened(home.ops_url) as engine, engine.connect() as connection:
        roles: set[str] = set(connection.scalars(others))
    if roles and "administrator" not in roles:
        raise ValueError(f"{name} is the only administrator; let another in first, nobody else can")
    close_user(home, name, now, reader.name)


def add_user(
    home: Home,
    name: str,
    password: str,
    role: str,
    now: datetime,
    *,
    display_name: str = "",
    area_code: str | None = None,
    language: str = "zh",
    actor: str = "installation",
) -> None:
    """Let somebody in, or give a known name a new password, role and branch. Raises ValueError for what cannot be."""
    if role not in ROLES:
        raise ValueError(f"role {role!r} found, expected one of {', '.join(ROLES)}")
    if language not in LANGUAGES:
        raise ValueError(f"language {language!r} found, expected one of {', '.join(LANGUAGES)}")
    if AS in name:
        raise ValueError(f"name {name!r} found, expected one without {AS!r}: the trail means two people by it")
    if not name.strip() or len(password) < SHORTEST_PASSWORD:
        raise ValueError(f"a user needs a name and a password of at least {SHORTEST_PASSWORD} characters")
    table = tables.app_user
    values = {
        "display_name": display_name or name,
        "password_hash": _hasher().hash(password),
        "role": role,
        "area_code": area_code,
        "language": language,
        "disabled_at": None,
        "n_failed": 0,
        "locked_until": None,
    }
    with database.opened(home.ops_url) as engine, engine.begin() as connection:
        old_role = connection.scalar(sa.select(table.c.role).where(table.c.name == name))
        if old_role:
            connection.execute(sa.update(table).where(table.c.name == name).values(values))
        else:
            connection.execute(sa.insert(table).values(name=name, created_at=now, last_login_at=None, **values))
        _end_sessions(connection, name, now)
        is_reset = old_role in _DECIDING and actor != name
        action = "reset password" if is_reset else "change user" if old_role else "add user"
        was = f"of {old_role}, now " if is_reset else ""
        _note(connection, actor, action, name, f"{was}{role} {area_code or ''}", now)


def close_user(home: Home, name: str, now: datetime, actor: str) -> None:
    """Let somebody in no longer; the name stays in every history. Raises LookupError for an unknown name."""
    table = tables.app_user
    with database.opened(home.ops_url) as engine, engine.begin() as connection:
        if not connection.execute(sa.update(table).where(table.c.name == name).values(disabled_at=now)).rowcount:
            raise LookupError(f"no user {name!r}")
        _end_sessions(connection, name, now)
        _note(connection, actor, "close user", name, "", now)


def add_demo_users(home: Home, city_code: str, county_code: str, now: datetime) -> dict[str, str]:
    """One person for each role of a demo, with passwords made now; name → password, to be shown once."""
    people = {
        "duty": ("duty_officer", "值班员 Duty officer", None),
        "lead": ("shift_lead", "带班领导 Shift lead", None),
        "head": ("department_head", "部门负责人 Department head", None),
        "county": ("duty_officer", "区县值班员 County duty officer", county_code),
        "viewer": ("viewer", "访客 Viewer", city_code),
        "engineer": ("data_engineer", "数据工程师 Data engineer", None),
        "admin": ("administrator", "管理员 Administrator", None),
    }
    passwords = {name: secrets.token_urlsafe(12) for name in people}
    for name, (role, display_name, area_code) in people.items():
        add_user(home, name, passwords[name], role, now, display_name=display_name, area_code=area_code, actor="demo")
    return passwords


def log_in(home: Home, name: str, password: str, now: datetime, source: str = "loopback") -> tuple[str, User]:
    """A new session: its token, which is shown to nobody else, and the user. Raises LoginRefused."""
    with database.opened(home.ops_url) as engine, engine.begin() as connection:
        user = _checked(connection, name, password, now, source)
        if user is not None:
            token = secrets.token_urlsafe(32)
            connection.execute(
                sa.insert(tables.app_session).values(
                    token_sha256=_digest(token),
                    user_name=name,
                    created_at=now,
                    expires_at=now + min(session_length(home), idle_length(home)),
                )
            )
            return token, user
    raise LoginRefused("name and password do not belong together, or this source must wait a while")


def session_length(home: Home) -> timedelta:
    """How long a session lasts at most: `CITYRISK_SESSION_HOURS`."""
    return timedelta(hours=home.number("CITYRISK_SESSION_HOURS", SESSION_HOURS))


def idle_length(home: Home) -> timedelta:
    """How long a session lasts that no open page uses: `CITYRISK_SESSION_IDLE_MIN`."""
    return timedelta(minutes=home.number("CITYRISK_SESSION_IDLE_MIN", IDLE_MINUTES))


def user_of(home: Home, token: str, now: datetime) -> User | None:
    """Whose session this is, None when it is over or none. Asking keeps an idle session open, up to its full length."""
    user, session = tables.app_user.c, tables.app_session.c
    query = (
        sa.select(*USERS.columns, session.created_at, session.expires_at)
        .join_from(tables.app_session, tables.app_user, session.user_name == user.name)
        .where(session.token_sha256 == _digest(token), session.ended_at.is_(None), session.expires_at > now)
        .where(user.disabled_at.is_(None))
    )
    with database.opened(home.ops_url) as engine:
        with engine.connect() as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        end = min(row.created_at + session_length(home), now + idle_length(home))
        if end - row.expires_at >= _TOUCHED_EVERY:
            with engine.begin() as connection:
                own = sa.update(tables.app_session).where(session.token_sha256 == _digest(token))
                connection.execute(own.values(expires_at=end))
    return USERS.record(row)


def change_password(home: Home, name: str, old: str, new: str, now: datetime, source: str = "shell") -> None:
    """A person's own change; every session of theirs ends. Raises LoginRefused, or ValueError for a short one."""
    if len(new) < SHORTEST_PASSWORD:
        raise ValueError(f"a password has at least {SHORTEST_PASSWORD} characters")
    table = tables.app_user
    with database.opened(home.ops_url) as engine, engine.begin() as connection:
        is_own = _checked(connection, name, old, now, source) is not None
        if is_own:
            own = sa.update(table).where(table.c.name == name)
            connection.execute(own.values(password_hash=_hasher().hash(new)))
            _end_sessions(connection, name, now)
            _note(connection, name, _CHANGED, name, source, now)
    if not is_own:
        raise LoginRefused("name and password do not belong together, or this source must wait a while")


def password_set_by(engine: sa.Engine, name: str) -> str:
    """Who gave a person the password that holds now: the person itself, another, or nobody that the trail knows."""
    action = tables.operator_action.c
    query = sa.select(action.actor).where(action.target == name, action.action.in_(_SETTING))
    with engine.connect() as connection:
        return connection.scalar(query.order_by(action.id.desc()).limit(1)) or ""


def log_out(home: Home, token: str, now: datetime) -> None:
    """End a session; one that is over already stays so."""
    table = tables.app_session
    with database.opened(home.ops_url) as engine, engine.begin() as connection:
        open_one = (table.c.token_sha256 == _digest(token), table.c.ended_at.is_(None))
        connection.execute(sa.update(table).where(*open_one).values(ended_at=now))


def _checked(connection: sa.Connection, name: str, password: str, now: datetime, source: str) -> User | None:
    """The user when name and password fit. Every try leaves a row with its source."""
    table = tables.app_user
    query = sa.select(*USERS.columns, table.c.password_hash, table.c.disabled_at)
    row = connection.execute(query.where(table.c.name == name)).first()
    if logins.must_wait(connection, name, source, now):
        return None  # not looked at and not counted: waiting must not grow by asking
    fits = _fits(row.password_hash if row else _nobodys_hash(), password)
    if row is None or row.disabled_at is not None or not fits:
        logins.note(connection, logins.REFUSED, name, source, now)
        return None
    logins.note(connection, logins.LOGIN, name, source, now)
    change = sa.update(table).where(table.c.name == name)
    connection.execute(change.values(n_failed=0, locked_until=None, last_login_at=now))
    if _hasher().check_needs_rehash(row.password_hash):
        connection.execute(change.values(password_hash=_hasher().hash(password)))
    return USERS.record(row)


def _fits(stored: str, password: str) -> bool:
    try:
        return bool(_hasher().verify(stored, password))
    except (VerificationError, InvalidHashError):
        return False


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _nobodys_hash() -> str:
    # An unknown name takes as long to refuse as a wrong password.
    return _hasher().hash(secrets.token_urlsafe(16))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _end_sessions(connection: sa.Connection, name: str, now: datetime) -> None:
    table = tables.app_session
    open_ones = (table.c.user_name == name, table.c.ended_at.is_(None))
    connection.execute(sa.update(table).where(*open_ones).values(ended_at=now))


def _note(connection: sa.Connection, actor: str, action: str, target: str, reason: str, now: datetime) -> None:
    connection.execute(
        sa.insert(tables.operator_action).values(actor=actor, action=action, target=target, reason=reason, at=now)
    )

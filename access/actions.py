"""Deeds of people: each is allowed or refused by role, and leaves a row with who, what and why."""

from __future__ import annotations

from datetime import datetime

from access.rights import REVEALING_ROLES, NotAllowedError, Reader
from core.settings import ARCHIVE_KEY, Home
from core.store.database import opened
from core.store.keys import checked_key
from core.store.vault import Vault


def reveal(home: Home, reader: Reader, hashed: str, reason: str, now: datetime) -> str | None:
    """The clear value of a hashed personal one, for a call that must be made; None when the vault has none.

    The look-up is a row in operator_action whether or not a value is found. Raises NotAllowedError for a role that
    may not, ValueError without a reason.
    """
    if reader.role not in REVEALING_ROLES:
        raise NotAllowedError(f"role {reader.role!r} may not reveal personal data; needs {sorted(REVEALING_ROLES)}")
    if not reason.strip():
        raise ValueError("a reveal needs a reason: say which alert or case the call is for")
    with opened(home.ops_url) as engine:
        return Vault(engine, checked_key(home, engine, ARCHIVE_KEY)).reveal(hashed, reader.name, reason.strip(), now)

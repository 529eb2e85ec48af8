"""Who acts in a shell: the operating system's user, mapped to a user of the product.

The environment is not asked, anybody can set it: neither USER nor `CITYRISK_OS_USERS`, which maps names that differ
("root=admin") and is read from the home's own files only.
"""

from __future__ import annotations

import os

from access.people import anybody, user_named
from access.rights import NotAllowedError, Reader
from core.settings import Home, written_in
from core.store.request import AS


def acting(home: Home, own_name: str, actor: str | None = None) -> Reader:
    """The reader for a deed of the machine's user `own_name`.

    A name that may not log in has the role `nobody`, which may do nothing.

    `actor` names another person: an administrator may act so, with that person's role and branch, and it is recorded
    as "own name as other". Raises NotAllowedError for everybody else. What two people must stand for is not
    done so (`alerting.workflow.requests`).
    """
    pairs = written_in(home.root).get("CITYRISK_OS_USERS", "").split(",")
    mapped = dict(pair.strip().split("=", 1) for pair in pairs if "=" in pair).get(own_name, own_name)
    own = _reader(home, own_name, mapped)
    if actor is None or actor in (own_name, mapped):
        return own
    if own.role != "administrator":
        raise NotAllowedError(
            f"{own_name!r} may not act as {actor!r}: only an administrator may; "
            f"map users of this machine to those of the product by CITYRISK_OS_USERS in {home.root / 'secrets.env'}"
        )
    other = user_named(home, actor)
    role, area = (other.role, other.area_code) if other else ("nobody", None)
    return Reader(f"{own.name}{AS}{actor}", role, area)


def _reader(home: Home, own_name: str, mapped: str) -> Reader:
    user = user_named(home, mapped)
    if user is not None:
        return user.reader
    # Somebody must let the first person in, and a demo belongs to who made it: the owner of the folder, who can change
    # everything in it anyway.
    is_open = (home.root / "city" / "build.json").is_file() or not anybody(home)
    if is_open and home.root.stat().st_uid == os.getuid():
        return Reader(own_name, "administrator")
    return Reader(own_name, "nobody")

"""Whether a home is given the keys that it was made with: a check value of each is kept at its first use.

A check value is a keyed hash of a fixed text: it tells nothing of a random key, and only the same key gives it again. A
wrong archive key would lock the archive in two halves, a wrong hash key would make two people of each one; neither is
seen otherwise until somebody misses something.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa

from core.settings import ARCHIVE_KEY, HASH_KEY, Home, SettingsError
from core.store import tables
from core.store.archive import Archive, ArchiveError
from core.store.vault import Vault

CHECKED = (ARCHIVE_KEY, HASH_KEY)
MOST_TRIED = 20  # archived bytes of a home from before check values; any that opens proves the key
_TEXT = b"cityrisk key check value, version 1"


class WrongKeyError(SettingsError):
    """A key is not the one that the home was made with; says which, how that is known and what to do."""


def checked_key(home: Home, engine: sa.Engine, name: str) -> bytes:
    """A key of this home. The first use keeps its check value, if it opens what an older home holds.

    Raises SettingsError for a missing or malformed key, WrongKeyError for another one.
    """
    if not compare(home, name):
        _try_on_what_is_kept(home, engine, name)
        _keep(home.key_checks, name, _check_value(home, name))
    return home.secret(name)


def confirm_keys(home: Home, engine: sa.Engine) -> None:
    """Compare every key that this process was given, whether or not it will use it. Raises as `checked_key`."""
    for name in CHECKED:
        if home.environment.get(name):
            checked_key(home, engine, name)


def compare(home: Home, name: str, folder: Path | None = None) -> bool:
    """Whether a key is known to be right; False while no check value is kept. Changes nothing.

    `folder`: where check values are looked for, those of the home when left out. Raises as `checked_key`.
    """
    given = _check_value(home, name)
    path = (folder or home.key_checks) / name
    if not path.is_file():
        return False
    if not hmac.compare_digest(path.read_text(encoding="ascii", errors="replace").strip(), given):
        raise _wrong(home, name, f"its check value is not that of {path.name} in {path.parent}")
    return True


def _check_value(home: Home, name: str) -> str:
    return hmac.new(home.secret(name), _TEXT + b" " + name.encode(), hashlib.sha256).hexdigest()


def _wrong(home: Home, name: str, why: str) -> WrongKeyError:
    return WrongKeyError(
        f"{name} is not the key that {home.root} was made with: {why}; give that key again (in the environment, which "
        f"goes before {home.root / 'secrets.env'}), or name the home of this key in CITYRISK_HOME"
    )


def _try_on_what_is_kept(home: Home, engine: sa.Engine, name: str) -> None:
    """A home from before check values: its newest archived bytes must open, and hashes of its vault must come again."""
    if name == HASH_KEY:
        checked_key(home, engine, ARCHIVE_KEY)
        if not Vault(engine, home.secret(ARCHIVE_KEY)).is_hashed_with(home.secret(HASH_KEY)):
            raise _wrong(home, HASH_KEY, "values of the vault have other hashes under it")
        return
    batches = sa.select(tables.batch.c.archive_sha256).where(tables.batch.c.archive_sha256 != "")
    with engine.connect() as connection:
        newest: list[str] = list(
            connection.scalars(batches.order_by(tables.batch.c.received_at.desc()).limit(MOST_TRIED))
        )
    if not any(home.archive.glob("*/*")):
        return
    archive, failures = Archive(home.archive, home.secret(ARCHIVE_KEY)), list[ArchiveError]()
    for digest in dict.fromkeys(newest):
        try:
            archive.get(digest)
        except ArchiveError as error:  # one alone may be damaged, or gone
            failures.append(error)
        else:
            return
    if failures:
        raise _wrong(home, ARCHIVE_KEY, str(failures[0])) from failures[0]


def _keep(folder: Path, name: str, value: str) -> None:
    """Write a check value once, whole, for its owner only; the first of several processes wins and is compared."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = folder / f"{name}.{secrets.token_hex(4)}.partial"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{value}\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(partial, folder / name)
    finally:
        partial.unlink(missing_ok=True)

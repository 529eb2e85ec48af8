"""What the disk of a home refuses, in plain words: there is no room left, or nobody may write.

Not here: files that are damaged (`orchestration.damage`).
"""

from __future__ import annotations

import errno
from dataclasses import dataclass

import sqlalchemy as sa

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_DENIED = frozenset({errno.EACCES, errno.EPERM})
# How the stores say the same, without a number.
_FULL_WORDS = ("database or disk is full", "disk i/o error", "no space left on device", "file too large")
_CLOSED_WORDS = ("readonly database", "unable to open database file", "read-only file system", "permission denied")


@dataclass(frozen=True, slots=True)
class DiskTrouble:
    """What was found, and what to do next."""

    found: str
    next_step: str


def disk_trouble(error: BaseException) -> DiskTrouble | None:
    """What the disk refused, None for an error of another kind."""
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        if error.errno in _FULL:
            return _full(f"{where}{error.strerror}")
        # A port that nobody may open has no file name: that is no trouble of a disk.
        if error.errno == errno.EROFS or (error.errno in _DENIED and error.filename):
            return _closed(f"{where}{error.strerror}")
        return None
    if isinstance(error, sa.exc.DBAPIError):
        said = f"ops store: {error.orig}"
    elif type(error).__module__.lstrip("_").startswith("duckdb"):
        said = str(error).splitlines()[0]
    else:
        return None
    if any(words in said.lower() for words in _FULL_WORDS):
        return _full(said)
    return _closed(said) if any(words in said.lower() for words in _CLOSED_WORDS) else None


def _full(said: str) -> DiskTrouble:
    return DiskTrouble(
        f"no room left on the disk ({said})", "free some and try again; what was published stands, the next run goes on"
    )


def _closed(said: str) -> DiskTrouble:
    return DiskTrouble(
        f"the home cannot be written ({said})", "make it writable for who runs the product; what was published stands"
    )

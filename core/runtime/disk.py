"""What the disk of a home refuses, in plain words: no room is left, nobody may write, or the disk itself fails."""

from __future__ import annotations

import errno
import os
import re
import resource
import shutil
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_CLOSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
# How the stores say the same, without a number.
_FULL_WORDS = ("database or disk is full", "no space left on device", "file too large")
_CLOSED_WORDS = ("readonly database", "unable to open database file", "read-only file system", "permission denied")
_FAILS_WORDS = ("disk i/o error", "input/output error")
_NOTHING_FREE_BYTES = 1024**2
_QUOTED_PATH = re.compile(r"""["'](/[^"']+)["']""")


@dataclass(frozen=True, slots=True)
class DiskTrouble:
    """What was found, and what to do next."""

    found: str
    next_step: str


def disk_trouble(error: BaseException, home: Path) -> DiskTrouble | None:
    """What the disk refused a product whose home is the folder `home`; None for an error of another kind."""
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return _of_number(error, f"{where}{error.strerror}", home)
    if isinstance(error, sa.exc.DBAPIError):
        return _of_words(f"ops store: {error.orig}", None, home)
    if type(error).__module__.lstrip("_").startswith("duckdb"):
        said = str(error).partition("\n")[0]
        path = _QUOTED_PATH.search(said)
        return _of_words(said, path and path[1], home)
    return None


def _of_number(error: OSError, said: str, home: Path) -> DiskTrouble | None:
    if error.errno in _FULL:
        return _full(said)
    if error.errno == errno.EIO and error.filename:
        return _fails(said)
    # A port that nobody may open has no file name: that is no trouble of a disk.
    if error.errno == errno.EROFS or (error.errno in _CLOSED and error.filename):
        return _closed(said, error.filename, home)
    return None


def _of_words(said: str, path: str | None, home: Path) -> DiskTrouble | None:
    lowered = said.lower()
    if any(words in lowered for words in _FULL_WORDS):
        return _full(said)
    if any(words in lowered for words in _FAILS_WORDS):
        # The ops store says so, too, where it cannot map its shared file on a full disk, or meets a limit of file size.
        return _full(said) if _is_full(home) else _fails(said)
    return _closed(said, path, home) if any(words in lowered for words in _CLOSED_WORDS) else None


def _full(said: str) -> DiskTrouble:
    return DiskTrouble(
        f"no room left on the disk ({said})", "free some and try again; what was published stands, the next run goes on"
    )


def _is_full(home: Path) -> bool:
    if resource.getrlimit(resource.RLIMIT_FSIZE)[0] != resource.RLIM_INFINITY:
        return True
    try:
        return shutil.disk_usage(home).free < _NOTHING_FREE_BYTES
    except OSError:
        return False


def _fails(said: str) -> DiskTrouble:
    return DiskTrouble(
        f"the disk fails ({said})",
        "look at the system log, and at the quota of who runs the product; what was published stands",
    )


def _closed(said: str, path: object, home: Path) -> DiskTrouble:
    """`path` is what was refused, None where nothing is said of it: then it is one of the home's own stores."""
    if path is None or _is_within(path, home):
        return DiskTrouble(
            f"the home cannot be written ({said})",
            "make it writable for who runs the product; what was published stands",
        )
    return DiskTrouble(
        f"a file outside the home cannot be used ({said})",
        "give who runs the product the right to it, or name another place; what was published stands",
    )


def _is_within(path: object, home: Path) -> bool:
    if isinstance(path, bytes):
        path = os.fsdecode(path)
    if not isinstance(path, str | Path):
        return False
    given, real = Path(path).absolute(), Path(os.path.realpath(path))  # the home, or a folder in it, may be a link
    return given.is_relative_to(home.absolute()) or real.is_relative_to(os.path.realpath(home))

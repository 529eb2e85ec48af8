"""Documents kept as they came out of reading and checking, so that the same text is read and checked once.

One small JSON file a document in the user's own cache folder (`$XDG_CACHE_HOME/cityrisk`, else `~/.cache/cityrisk`),
named by a digest of the source's text and of everything that decides what comes of it. So nothing there can be stale,
and nothing need be there: what is missing, damaged or cannot be written is made anew. It holds plain data and is used
only while nobody else may write into the folder.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

Document = dict[str, Any]

KEPT_DAYS = 30.0
_DIGEST_BYTES = 20


class Compiled:
    """Checked documents of one kind; `made_by` are the files (code, schema) that decide what comes of a text."""

    def __init__(self, kind: str, made_by: tuple[Path, ...]) -> None:
        self._kind = kind
        self._digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
        for path in made_by:
            self._digest.update(path.read_bytes() + b"\0")

    def document(self, text: str, make: Callable[[], Document]) -> Document:
        """The document of a text: kept, or by `make`, whose errors go to the caller and are never kept."""
        folder = _own_folder()
        if folder is None:
            return make()
        digest = self._digest.copy()
        digest.update(text.encode())
        path = folder / f"{self._kind}-{digest.hexdigest()}.json"
        document = _kept(path)
        if document is None:
            document = make()
            with suppress(OSError):  # a full or closed disk costs time, nothing else
                _keep(path, document)
        return document


def _kept(path: Path) -> Document | None:
    """What a file holds below the line with its digest; None where it cannot be relied on."""
    try:
        head, _, body = path.read_bytes().partition(b"\n")
        document: Document | None = orjson.loads(body) if head == _seal(body) else None
    except (OSError, orjson.JSONDecodeError):
        return None
    return document


def _keep(path: Path, document: Document) -> None:
    """Write a document whole or not at all, if JSON can say it: YAML has names that are no text and endless numbers.

    What lay there for long goes, so that the folder does not grow with every edit.
    """
    try:
        body = orjson.dumps(document)
    except orjson.JSONEncodeError:
        return
    if orjson.loads(body) != document:
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    partial.write_bytes(_seal(body) + b"\n" + body)
    os.replace(partial, path)
    oldest = time.time() - KEPT_DAYS * 86_400
    for old in path.parent.glob("*-*.json"):
        if old.stat().st_mtime < oldest:
            old.unlink(missing_ok=True)


def _seal(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_DIGEST_BYTES).hexdigest().encode()


def _own_folder() -> Path | None:
    """The cache folder, there or not yet; None where it cannot be named or another user may write into it."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(base, "cityrisk")
    if not folder.is_absolute():
        return None
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return folder
    except OSError:
        return None
    is_own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
    return folder if is_own else None

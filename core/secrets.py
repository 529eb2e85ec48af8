"""Make the keys of a new home.

Not here: reading them (`core.settings`).
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from core.settings import NATS_PASSWORD, SECRET_NAMES, STREAM_KEY

KEY_BYTES = 32


def create_secrets(home_root: Path, given: Mapping[str, str] | None = None, departments: Iterable[str] = ()) -> None:
    """Write `secrets.env` (mode 0600) with fresh random keys for names that `given` (an environment) lacks.

    Each of `departments` gets a password for its devices. A file that is there is never touched (a new archive key
    would lock away everything kept so far); `add_stream_secrets` gives an older home what the stream needs.
    """
    missing = [name for name in (*SECRET_NAMES, *_passwords_of(departments)) if not (given or {}).get(name)]
    if not missing:
        return
    home_root.mkdir(parents=True, exist_ok=True)
    partial = _written(home_root, "".join(map(_fresh, missing)))
    try:
        with suppress(FileExistsError):  # it is there: whoever was first
            os.link(partial, home_root / "secrets.env")
    finally:
        partial.unlink(missing_ok=True)


def add_stream_secrets(home_root: Path, departments: Iterable[str], given: Mapping[str, str] | None = None) -> None:
    """Add to `secrets.env` the stream's key and passwords that neither it nor `given` (an environment) has.

    Nothing that stands there changes, and a store that was encrypted with a key given elsewhere keeps it.
    """
    path = home_root / "secrets.env"
    kept = path.read_text(encoding="utf-8") if path.is_file() else ""
    known = {line.partition("=")[0] for line in kept.splitlines()} | {n for n, value in (given or {}).items() if value}
    missing = [name for name in (STREAM_KEY, NATS_PASSWORD, *_passwords_of(departments)) if name not in known]
    if not missing:
        return
    home_root.mkdir(parents=True, exist_ok=True)
    text = kept if kept.endswith("\n") or not kept else kept + "\n"
    os.replace(_written(home_root, text + "".join(map(_fresh, missing))), path)


def _passwords_of(departments: Iterable[str]) -> list[str]:
    return [f"{NATS_PASSWORD}_{department.upper()}" for department in departments]


def _fresh(name: str) -> str:
    return f"{name}={base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}\n"


def _written(home_root: Path, text: str) -> Path:
    """A new file for its owner only, safely on disk, under a name that nobody reads."""
    partial = home_root / f"secrets.{secrets.token_hex(4)}.partial"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return partial

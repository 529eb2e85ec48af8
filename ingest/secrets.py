"""Make the keys of a new home.

Not here: reading them (`ingest.settings`).
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from ingest.settings import SECRET_NAMES

KEY_BYTES = 32


def create_secrets(home_root: Path, given: Mapping[str, str] | None = None) -> None:
    """Write `secrets.env` (mode 0600) with fresh random keys for names that `given` (an environment) lacks.

    A file that is there is never touched: a new archive key would lock away everything kept so far.
    """
    missing = [name for name in SECRET_NAMES if not (given or {}).get(name)]
    if not missing:
        return
    home_root.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{name}={base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}\n" for name in missing)
    partial = home_root / f"secrets.{secrets.token_hex(4)}.partial"
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(partial, home_root / "secrets.env")  # fails when it is there, whoever was first
        except FileExistsError:
            return
    finally:
        partial.unlink(missing_ok=True)

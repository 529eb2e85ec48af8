"""Who acts in a shell under test."""

from __future__ import annotations

from cli.shell import os_user
from core.settings import Home


def is_now(home: Home, name: str) -> None:
    """The user of this machine is that user of the product: the home's own file says so."""
    with (home.root / "secrets.env").open("a", encoding="utf-8") as file:
        file.write(f"CITYRISK_OS_USERS={os_user()}={name}\n")

"""The engine's state on disk with the stream position that it holds: written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = "alerting"
_KEPT = 2  # the newest, and the one that the store names until it names the newest


def write_snapshot(root: Path, sequence: int, body: bytes) -> str:
    """Make the state durable; returns the file's name. Older ones go."""
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"engine-{sequence:020d}.json"
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return path.name


def sweep(root: Path, kept: str) -> None:
    """Remove snapshots that nobody needs; `kept` is the one that the store names."""
    found = sorted((root / FOLDER).glob("engine-*.json"))
    for path in found[:-_KEPT]:
        if path.name != kept:
            path.unlink(missing_ok=True)


def read_snapshot(root: Path, name: str) -> bytes | None:
    """The bytes of a snapshot, None when it is not there."""
    path = root / FOLDER / name
    return path.read_bytes() if path.is_file() else None

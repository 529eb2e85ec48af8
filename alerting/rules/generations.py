"""Rules generations of a home: folders named for the instant they were published at, the newest one counts.

A folder appears whole, by one rename, and never changes after.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from alerting.engine.rule import RuleSet
from alerting.rules.load import load_rules
from core.errors import ExplainedError

FOLDER = "rules"
PARTIAL = ".partial"
NAME = "%Y%m%dT%H%M%S%f"


class NoRulesError(ExplainedError, RuntimeError):
    """The home has no rules generation yet."""


def generations(root: Path) -> list[Path]:
    """Folders of the generations under a home's root, oldest first."""
    folder = root / FOLDER
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def newest_generation(root: Path) -> Path:
    """The folder that counts. Raises NoRulesError for a home without one."""
    found = generations(root)
    if not found:
        raise NoRulesError(f"no rules in {root / FOLDER}; run `cityrisk rules publish`")
    return found[-1]


def generation_named(root: Path, name: str) -> Path | None:
    """The folder of a generation that a snapshot names, None when it was swept away."""
    path = root / FOLDER / name
    return path if name and path.is_dir() else None


def load_newest(root: Path) -> RuleSet:
    """The rules that count. Raises NoRulesError or RuleError."""
    path = newest_generation(root)
    return load_rules(path, path.name)


def files_in(folder: Path) -> dict[str, Path]:
    """The tables of a generation by file name."""
    return {path.name: path for path in folder.glob("*.csv")}


def digest(files: Mapping[str, Path]) -> str:
    """One hash of what tables say."""
    seen = hashlib.sha256()
    for name, path in sorted(files.items()):
        seen.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return seen.hexdigest()

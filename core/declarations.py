"""Declarations of a system's folder read from YAML, each against the JSON Schema of its kind.

Not here: contracts, whose schema is the Open Data Contract Standard's own (`core.catalogue`).
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from core.compiled import Compiled
from core.errors import DeclarationError as DeclarationError

_SCHEMAS = Path(__file__).parent / "schemas"
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}


def read_declaration(path: Path, kind: str) -> dict[str, Any]:
    """The document of a file of this kind: the name of a schema of `core/schemas`. Raises DeclarationError.

    Whoever asks for the same text again is given the same document, which nobody changes.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeclarationError(f"{path}: cannot be read: {error}; expected UTF-8 YAML") from error
    return _document(text, path, kind)


@lru_cache(maxsize=256)
def _document(text: str, path: Path, kind: str) -> dict[str, Any]:
    def read() -> dict[str, Any]:
        from core.documents import declared

        return declared(text, path, kind, _schema(kind))

    return _compiled(kind).document(text, read)


def seconds(duration: str) -> int:
    """A duration as declarations write it (`10 min`) in seconds. Raises ValueError."""
    found = re.fullmatch(r"(\d+) (s|min|h|d)", duration)
    if found is None:
        raise ValueError(f"{duration!r} is no duration; expected a number and one of {', '.join(_SECONDS)}")
    return int(found[1]) * _SECONDS[found[2]]


def _schema(kind: str) -> Path:
    return _SCHEMAS / f"{kind}.schema.json"


@cache
def _compiled(kind: str) -> Compiled:
    return Compiled(kind, (_schema(kind), Path(__file__).with_name("documents.py")))

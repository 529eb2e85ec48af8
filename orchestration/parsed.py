"""What dbt read of a project, kept beside its derived files: reading it anew costs as much as a build.

It serves every home, for where a home's files are is asked when a model runs; so it does not depend on settings, as
dbt's own partial parsing does, which begins anew with every home.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.project import DERIVED, HAND_WRITTEN, PARSED, digest_of

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

log = logging.getLogger(__name__)

SOURCES = (*HAND_WRITTEN, f"{DERIVED}/models", f"{DERIVED}/seeds")
_READERS = ("dbt-core", "dbt-adapters", "dbt-duckdb")
# Of this process: a test has two projects in turn.
_KEPT: dict[str, Manifest] = {}
_MOST_KEPT = 2


def parsed(project: Path, parse: Callable[[], Manifest | None]) -> Manifest | None:
    """What dbt reads of a project: remembered, from the file, or by `parse`. None when that found the project wrong.

    A copy of its own: compiled code stays in what dbt is given, and the next command would take it for its own.
    """
    key = _key(project)
    if key not in _KEPT:
        manifest = _from_file(project, key)
        if manifest is None:
            manifest = parse()
            if manifest is None:
                return None
            if _key(project) != key:  # a file changed while dbt read it: nobody knows which text it saw
                return manifest
            keep(project, key, manifest)
        for old in list(_KEPT)[: 1 - _MOST_KEPT]:
            del _KEPT[old]
        _KEPT[key] = manifest
    copied: Manifest = _KEPT[key].deepcopy()
    return copied


def keep(project: Path, key: str, manifest: Manifest) -> None:
    """Leave what was read for the next process; whoever reads meanwhile sees the older one or this one.

    Where it cannot be written, the next process reads the project itself.
    """
    from dbt.parser.manifest import extended_mashumaro_encoder

    packed: bytes = manifest.to_msgpack(extended_mashumaro_encoder)
    partial = project / DERIVED / f"{PARSED}.{os.getpid()}.partial"
    try:
        partial.write_bytes(_head(key, packed) + packed)
        os.replace(partial, project / DERIVED / PARSED)
    except OSError as error:
        log.warning("what dbt read of %s is not kept: %s", project, error)
    finally:
        partial.unlink(missing_ok=True)


def _from_file(project: Path, key: str) -> Manifest | None:
    """What an earlier process left, None when it was of another project or is damaged."""
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder

    try:
        head, _, packed = (project / DERIVED / PARSED).read_bytes().partition(b"\n")
    except OSError:  # not there yet, or not to be read
        return None
    if head + b"\n" != _head(key, packed):
        return None
    manifest: Manifest = Manifest.from_msgpack(packed, decoder=extended_mashumuro_decoder)
    manifest.build_parent_and_child_maps()
    return manifest


def _head(key: str, packed: bytes) -> bytes:
    return f"{key} {hashlib.sha256(packed).hexdigest()}\n".encode()


def _key(project: Path) -> str:
    """What the text of a parse depends on: the place and the files of the project, and who reads it."""
    readers = " ".join(version(name) for name in _READERS)
    return hashlib.sha256(f"{project} {digest_of(project, *SOURCES)} {readers}".encode()).hexdigest()

"""The dbt project that a home builds, brought up to date with the folders of systems before anybody reads it.

Derived models and seeds stand in the project's own `.build`, which dbt reads by a relative path: over sources of an
absolute path or above the project it writes its compiled SQL. A checkout builds in place; an installed copy, or one
whose systems stand elsewhere, composes a whole project under the home.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from core.settings import Home
from core.system import SHARED_FOLDERS, SYSTEMS_ROOT, shared_folder, systems_root

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / "dbt_project"
DERIVED = ".build"
ALERTING = "alerting"  # folder of the seeds that alerting reads as well
HAND_WRITTEN = ("dbt_project.yml", "profiles.yml", "macros", "models", "seeds", "tests")
# What decides about the derived text, beside the folders of systems.
_CODE = ("core", "orchestration/derive", "orchestration/systems.py")
_CODE_SUFFIXES = frozenset({".py", ".json", ".jinja", ".csv"})
_LOCK, _MADE = ".lock", ".made"  # in the build folder: who reads or writes it, and of what it was made
PARSED = ".parsed"  # beside them: what dbt read of the project (`orchestration.parsed`)
_COMMITTED_FOLDER = "docs/feeds"  # holds derived pages and nothing else


@contextmanager
def open_project(home: Home, project: Path | None = None) -> Iterator[Path]:
    """The home's project, up to date; nobody changes what is derived in it until the caller is done.

    `project`: one that the caller keeps up to date itself. Raises ContractError and DeclarationError.
    """
    found = project_of(home) if project is None else project
    with _locked(found, fcntl.LOCK_SH):
        yield found


def project_of(home: Home) -> Path:
    """The home's project, up to date at this moment."""
    systems = systems_root(home.environment)
    if systems.resolve() == SYSTEMS_ROOT.resolve() and is_checkout():
        refresh(PROJECT, systems)
        return PROJECT
    project = home.build / "project"
    refresh(project, systems, compose_from=PROJECT)
    return project


def is_checkout() -> bool:
    """Whether this code runs from a checkout that may be written to."""
    return (ROOT / "pyproject.toml").is_file() and os.access(PROJECT, os.W_OK)


def seed_folders(project: Path) -> tuple[Path, ...]:
    """Where the tables of alerting are looked for, in this order: derived ones and those written by hand."""
    folders = (project / DERIVED / "seeds", project / "seeds")
    return tuple(one for folder in folders for one in (folder / ALERTING, folder))


def table_of(project: Path, name: str) -> Path:
    """The file of one of those tables. Raises FileNotFoundError with the places looked at."""
    folders = seed_folders(project)
    found = next((folder / name for folder in folders if (folder / name).is_file()), None)
    if found is None:
        raise FileNotFoundError(f"no {name} in {', '.join(map(str, folders))}")
    return found


def refresh(project: Path, systems: Path, *, compose_from: Path | None = None, is_strict: bool = False) -> list[Path]:
    """Bring what is derived in a project up to date, whatever happened to it, and say which files changed.

    Comparing digests takes milliseconds when nothing did. `compose_from`: a project whose written files come along.
    """
    inputs = _digest_of_inputs(systems, compose_from)
    if _is_made_of(project, inputs, compose_from):
        return []
    with _locked(project, fcntl.LOCK_EX):
        if _is_made_of(project, inputs, compose_from):  # by another process meanwhile
            return []
        changed = _make(project, systems, compose_from, is_strict)
        _write(project / DERIVED / _MADE, f"{inputs} {_digest_of_outputs(project, compose_from)}".encode())
        return changed


def write_derived(root: Path) -> list[Path]:
    """Bring all derived files of the checkout at `root` up to date; leftovers go. Returns what changed."""
    changed = refresh(root / PROJECT.name, root / SYSTEMS_ROOT.name, is_strict=True)
    from orchestration.derive import document_texts

    texts = document_texts(root / SYSTEMS_ROOT.name)
    return changed + _bring(root, {name: text.encode() for name, text in texts.items()}, _committed(root))


def stale(root: Path) -> list[Path]:
    """Committed derived files that are missing, differ from what the folders of systems imply, or are left over."""
    from orchestration.derive import document_texts

    texts = {name: text.encode() for name, text in document_texts(root / SYSTEMS_ROOT.name).items()}
    return _differing(root, texts, _committed(root))


def digest_of(root: Path, *names: str) -> str:
    """One hash over the files and folders of these names under `root`, their places included."""
    digest = hashlib.sha256()
    for path in _files(root, *names):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _make(project: Path, systems: Path, compose_from: Path | None, is_strict: bool) -> list[Path]:
    from orchestration.derive import project_texts

    wanted = {f"{DERIVED}/{name}": text.encode() for name, text in project_texts(systems, is_strict=is_strict).items()}
    if compose_from is not None:
        wanted |= {str(path.relative_to(compose_from)): path.read_bytes() for path in _written(compose_from)}
    return _bring(project, wanted, _files(project, *_scope(compose_from)))


def _written(project: Path) -> list[Path]:
    """The files of a project that people wrote."""
    return _files(project, *HAND_WRITTEN)


def _scope(compose_from: Path | None) -> tuple[str, ...]:
    """What of a project is ours to write."""
    return (DERIVED,) if compose_from is None else (DERIVED, *HAND_WRITTEN)


def _digest_of_inputs(systems: Path, compose_from: Path | None) -> str:
    digest = hashlib.sha256()
    code = [path for path in _files(ROOT, *_CODE) if path.suffix in _CODE_SUFFIXES]
    declared = [path for path in _files(systems, ".") if path.suffix == ".yaml"]
    declared += [path for name in SHARED_FOLDERS for path in _files(shared_folder(systems, name), ".")]
    written = _written(compose_from) if compose_from is not None else []
    for path in (*code, *declared, *written):
        digest.update(str(path).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _digest_of_outputs(project: Path, compose_from: Path | None) -> str:
    return digest_of(project, *_scope(compose_from))


def _is_made_of(project: Path, inputs: str, compose_from: Path | None) -> bool:
    try:
        made = (project / DERIVED / _MADE).read_text(encoding="utf-8")
        return made == f"{inputs} {_digest_of_outputs(project, compose_from)}"
    except FileNotFoundError:  # never made, or another process removes a leftover at this moment
        return False


def _files(root: Path, *names: str) -> list[Path]:
    """Files and what is in folders, in order of their places; a name that is not there holds nothing."""
    found: set[Path] = set()
    for path in (root / name for name in names):
        if path.is_file():
            found.add(path)
        found |= {one for one in path.rglob("*") if one.is_file() and "__pycache__" not in one.parts}
    return sorted(path for path in found if path.name not in (_LOCK, _MADE) and not path.name.startswith(PARSED))


def _committed(root: Path) -> list[Path]:
    return _files(root, _COMMITTED_FOLDER)


def _differing(root: Path, wanted: Mapping[str, bytes], present: list[Path]) -> list[Path]:
    paths = {root / name: text for name, text in wanted.items()}
    differing = [path for path, text in paths.items() if not path.is_file() or path.read_bytes() != text]
    return sorted({*differing, *(path for path in present if path not in paths)})


def _bring(root: Path, wanted: Mapping[str, bytes], present: list[Path]) -> list[Path]:
    """Write what differs, remove what is left over."""
    changed = _differing(root, wanted, present)
    for path in changed:
        text = wanted.get(str(path.relative_to(root)))
        if text is None:
            path.unlink()
        else:
            _write(path, text)
    return changed


def _write(path: Path, text: bytes) -> None:
    """Whole or not at all, for whoever reads without the lock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_bytes(text)
    os.replace(partial, path)


@contextmanager
def _locked(project: Path, how: int) -> Iterator[None]:
    """Many may read a build folder at once; who writes it is alone."""
    folder = project / DERIVED
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("a") as lock:
        fcntl.flock(lock, how)
        yield

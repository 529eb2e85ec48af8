"""Put what cannot be made again into one file, and bring it back: ops store, encrypted archive, rules, published parts.

Landing, warehouse and generations are left out: the next run makes them from these. Keys are left out too; a
backup and the keys that open it must not lie in one place.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import sqlite3
import tarfile
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from core.runtime.run_lock import only_run
from core.settings import ARCHIVE_KEY, Home
from core.store.keys import CHECKED, compare

MANIFEST, OPS = "manifest.json", "ops.db"
PARTIAL = ".partial"  # in the name of whatever is not whole yet
_PART_BYTES = 1 << 20


class BackupError(RuntimeError):
    """A backup that cannot be made or brought back; says what was found and what to do."""


def backup(home: Home, target: Path, now: datetime) -> int:
    """Write `target` (a tar) from a home; returns the number of files in it. Refuses while a batch runs.

    Raises BackupError for an ops store that is not SQLite, HomeBusyError while a batch runs, FileExistsError for a
    target that is there already.
    """
    source = _ops_path(home)
    partial = target.with_name(target.name + ".partial")
    if target.exists():
        raise FileExistsError(f"{target} exists; a backup never replaces another one")
    try:
        return _written(home, source, target, partial, now)
    except sqlite3.DatabaseError as error:
        raise BackupError(f"{source} is damaged: {error}; restore the last good backup elsewhere") from error
    finally:
        partial.unlink(missing_ok=True)


def _written(home: Home, source: Path, target: Path, partial: Path, now: datetime) -> int:
    with only_run(home), tempfile.TemporaryDirectory() as folder:
        copied = Path(folder) / OPS
        with sqlite3.connect(source) as live, sqlite3.connect(copied) as frozen:
            live.backup(frozen)
            found = [str(one) for (one,) in frozen.execute("pragma integrity_check").fetchmany(3)]
        live.close()
        frozen.close()
        if found != ["ok"]:
            raise BackupError(f"{source} is damaged: {'; '.join(found)}; restore the last good backup elsewhere")
        files = {OPS: copied} | {
            path.relative_to(home.root).as_posix(): path
            for folder in _folders(home)
            for path in sorted(folder.rglob("*"))
            if path.is_file() and PARTIAL not in path.relative_to(home.root).as_posix()
        }
        digests = {name: _digest(path) for name, path in files.items()}
        with tarfile.open(partial, "w") as tar:
            signature = _signature(home, digests)
            text = json.dumps({"made_at": now.isoformat(), "sha256": digests, "hmac": signature}, indent=1).encode()
            entry = tarfile.TarInfo(MANIFEST)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
            for name, path in files.items():
                tar.add(path, arcname=name, recursive=False)
    partial.rename(target)
    return len(files)


def restore(home: Home, source: Path, *, unsigned: bool = False) -> int:
    """Bring a backup back into a home that has no data yet; returns the number of files. The next run does the rest.

    `unsigned` accepts one from before backups were signed: its digests hold, but nobody vouches for them. Raises
    BackupError when the home holds data, or when the file is torn, altered or no backup of ours; WrongKeyError when it
    was made with other keys than those given.
    """
    if (home.root / OPS).exists() or any(folder.exists() for folder in _folders(home)):
        raise BackupError(f"{home.root} holds data; restore into an empty home (set CITYRISK_HOME)")
    home.root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.root) as folder:
        unpacked = Path(folder)
        try:
            with tarfile.open(source) as tar:
                tar.extractall(unpacked, filter="data")
            said = json.loads((unpacked / MANIFEST).read_text(encoding="utf-8"))
            manifest, signature = said["sha256"], said.get("hmac")
        except (tarfile.TarError, OSError, ValueError, KeyError) as error:
            raise BackupError(f"{source.name} is torn or no backup of ours: {error}") from error
        if signature is None and not unsigned:
            raise BackupError(f"{source.name} is unsigned, from before; `--unsigned` restores it as it is")
        if signature is not None and not hmac.compare_digest(str(signature), _signature(home, manifest)):
            raise BackupError(f"{source.name}: the manifest was altered, or {ARCHIVE_KEY} is not the key of its home")
        here = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
        if foreign := sorted(here - {*manifest, MANIFEST}):
            raise BackupError(f"{source.name}: {foreign[0]} is not in the manifest; take another backup")
        for name, digest in manifest.items():
            path = unpacked / name
            if not path.is_file() or _digest(path) != digest:
                raise BackupError(f"{source.name}: {name} is missing or altered; take another backup")
        for name in CHECKED:
            if home.environment.get(name):
                compare(home, name, unpacked / home.key_checks.name)
        (unpacked / OPS).rename(home.root / OPS)
        for wanted in _folders(home):
            kept = unpacked / wanted.name
            kept.mkdir(exist_ok=True)
            kept.rename(wanted)
    return len(manifest)


def _folders(home: Home) -> tuple[Path, ...]:
    """Archive, check values of its keys, rules generations, and what readers were shown.

    Replay needs the rules that held at the time; what was known at an instant no build can make again.
    """
    return home.archive, home.key_checks, home.rules, home.published


def _ops_path(home: Home) -> Path:
    if not home.ops_url.startswith("sqlite:///"):
        raise BackupError("the ops store is not SQLite; use the database server's own backup, and copy archive/ too")
    path = Path(home.ops_url.removeprefix("sqlite:///"))
    if not path.exists():
        raise BackupError(f"{path} does not exist; there is nothing to back up yet")
    return path


def _signature(home: Home, digests: Mapping[str, str]) -> str:
    """Over names and digests, by a key derived from the archive's: who can read a backup can vouch for it."""
    compare(home, ARCHIVE_KEY)
    key = hmac.new(home.secret(ARCHIVE_KEY), b"cityrisk backup manifest", hashlib.sha256).digest()
    return hmac.new(key, json.dumps(digests, sort_keys=True).encode(), hashlib.sha256).hexdigest()


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while part := stream.read(_PART_BYTES):
            digest.update(part)
    return digest.hexdigest()

"""Read files that departments drop: a folder here, or SFTP and S3 by URL when their driver is installed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

import fsspec

from core.contract import Contract
from core.settings import Home
from core.stages import Payload
from ingest.connect.fault import ConnectError, request_policy_of, retrying


@dataclass(frozen=True, slots=True)
class Found:
    """One file of a listing."""

    name: str  # below the folder that the glob starts from
    path: str
    size: int
    changed_ns: int

    @property
    def stamp(self) -> str:
        """What shows a change without opening the file."""
        return f"{self.size}:{self.changed_ns}"


def pull_files(contract: Contract, home: Home, cursor: str | None, now: Callable[[], datetime]) -> Iterator[Payload]:
    """One payload a new or changed file, oldest change first, then by name.

    The cursor is JSON `{name: "size:mtime_ns:sha8"}`. A file that changes while it is read is left for the next
    pull; one that cannot be read does not keep the others back and is reported at the end.
    """
    pattern = home.expand(contract.server.location or "")
    system = _open_system(contract, pattern)
    seen: dict[str, str] = json.loads(cursor) if cursor else {}
    listing = _listing(contract, home, system, pattern)
    seen = {name: stamp for name, stamp in seen.items() if name in {found.name for found in listing}}
    unread: list[str] = []
    for found in listing:
        if seen.get(found.name, "").rpartition(":")[0] == found.stamp:
            continue
        try:
            body = _read(home, system, found)
        except FileNotFoundError:
            continue  # taken away between listing and reading
        except OSError as error:
            unread.append(f"{found.name} ({error.strerror or error})")
            continue
        if body is None:
            continue
        seen[found.name] = f"{found.stamp}:{hashlib.sha256(body).hexdigest()[:8]}"
        yield Payload(
            feed_id=contract.id,
            body=body,
            media=contract.server.file_format or "",
            source_ref=found.name,
            received_at=now(),
            cursor=json.dumps(seen, ensure_ascii=False),
        )
    if unread:
        raise ConnectError(
            contract.id,
            pattern,
            f"{len(unread)} of {len(listing)} files cannot be read: {', '.join(unread[:5])}",
            "readable files",
            "check the drop folder's rights and the connection",
            "unreadable",
        )


def pending(contract: Contract, home: Home, cursor: str | None) -> list[str]:
    """Names of files that are new or changed against the cursor; opens none of them."""
    pattern = home.expand(contract.server.location or "")
    seen: dict[str, str] = json.loads(cursor) if cursor else {}
    listing = _listing(contract, home, _open_system(contract, pattern), pattern)
    return [found.name for found in listing if seen.get(found.name, "").rpartition(":")[0] != found.stamp]


def _open_system(contract: Contract, pattern: str) -> Any:
    try:
        system, _ = fsspec.core.url_to_fs(pattern)
    except ImportError as error:
        raise ConnectError(
            contract.id,
            pattern,
            f"no driver for this kind of address ({error})",
            "an installed driver",
            "install the fsspec driver that the text names",
        ) from error
    except (OSError, ValueError) as error:
        raise ConnectError(
            contract.id, pattern, str(error), "a file server that answers", "check address, account and network"
        ) from error
    return system


def _listing(contract: Contract, home: Home, system: Any, pattern: str) -> list[Found]:
    """Every file that the glob matches. Raises ConnectError when its folder is not there."""
    _, glob = fsspec.core.url_to_fs(pattern)
    root = _root(glob)
    try:
        for attempt in retrying(request_policy_of(home), _is_cut):
            with attempt:
                system.invalidate_cache()
                there = system.isdir(root)
                entries: dict[str, dict[str, Any]] = system.glob(glob, detail=True) if there else {}
    except OSError as error:
        raise ConnectError(
            contract.id, pattern, str(error), "a folder that can be listed", "check address, account and network"
        ) from error
    if not there:
        raise ConnectError(
            contract.id,
            pattern,
            f"no folder {root}",
            "the department's drop folder",
            "create it, or correct the address in the environment",
        )
    found = [
        Found(str(PurePosixPath(path).relative_to(root)), path, int(entry.get("size") or 0), _changed_ns(entry))
        for path, entry in entries.items()
        if entry["type"] == "file"
    ]
    return sorted(found, key=lambda one: (one.changed_ns, one.name))


def _root(glob: str) -> str:
    """The folder above the first wildcard."""
    parts = PurePosixPath(glob).parts
    plain = next((i for i, part in enumerate(parts) if any(mark in part for mark in "*?[")), len(parts) - 1)
    return str(PurePosixPath(*parts[:plain]))


def _changed_ns(entry: dict[str, Any]) -> int:
    """When the file changed: POSIX seconds, an instant, or (object stores) a number made from its version tag."""
    changed = entry.get("mtime", entry.get("LastModified"))
    if isinstance(changed, datetime):
        return int(changed.timestamp() * 1e6) * 1000
    if isinstance(changed, int | float):
        return int(changed * 1e6) * 1000
    return int(hashlib.sha256(str(entry.get("ETag", "")).encode()).hexdigest()[:12], 16)


def _read(home: Home, system: Any, found: Found) -> bytes | None:
    """The file's bytes; None when it changed meanwhile, so half-written files wait for their end."""
    for attempt in retrying(request_policy_of(home), _is_cut):
        with attempt:
            body: bytes = system.cat_file(found.path)
            system.invalidate_cache()
            after = system.info(found.path)
    is_same = int(after.get("size") or 0) == found.size == len(body) and _changed_ns(after) == found.changed_ns
    return body if is_same else None


def _is_cut(error: BaseException) -> bool:
    return isinstance(error, ConnectionError | TimeoutError | EOFError)

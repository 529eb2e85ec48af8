"""Behind which door a feed stands, as its contract says: HTTP, a database, a folder of files, or devices."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from core.contract import Contract
from core.declarations import DeclarationError

_URL = re.compile(r"\$\{(CITYRISK_[A-Z0-9_]+_URL)\}(/.*)")
_DROP = re.compile(r"\$\{(CITYRISK_[A-Z0-9_]+_DROP)\}/(.*)")
Kind = Literal["http", "sql", "files"]


@dataclass(frozen=True, slots=True)
class Door:
    """How a client reaches one feed.

    `setting` is the environment value of its department's address, `path` what follows it: a path of the URL, a table,
    or a folder below the drop. `token_setting` is '' where none is asked for.
    """

    feed_id: str
    kind: Kind
    department: str
    setting: str
    path: str
    token_setting: str = ""
    explode: str | None = None


def doors_of(contracts: Iterable[Contract]) -> dict[str, Door]:
    """The door of every feed that is fetched, by feed id. Raises DeclarationError for one that no city could serve."""
    return {one.id: _door(one) for one in contracts if not one.is_stream}


def _door(contract: Contract) -> Door:
    server, department = contract.server, contract.department_code
    location = server.location or ""
    match server.kind:
        case "api" if found := _URL.fullmatch(location):
            token = str(server.options.get("tokenEnv", ""))
            return Door(contract.id, "http", department, found[1], found[2], token, contract.explode)
        case "sql":
            return Door(contract.id, "sql", department, str(server.options["urlEnv"]), contract.table)
        case "files" if found := _DROP.fullmatch(location):
            return Door(contract.id, "files", department, found[1], str(PurePosixPath(found[2]).parent))
    raise DeclarationError(
        f"{contract.id}: the simulated city cannot serve {server.kind} at {location!r}; expected "
        "${CITYRISK_…_URL}/…, ${CITYRISK_…_DROP}/…, or a database by urlEnv"
    )


def departments_of(doors: Mapping[str, Door], kind: Kind) -> dict[str, str]:
    """Departments that have a door of this kind, with the setting of their address, in order."""
    return {one.department: one.setting for _, one in sorted(doors.items()) if one.kind == kind}

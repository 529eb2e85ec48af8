"""Read what is new from a department: one `pull` for services, databases and files.

A connector only reads. Each payload carries the cursor to store once it has landed, so a stop at any point loses
nothing; what comes again after a crash is recognised by content. Not here: archive, parse, landing (`ingest.pull`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from core.contract import Contract
from core.settings import Home
from core.stages import Payload
from ingest.connect.fault import TROUBLES, ConnectError
from ingest.connect.hosts import UnansweringHosts
from ingest.connect.mark import cursor_at

__all__ = ["TROUBLES", "ConnectError", "cursor_at", "pull"]


def pull(
    contract: Contract,
    home: Home,
    cursor: str | None,
    now: Callable[[], datetime],
    hosts: UnansweringHosts | None = None,
) -> Iterator[Payload]:
    """What the department has beyond `cursor` (None: everything), in order, as it sent it.

    `hosts`: what the other feeds of a run know of hosts that do not answer.
    Raises ConnectError when the department cannot be read after retries, SettingsError when an address or a
    credential that the contract names is not set.
    """
    hosts = hosts or UnansweringHosts()
    match contract.server.kind:
        case "api":
            from ingest.connect.rest import pull_rest

            return pull_rest(contract, home, cursor, now, hosts)
        case "sql":
            from ingest.connect.sql import pull_sql

            return pull_sql(contract, home, cursor, now, hosts)
        case "files":
            from ingest.connect.files import pull_files

            return pull_files(contract, home, cursor, now)
        case "stream":  # devices push it; a fetch has nothing to ask
            return iter(())

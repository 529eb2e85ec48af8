"""Programs of a home whose manager was killed: they work on, and nobody would start them again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import psutil

# The manager puts its own address and the program's name into the environment of everything it starts.
_ADDRESS, _NAME = "SUPERVISOR_SERVER_URL", "SUPERVISOR_PROCESS_NAME"


@dataclass(frozen=True, slots=True)
class Orphan:
    """A process that a manager started, or that a program of it started."""

    name: str  # of the program
    process: psutil.Process


def orphans(address: str) -> list[Orphan]:
    """Everything that the manager of this address started and that still runs; the program before its children."""
    found = []
    for process in psutil.process_iter(["environ", "create_time"]):
        environment = process.info["environ"] or {}  # None for what is another user's
        if environment.get(_ADDRESS) == address and process.pid != psutil.Process().pid:
            found.append(Orphan(environment.get(_NAME, ""), process))
    return sorted(found, key=lambda orphan: orphan.process.info["create_time"])


def end(left: Collection[Orphan], within_s: float) -> None:
    """Ask all to stop, as the manager would, and kill those that do not in time."""
    processes = [orphan.process for orphan in left]
    for process in processes:
        _signal(process, "terminate")
    _, stubborn = psutil.wait_procs(processes, timeout=within_s)
    for process in stubborn:
        _signal(process, "kill")
    psutil.wait_procs(stubborn, timeout=within_s)


def _signal(process: psutil.Process, method: str) -> None:
    try:
        getattr(process, method)()
    except psutil.NoSuchProcess:
        return

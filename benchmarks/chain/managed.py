"""A whole home under its own process manager, any part of which can be killed, the manager too.

What dies is started again by the manager; a killed manager by `cityrisk up`, as an operator or the machine's own
service would.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benchmarks.chain.outcome import settle
from benchmarks.chain.programs import NAMES, READY_WITHIN_S, Chain, environment
from core.loopback import free_port
from core.runtime import supervisor as processes
from core.runtime.supervisor import Process, ProcessState
from core.settings import Home
from orchestration.services import services

MANAGER = "manager"
EVERYBODY = (MANAGER, *NAMES, "pages", "graph")
WITHIN_S = 180.0


class ManagedChain(Chain):
    """The programs of a home as `cityrisk up` runs them."""

    def __init__(self, home: Home, names: Sequence[str]) -> None:
        super().__init__(home, names)
        self._wanted = [service for service in services(home) if service.name in names]

    def up(self) -> None:
        """Bring the home in line, whoever is missing; returns when all are well."""
        processes.start(self.home, self._wanted, environment(self.home), WITHIN_S)

    def kill(self, name: str, number: int = signal.SIGKILL, *, and_start: bool = False) -> None:
        """Kill one, or the manager; without `and_start` it is stopped for good."""
        if not and_start:
            self._wanted = [service for service in self._wanted if service.name != name]
            self.up()
            return
        settle(lambda: self._hit(name, number), READY_WITHIN_S, f"another start of {name}")
        if name == MANAGER:
            self.up()

    @contextmanager
    def supervised(self) -> Iterator[dict[str, int]]:
        """Its manager looks after it; what ended by itself is in the manager's log."""
        yield {}

    def down(self) -> None:
        """Stop all."""
        processes.stop(self.home)

    def is_well(self, name: str) -> bool:
        """Whether the manager runs it and it answers for its own health."""
        if name == MANAGER:
            return all(state.state != "orphaned" for state in self._states(self._wanted))
        return all(state.health == "well" for state in self._states([s for s in self._wanted if s.name == name]))

    def look(self) -> None:
        """Meters are not read here."""

    def _states(self, wanted: Sequence[Process]) -> list[ProcessState]:
        return processes.status(self.home, wanted)

    def _hit(self, name: str, number: int) -> bool:
        """Send a signal to whoever bears the name now; False while nobody does."""
        if name == MANAGER:
            pid: int | None = int((self.home.run / "supervisord.pid").read_text(encoding="utf-8"))
        else:
            (state,) = self._states([service for service in self._wanted if service.name == name])
            pid = state.pid
        if pid is None:
            return False
        try:
            os.kill(pid, number)
        except ProcessLookupError:  # it died of the last kill, and the manager has not seen it yet
            return False
        return True


def page_ports() -> dict[str, str]:
    """Settings of free ports for pages and graph, which take no port of their own choice."""
    return {f"CITYRISK_{name}_PORT": str(free_port()) for name in ("PAGES", "GRAPH")}

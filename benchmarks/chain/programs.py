"""The programs of a home, started by the same commands as its process manager starts them; any can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from core.running import read_running
from core.settings import Home

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("broker", "listen", "mqtt", "intake", "alerting")
READY_WITHIN_S = 60.0


@dataclass
class Used:
    """What a program used while it was watched, through all of its lives."""

    cpu_s: float = 0.0
    peak_mb: float = 0.0
    lives: int = 0
    _before: float = 0.0
    _now: float = 0.0

    def look(self, process: psutil.Process) -> None:
        """Read the meters of a process that may be gone."""
        try:
            times, memory = process.cpu_times(), process.memory_info()
        except psutil.Error:
            return
        self._now = float(times.user + times.system)
        self.cpu_s = self._before + self._now
        self.peak_mb = max(self.peak_mb, memory.rss / 1024**2)

    def again(self) -> None:
        """The next life begins."""
        self._before, self._now = self._before + self._now, 0.0
        self.lives += 1


class Chain:
    """Broker, listen, mqtt, intake and alerting of one home."""

    def __init__(self, home: Home, names: Sequence[str] = NAMES) -> None:
        self.home = home
        self.names = tuple(names)
        self.used = {name: Used() for name in self.names}
        self.at_start: dict[str, float] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._turn = threading.RLock()
        home.run.mkdir(parents=True, exist_ok=True)

    def start(self, name: str) -> None:
        """Start one, or start it again; returns at once."""
        (self.home.run / f"{name}.json").unlink(missing_ok=True)
        program = str(Path(sys.executable).with_name("cityrisk"))
        with (self.home.run / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", program, name],
                cwd=ROOT,
                env=environment(self.home),
                stdout=log,
                stderr=log,
            )
        self.used[name].again()

    def wait(self, name: str, within_s: float = READY_WITHIN_S) -> None:
        """Return once a program says that it is well. Raises RuntimeError with the end of its log."""
        deadline = time.monotonic() + within_s
        while not self.is_well(name):
            if self._processes[name].poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} is not well: {self.health(name)}\n{self.log_text(name)[-3000:]}")
            time.sleep(0.02)

    def up(self) -> None:
        """Start all of them; returns when all are well."""
        for name in self.names:
            self.start(name)
        for name in self.names:
            self.wait(name)

    def kill(self, name: str, number: int = signal.SIGKILL, *, and_start: bool = False) -> None:
        """End one as a crash does, and start it again at once where asked."""
        self.look()
        with self._turn:
            self._processes[name].send_signal(number)
            self._processes[name].wait()
            if and_start:
                self.start(name)

    def signal(self, name: str, number: int) -> None:
        """Send one a signal that does not end it."""
        self._processes[name].send_signal(number)

    def disk(self, name: str, most_bytes: int) -> None:
        """Let no file of one grow beyond a size, -1 for any: what it meets on a full disk."""
        process = psutil.Process(self._processes[name].pid)
        _, hard = process.rlimit(psutil.RLIMIT_FSIZE)
        process.rlimit(psutil.RLIMIT_FSIZE, (most_bytes, hard))

    @contextmanager
    def supervised(self) -> Iterator[dict[str, int]]:
        """Whoever ends by itself in this block is started again; gives how often each did."""
        ended, done = dict[str, int](), threading.Event()

        def watch() -> None:
            while not done.wait(0.2):
                for name in self.names:
                    with self._turn:
                        if self._processes[name].poll() is not None:
                            ended[name] = ended.get(name, 0) + 1
                            self.start(name)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield ended
        finally:
            done.set()
            watcher.join()

    def down(self) -> None:
        """End all as their manager does, those that read first."""
        for name in reversed(self.names):
            process = self._processes.get(name)
            if process is None or process.poll() is not None:
                continue
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def is_well(self, name: str) -> bool:
        """Whether it answers for its own health."""
        return bool(self.health(name).get("is_well"))

    def health(self, name: str) -> dict[str, Any]:
        """What it says of itself; empty when it does not answer."""
        running = read_running(self.home, name)
        if running is None:
            return {}
        path = "healthz" if name == "broker" else "health"
        try:
            answer = httpx.get(f"http://127.0.0.1:{running.ports['metrics']}/{path}", timeout=5)
        except httpx.HTTPError:
            return {}
        return {"is_well": answer.is_success} if name == "broker" else dict(answer.json())

    def metrics(self, name: str) -> dict[str, float]:
        """Its counters by name and labels."""
        running = read_running(self.home, name)
        if running is None:
            return {}
        text = httpx.get(f"http://127.0.0.1:{running.ports['metrics']}/metrics", timeout=5).text
        pairs = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {key: float(value) for key, _, value in pairs}

    def log_text(self, name: str) -> str:
        """What it wrote."""
        return (self.home.run / f"{name}.log").read_text("utf-8", "replace")

    def look(self) -> None:
        """Read the meters of all."""
        for name, process in self._processes.items():
            if process.poll() is None:
                self.used[name].look(psutil.Process(process.pid))

    @contextmanager
    def measured(self, every_s: float = 0.5) -> Iterator[Measured]:
        """What each program uses in the length of a block."""
        self.look()
        found = Measured({name: -used.cpu_s for name, used in self.used.items()})
        for used in self.used.values():
            used.peak_mb = 0.0
        done = threading.Event()

        def watch() -> None:
            while not done.wait(every_s):
                self.look()

        watcher = threading.Thread(target=watch, daemon=True)
        began = time.monotonic()
        watcher.start()
        try:
            yield found
        finally:
            done.set()
            watcher.join()
            self.look()
            found.seconds = time.monotonic() - began
            for name, used in self.used.items():
                found.cpu_s[name] += used.cpu_s
                found.peak_mb[name] = used.peak_mb


@dataclass
class Measured:
    """Processor seconds and peak memory of each program in a block."""

    cpu_s: dict[str, float]
    peak_mb: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """For the report."""
        return {
            "cpu_s": {name: round(value, 1) for name, value in self.cpu_s.items()},
            "busy_cores": {name: round(value / max(self.seconds, 0.001), 2) for name, value in self.cpu_s.items()},
            "peak_mb": {name: round(value) for name, value in self.peak_mb.items()},
        }


def environment(home: Home) -> dict[str, str]:
    """What the programs of a home are started with."""
    return {**os.environ, **home.environment, "CITYRISK_HOME": str(home.root)}


@contextmanager
def running(home: Home, names: Sequence[str] = NAMES, kind: type[Chain] = Chain) -> Iterator[Chain]:
    """All programs of a home, well, until the block ends."""
    chain = kind(home, names)
    try:
        chain.up()
        yield chain
    finally:
        chain.down()

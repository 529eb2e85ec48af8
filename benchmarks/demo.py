"""A demo from its command to a quiet hour: `python benchmarks/demo.py [--city yichang] [--rest 300] [--idle 180]`.

Runs `cityrisk demo` in a home and on ports of its own. First: when the list of the alerts page has each colour, in
seconds after the process of the devices began, which is before the line "devices speak" (`line_s`). Then, `--rest`
seconds after the second batch, what all its processes take for `--idle` seconds: cores and memory, by process. Prints
one JSON document.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from access.alerts_view import AlertFilter, board
from access.live import ops_reader
from access.rights import CITY_WIDE
from core.loopback import free_port
from core.settings import Home, open_home
from core.severity import WORST_FIRST

PROGRAM = Path(sys.executable).with_name("cityrisk")
SPEAK, READY, DEVICES = "devices speak", "the graph builds again", "devices"
LOOK_EVERY_S, WITHIN_S = 1.0, 600.0
_MIB = 1 << 20


def main() -> None:
    """Start, look, wait, measure, stop, print; the exit code is 1 when a colour did not come."""
    options = _options()
    with tempfile.TemporaryDirectory(dir=options.place) as folder:
        home = open_home({}, Path(folder) / "var")
        with _demo(home.root, options) as lines:
            began = _began(home.root)
            colours = _colours(home, began)
            spoken_at = lines.await_line(SPEAK)
            lines.await_line(READY)
            time.sleep(options.rest)
            idle = _idle(home.root, options.idle)
    load = os.getloadavg()
    took = {"began_s": round(began - lines.started_at, 1), "line_s": round(spoken_at - lines.started_at, 1)}
    figures = {"city": options.city, **took, "first_alerts": colours, "idle": idle}
    print(json.dumps({**figures, "load": [round(one, 1) for one in load]}, ensure_ascii=False))
    raise SystemExit(0 if colours.keys() == set(WORST_FIRST) else 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--city", default="yichang")
    parser.add_argument("--days", default="30")
    parser.add_argument("--scale", default="1.0")
    parser.add_argument("--rest", type=float, default=300.0, help="seconds after the second batch")
    parser.add_argument("--idle", type=float, default=180.0, help="seconds over which they are taken")
    parser.add_argument("--place", help="folder for the home")
    return parser.parse_args()


class Lines(threading.Thread):
    """What the demo prints, passed on to standard error, each with the instant it came."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        super().__init__(daemon=True)
        self.started_at = time.time()
        self._process, self._lines, self._came = process, list[tuple[float, str]](), threading.Condition()

    def run(self) -> None:
        """Read until it ends."""
        for line in self._process.stdout or ():
            print(f"{time.time() - self.started_at:7.1f}  {line}", end="", file=sys.stderr, flush=True)
            with self._came:
                self._lines.append((time.time(), line))
                self._came.notify_all()

    def await_line(self, words: str) -> float:
        """When a line with these words came (Unix time). Raises TimeoutError."""
        deadline = time.monotonic() + WITHIN_S
        with self._came:
            while (left := deadline - time.monotonic()) > 0:
                if found := next((at for at, line in self._lines if words in line), None):
                    return found
                self._came.wait(left)
        raise TimeoutError(f"no line with {words!r} within {WITHIN_S:.0f} s")


@contextmanager
def _demo(root: Path, options: argparse.Namespace) -> Iterator[Lines]:
    """A demo that is stopped behind the block as a person stops it."""
    command = [PROGRAM, "demo", "--port", str(free_port())]
    command += ["--city", options.city, "--days", options.days, "--scale", options.scale]
    environment = {**os.environ, "CITYRISK_HOME": str(root), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        lines = Lines(process)
        lines.start()
        try:
            yield lines
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=WITHIN_S)


def _colours(home: Home, since: float) -> dict[str, dict[str, Any]]:
    """Colour → the first look at the page's list that had it, in seconds after an instant, and what it was about."""
    found: dict[str, dict[str, Any]] = {}
    while len(found) < len(WORST_FIRST) and time.time() - since < WITHIN_S:
        with ops_reader(home) as live:
            listed = board(live, CITY_WIDE, AlertFilter(newest_first=True), limit=None).rows if live else ()
        for row in listed:
            after_s = round(time.time() - since, 1)
            found.setdefault(row.colour, {"after_s": after_s, "matters": row.matters_en})
        time.sleep(LOOK_EVERY_S)
    return found


def _began(root: Path) -> float:
    """When the process of the devices began (Unix time)."""
    while True:
        for process in psutil.process_iter(["environ", "create_time"]):
            named = process.info["environ"] or {}
            if named.get("CITYRISK_HOME") == str(root) and named.get("SUPERVISOR_PROCESS_NAME") == DEVICES:
                return float(process.info["create_time"])
        time.sleep(LOOK_EVERY_S)


def _idle(root: Path, seconds: float) -> dict[str, Any]:
    """Cores and MiB of all processes of a home: resident, and their share of what they have together."""
    before, began = _times(root), time.monotonic()
    time.sleep(seconds)
    after, took = _times(root), time.monotonic() - began
    by_process = {}
    for process, (name, cpu) in sorted(after.items(), key=lambda item: item[1][0]):
        try:
            memory = psutil.Process(process).memory_full_info()
        except psutil.NoSuchProcess:
            continue
        cores = (cpu - before.get(process, (name, cpu))[1]) / took
        label = f"{name} {process}"
        by_process[label] = [round(cores, 3), round(memory.rss / _MIB), round(memory.pss / _MIB)]
    cores, rss, pss = (round(sum(column), 2) for column in zip(*by_process.values(), strict=True))
    return {"cores": cores, "rss_mib": rss, "pss_mib": pss, "cores_rss_pss_by_process": by_process}


def _times(root: Path) -> dict[int, tuple[str, float]]:
    """Process id → what it is, and its processor seconds with those of children that ended."""
    found = {}
    for process in psutil.process_iter(["environ", "cmdline", "cpu_times"]):
        if (process.info["environ"] or {}).get("CITYRISK_HOME") == str(root):
            words = [Path(word).name for word in process.info["cmdline"][:6]]
            name = (process.info["environ"] or {}).get("SUPERVISOR_PROCESS_NAME") or " ".join(words)
            times = process.info["cpu_times"]
            found[process.pid] = f"{name} ({' '.join(words)[:60]})", sum(times[:4])
    return found


if __name__ == "__main__":
    main()

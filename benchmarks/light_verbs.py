"""What looking costs: `python benchmarks/light_verbs.py [--repeat 9] [--alerts 1000]`.

Each verb that reads nothing heavy as a process of its own, in turns with `python -c "import typer"`: medians of wall
and processor seconds, the largest memory, and the processor time as a multiple of that import's, which holds on a busy
machine as well. The home has an ops store with so many open alerts and refused rows, and nothing runs in it. Bytecode
may be written, and is by a first turn that counts for nothing. One JSON line a verb.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CITYRISK = str(Path(sys.executable).with_name("cityrisk"))
FILL = (
    "import sys; from pathlib import Path; from benchmarks.chain.small_home import fill_small_home; "
    "fill_small_home(Path(sys.argv[1]), int(sys.argv[2]))"
)
YARDSTICK = (sys.executable, "-c", "import typer")
VERBS: Mapping[str, tuple[str, ...]] = {
    "--help": ("--help",),
    "alerts --help": ("alerts", "--help"),
    "feed list": ("feed", "list"),
    "system list": ("system", "list"),
    "decode": ("decode", "hj212", "--hex", "00"),
    "status": ("status",),
    "quarantine list": ("quarantine", "list"),
    "alerts list": ("alerts", "list"),
    "users logins": ("users", "logins"),
}


@dataclass(frozen=True, slots=True)
class Cost:
    """One process: seconds by the clock and of the processor, and its largest resident memory."""

    wall_s: float
    cpu_s: float
    megabytes: float


def main() -> None:
    """Fill a home, take turns, print one JSON line a verb."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--repeat", type=int, default=9)
    arguments.add_argument("--alerts", type=int, default=1000)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        environment = {**_with_bytecode(os.environ), "CITYRISK_HOME": str(home), "XDG_CACHE_HOME": folder}
        lines = {"import typer": YARDSTICK, **{name: (CITYRISK, *words) for name, words in VERBS.items()}}
        # A child's memory begins with that of its parent, so nothing large is imported here.
        subprocess.run(
            [sys.executable, "-c", FILL, str(home), str(chosen.alerts)], check=True, cwd=ROOT, env=environment
        )
        for line in lines.values():  # the first of each writes bytecode and keeps what it checked
            cost_of(line, environment)
        turns = [{name: cost_of(line, environment) for name, line in lines.items()} for _ in range(chosen.repeat)]
    yardstick = statistics.median(turn["import typer"].cpu_s for turn in turns)
    for name in lines:
        print(json.dumps({"verb": name, **_summary([turn[name] for turn in turns], yardstick)}), flush=True)


def cost_of(line: Sequence[str], environment: Mapping[str, str]) -> Cost:
    """Run a process to its end; how it ends is not asked: `status` of a home in which nothing runs ends with 1."""
    began = time.perf_counter()
    process = subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Cost(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def _with_bytecode(environment: Mapping[str, str]) -> dict[str, str]:
    """Without bytecode every start would compile what it imports, and that is what would be measured."""
    return {name: value for name, value in environment.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _summary(costs: Sequence[Cost], yardstick_s: float) -> dict[str, float]:
    cpu_s = statistics.median(cost.cpu_s for cost in costs)
    return {
        "wall_s": round(statistics.median(cost.wall_s for cost in costs), 3),
        "cpu_s": round(cpu_s, 3),
        "times_import_typer": round(cpu_s / yardstick_s, 2),
        "megabytes": round(max(cost.megabytes for cost in costs)),
    }


if __name__ == "__main__":
    main()
